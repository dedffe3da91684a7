//! `PostgreSQL`'s static catalog content: types, functions, operators and definitions.

use super::definitions::{self, Definition};
use super::own_functions::OwnFunctions;
use super::types::{self, Column, Oid, TypeInfo, Types};
use super::value::{Row, Value};
use crate::engine::postgres::array_items;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

/// Oid of the user, who owns everything.
pub(super) const OWNER: Oid = 10;
/// Oid of the namespace `pg_catalog`.
pub(super) const PG_CATALOG: Oid = 11;
/// Oid of the namespace `public`, which contains the tables.
pub(super) const PUBLIC: Oid = 2200;
/// Oid of the namespace `information_schema`.
pub(super) const INFORMATION_SCHEMA: Oid = 13_254;

/// The static catalog content.
pub(super) struct System {
    pub(super) types: Types,
    pub(super) definitions: Vec<Definition>,
    pub(super) keywords: Vec<Row>,
    own: OwnFunctions,
    procedures: HashMap<Oid, Arc<str>>,
    procedures_named: HashMap<Arc<str>, Vec<Oid>>,
    operators: HashMap<Oid, Arc<str>>,
    collations: HashMap<Oid, Arc<str>>,
}

/// Returns the content, which is parsed when the first client needs it.
pub(super) fn system() -> &'static System {
    static SYSTEM: LazyLock<System> = LazyLock::new(System::read);
    &SYSTEM
}

impl System {
    fn read() -> System {
        let types = read_types();
        let mut system = System {
            own: OwnFunctions::new(&types, PUBLIC, OWNER),
            types,
            definitions: Vec::new(),
            keywords: Vec::new(),
            procedures: HashMap::new(),
            procedures_named: HashMap::new(),
            operators: HashMap::new(),
            collations: HashMap::new(),
        };
        system.definitions = definitions::all(&system.types);
        for (oid, name) in system.pairs("pg_proc", "oid", "proname") {
            system.procedures.insert(oid, name.clone());
            system.procedures_named.entry(name).or_default().push(oid);
        }
        system.operators = system.pairs("pg_operator", "oid", "oprname").collect();
        system.collations = system.pairs("pg_collation", "oid", "collname").collect();
        let columns = [("word", types::TEXT), ("catcode", types::CHAR), ("barelabel", types::BOOL)];
        let columns = columns.into_iter().chain([("catdesc", types::TEXT), ("baredesc", types::TEXT)]);
        let columns: Vec<Column> = columns.map(|(name, kind)| Column::new(name, kind)).collect();
        system.keywords = system.rows("pg_get_keywords", &columns).unwrap_or_default();
        system
    }

    fn pairs(&self, table: &str, oid: &str, name: &str) -> impl Iterator<Item = (Oid, Arc<str>)> + use<> {
        let columns = [Column::new(oid, types::OID), Column::new(name, types::NAME)];
        let rows = self.rows(table, &columns).unwrap_or_default();
        rows.into_iter().filter_map(|row| match (&row[0], &row[1]) {
            (Value::Int(oid), Value::Text(name)) => Some((Oid::try_from(*oid).ok()?, name.clone())),
            _ => None,
        })
    }

    /// Returns the rows of a static table; `None` for other tables. Columns missing from it are NULL.
    pub(super) fn rows(&self, table: &str, columns: &[Column]) -> Option<Vec<Row>> {
        let own = self.own.rows(table, columns);
        let table = Table::named(table)?;
        let places: Vec<Option<usize>> = columns.iter().map(|column| table.place(&column.name)).collect();
        let row = |cells: Vec<&str>| {
            let value = |(column, place): (&Column, &Option<usize>)| match place.map(|place| cells[place]) {
                Some(cell) => self.value(cell, column.ty.oid),
                None => Value::Null,
            };
            columns.iter().zip(&places).map(value).collect()
        };
        Some(table.rows().map(row).chain(own).collect())
    }

    fn value(&self, cell: &str, kind: Oid) -> Value {
        match (cell, kind) {
            (NULL, _) => Value::Null,
            (cell, types::BOOL) => Value::Bool(cell == "t"),
            (cell, types::FLOAT4) => cell.parse().map_or(Value::Null, Value::Float),
            (cell, kind) => self.read_text(cell, kind),
        }
    }

