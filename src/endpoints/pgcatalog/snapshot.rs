//! A snapshot of the catalogs: `PostgreSQL`'s own relations, and the current tables.

use super::definitions::Definition;
use super::system::{self, System, system};
use super::types::{Column, Oid, TypeInfo, Types};
use super::value::{Row, Value};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

/// A user table or view.
#[derive(Debug, Clone)]
pub(in crate::endpoints) struct UserTable {
    pub(in crate::endpoints) name: String,
    pub(in crate::endpoints) is_view: bool,
    /// Query of a view, if known.
    pub(in crate::endpoints) definition: Option<String>,
    pub(in crate::endpoints) doc: Option<String>,
    pub(in crate::endpoints) columns: Vec<UserColumn>,
}

/// A column of a table.
#[derive(Debug, Clone)]
pub(in crate::endpoints) struct UserColumn {
    pub(in crate::endpoints) name: String,
    /// Oid of its type on the wire.
    pub(in crate::endpoints) kind: u32,
    pub(in crate::endpoints) nullable: bool,
    pub(in crate::endpoints) doc: Option<String>,
}

/// A table with its assigned oids.
#[derive(Debug)]
pub(super) struct Numbered {
    pub(super) table: UserTable,
    pub(super) oid: Oid,
    pub(super) row_type: Oid,
    pub(super) array_type: Oid,
}

/// Row positions by the value of one column.
pub(super) type Index = HashMap<Value, Vec<usize>>;

/// A relation of `PostgreSQL`'s catalogs.
pub(super) struct Relation {
    pub(super) definition: Definition,
    rows: OnceLock<Arc<Vec<Row>>>,
    indexes: Mutex<HashMap<usize, Arc<Index>>>,
}

impl fmt::Debug for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Relation").field(&self.definition.name).finish()
    }
}

/// The catalogs at one moment.
#[derive(Debug)]
pub(in crate::endpoints) struct Snapshot {
    pub(super) system: &'static System,
    pub(super) types: Types,
    pub(super) tables: Vec<Numbered>,
    relations: HashMap<(Arc<str>, Arc<str>), Arc<Relation>>,
    by_oid: HashMap<Oid, Arc<Relation>>,
    fill: Fill,
}

/// Function that creates the rows of a relation.
type Fill = fn(&Snapshot, &Definition) -> Vec<Row>;

impl fmt::Debug for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("System")
    }
}

impl Snapshot {
    pub(super) fn new(tables: Vec<UserTable>, fill: Fill) -> Snapshot {
        let system = system();
        let mut types = Types::default();
        for definition in &system.definitions {
            types.add(row_type(definition.row_type, &definition.name, 0));
        }
        let tables = numbered(tables);
        for table in &tables {
            types.add(row_type(table.row_type, &table.table.name, table.array_type));
            types.add(TypeInfo {
                oid: table.array_type,
                name: format!("_{}", table.table.name).into(),
                elem: table.row_type,
                category: 'A',
                kind: 'b',
                ..row_type(0, "", 0)
            });
        }
        let (mut relations, mut by_oid) = (HashMap::new(), HashMap::new());
        for definition in &system.definitions {
            let relation =
                Arc::new(Relation { definition: definition.clone(), rows: OnceLock::new(), indexes: Mutex::default() });
            relations.insert((definition.schema.clone(), definition.name.clone()), relation.clone());
            by_oid.insert(definition.oid, relation);
        }
        Snapshot { system, types, tables, relations, by_oid, fill }
    }

    /// Finds a relation of `PostgreSQL`'s catalogs; without a schema it is searched in `pg_catalog`.
    pub(super) fn relation(&self, schema: Option<&str>, name: &str) -> Option<&Arc<Relation>> {
        self.relations.get(&(schema.unwrap_or("pg_catalog").into(), name.into()))
    }

    /// Returns whether an unqualified name refers to a relation of `PostgreSQL`'s catalogs.
    pub(in crate::endpoints) fn is_catalog(&self, name: &str) -> bool {
        self.relation(None, name).is_some() && self.table(name).is_none()
    }

    pub(super) fn relation_of(&self, oid: Oid) -> Option<&Arc<Relation>> {
        self.by_oid.get(&oid)
    }

    pub(super) fn table(&self, name: &str) -> Option<&Numbered> {
        self.tables.iter().find(|table| table.table.name == name)
    }

    pub(super) fn table_of(&self, oid: Oid) -> Option<&Numbered> {
        self.tables.iter().find(|table| table.oid == oid)
    }

    /// Returns schema and name of a relation or table by oid.
    pub(super) fn class(&self, oid: Oid) -> Option<(&str, &str)> {
        match self.table_of(oid) {
            Some(table) => Some(("public", &table.table.name)),
            None => self.relation_of(oid).map(|relation| (&*relation.definition.schema, &*relation.definition.name)),
        }
    }

    pub(super) fn class_named(&self, schema: Option<&str>, name: &str) -> Option<Oid> {
        let own = || self.relation(schema, name).map(|relation| relation.definition.oid);
        let table = || self.table(name).map(|table| table.oid);
        match schema {
            None => own().or_else(table),
            Some("public") => table(),
            Some(_) => own(),
        }
    }

    /// Returns a type of `PostgreSQL`, or a row type.
    pub(super) fn type_info(&self, oid: Oid) -> Option<&TypeInfo> {
        self.system.types.get(oid).or_else(|| self.types.get(oid))
    }

    pub(super) fn type_named(&self, name: &str) -> Option<Oid> {
        self.system.types.named(name).or_else(|| self.types.named(name))
    }

    pub(super) fn rows(&self, relation: &Relation) -> Arc<Vec<Row>> {
        relation.rows.get_or_init(|| Arc::new((self.fill)(self, &relation.definition))).clone()
    }

    pub(super) fn index(&self, relation: &Relation, column: usize) -> Arc<Index> {
        let rows = self.rows(relation);
        let mut indexes = relation.indexes.lock();
        indexes.entry(column).or_insert_with(|| Arc::new(index(&rows, column))).clone()
    }

    pub(super) fn namespace(schema: &str) -> Oid {
        match schema {
            "pg_catalog" => system::PG_CATALOG,
            "information_schema" => system::INFORMATION_SCHEMA,
            _ => system::PUBLIC,
        }
    }
}

/// Indexes rows by a column, without NULL, which equals nothing.
pub(super) fn index(rows: &[Row], column: usize) -> Index {
    let mut index = Index::new();
    for (place, row) in rows.iter().enumerate() {
        if !row[column].is_null() {
            index.entry(row[column].clone()).or_default().push(place);
        }
    }
    index
}

fn row_type(oid: Oid, name: &str, array: Oid) -> TypeInfo {
    TypeInfo { oid, name: name.into(), len: -1, elem: 0, array, category: 'C', kind: 'c', collation: 0 }
}

/// Assigns oids derived from table names, so that a restart, a reload or another table does not change them.
fn numbered(mut tables: Vec<UserTable>) -> Vec<Numbered> {
    /// First oid, above those of `PostgreSQL`'s own objects.
    const FIRST: u32 = 16_384;
    const SLOTS: u32 = 100_000_000;
    tables.sort_by(|a, b| a.name.cmp(&b.name));
    let mut taken = std::collections::HashSet::new();
    let number = |table: UserTable| {
        let hash =
            table.name.bytes().fold(2_166_136_261_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(16_777_619));
        let mut slot = hash % SLOTS;
        while !taken.insert(slot) {
            slot = (slot + 1) % SLOTS;
        }
        let oid = FIRST + slot * 3;
        Numbered { table, oid, row_type: oid + 1, array_type: oid + 2 }
    };
    tables.into_iter().map(number).collect()
}

impl Relation {
    pub(super) fn columns(&self) -> &Arc<[Column]> {
        &self.definition.columns
    }
}