    fn read_text(&self, text: &str, kind: Oid) -> Value {
        match kind {
            types::REGPROC => Value::from(self.procedures(text).first().copied().unwrap_or_default()),
            kind if types::is_integer(kind) => text.parse().map_or(Value::Null, Value::Int),
            types::INT2VECTOR | types::OIDVECTOR => {
                Value::vector(text.split_whitespace().filter_map(|item| item.parse().ok().map(Value::Int)).collect())
            }
            kind => match self.types.elem(kind) {
                Some(item) => {
                    let items = array_items(text).unwrap_or_default();
                    let value =
                        |item_text: Option<String>| item_text.map_or(Value::Null, |text| self.read_text(&text, item));
                    Value::array(items.into_iter().map(value).collect())
                }
                None => Value::text(text),
            },
        }
    }

    /// Returns the functions with a name, which can be qualified.
    pub(super) fn procedures(&self, name: &str) -> &[Oid] {
        let name = name.strip_prefix("pg_catalog.").unwrap_or(name).trim_matches('"');
        self.procedures_named.get(name).map_or(&[], Vec::as_slice)
    }

    pub(super) fn procedure(&self, oid: Oid) -> Option<&Arc<str>> {
        self.procedures.get(&oid)
    }

    pub(super) fn operator(&self, oid: Oid) -> Option<&Arc<str>> {
        self.operators.get(&oid)
    }

    pub(super) fn operators(&self, name: &str) -> Vec<Oid> {
        let name = name.strip_prefix("pg_catalog.").unwrap_or(name);
        let mut oids: Vec<Oid> = self.operators.iter().filter(|(_, of)| &***of == name).map(|(oid, _)| *oid).collect();
        oids.sort_unstable();
        oids
    }

    pub(super) fn collation(&self, oid: Oid) -> Option<&Arc<str>> {
        self.collations.get(&oid)
    }

    pub(super) fn collation_named(&self, name: &str) -> Option<Oid> {
        let name = name.strip_prefix("pg_catalog.").unwrap_or(name).trim_matches('"');
        self.collations.iter().find(|(_, of)| &***of == name).map(|(oid, _)| *oid)
    }
}

/// NULL in `COPY` format.
const NULL: &str = r"\N";

/// A table in `COPY … (HEADER)` format: a line of column names, then one line per row, separated by tabs.
#[derive(Clone, Copy)]
struct Table(&'static str);

impl Table {
    fn named(name: &str) -> Option<Table> {
        TABLES.iter().find(|(of, _)| *of == name).map(|(_, text)| Table(text))
    }

    fn place(self, column: &str) -> Option<usize> {
        self.0.lines().next()?.split('\t').position(|name| name == column)
    }

    /// Returns the cells of each row.
    fn rows(self) -> impl Iterator<Item = Vec<&'static str>> {
        self.0.lines().skip(1).map(|line| line.split('\t').collect())
    }
}

/// Reads the types first, because all other tables refer to them.
fn read_types() -> Types {
    let mut all = Types::default();
    let Some(table) = Table::named("pg_type") else { return all };
    let place = |name: &str| table.place(name).unwrap_or_default();
    let oids = ["oid", "typelem", "typarray", "typcollation"].map(place);
    let (name, len) = (place("typname"), place("typlen"));
    let letters = ["typcategory", "typtype"].map(place);
    for cells in table.rows() {
        let [oid, elem, array, collation] = oids.map(|at| cells[at].parse().unwrap_or_default());
        let [category, kind] = letters.map(|at| cells[at].chars().next().unwrap_or_default());
        let len = cells[len].parse().unwrap_or(-1);
        all.add(TypeInfo { oid, name: cells[name].into(), len, elem, array, category, kind, collation });
    }
    all
}

macro_rules! tables {
    ($($name:literal),* $(,)?) => { [$(($name, include_str!(concat!("system/", $name, ".tsv")))),*] };
}

/// Static tables of `PostgreSQL` 16 (without rows of its own relations, and without expression trees).
const TABLES: [(&str, &str); 22] = tables![
    "pg_aggregate",
    "pg_am",
    "pg_amop",
    "pg_amproc",
    "pg_cast",
    "pg_collation",
    "pg_conversion",
    "pg_description",
    "pg_get_keywords",
    "pg_language",
    "pg_opclass",
    "pg_operator",
    "pg_opfamily",
    "pg_proc",
    "pg_range",
    "pg_shdescription",
    "pg_tablespace",
    "pg_ts_config",
    "pg_ts_dict",
    "pg_ts_parser",
    "pg_ts_template",
    "pg_type",
];
