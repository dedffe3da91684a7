//! What is the same in every `PostgreSQL`: its types, functions, operators and definitions of catalogs.

use super::definitions::{self, Definition};
use super::types::{self, Column, Oid, TypeInfo, Types};
use super::value::{Row, Value};
use crate::engine::postgres::array_items;
use arrow::array::{Array as _, AsArray as _, RecordBatch};
use arrow::datatypes::{DataType, Float32Type, Int16Type, Int32Type, Int64Type};
use datafusion_postgres::datafusion_pg_catalog::pg_catalog::{ArrowTable, PgCatalogStaticTables};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

/// Whoever logged in owns everything.
pub(super) const OWNER: Oid = 10;
/// Namespace of the catalogs.
pub(super) const PG_CATALOG: Oid = 11;
/// Namespace of the tables.
pub(super) const PUBLIC: Oid = 2200;
/// Namespace of the standard's views.
pub(super) const INFORMATION_SCHEMA: Oid = 13_254;

/// All of it.
pub(super) struct System {
    tables: HashMap<&'static str, Arc<ArrowTable>>,
    pub(super) types: Types,
    pub(super) definitions: Vec<Definition>,
    pub(super) keywords: Vec<Row>,
    procedures: HashMap<Oid, Arc<str>>,
    procedures_named: HashMap<Arc<str>, Vec<Oid>>,
    operators: HashMap<Oid, Arc<str>>,
    collations: HashMap<Oid, Arc<str>>,
}

/// Read once, when the first client asks.
pub(super) fn system() -> &'static System {
    static SYSTEM: LazyLock<System> = LazyLock::new(System::read);
    &SYSTEM
}

impl System {
    fn read() -> System {
        // The tables are part of the program: that they can be read a test shows.
        let tables = PgCatalogStaticTables::try_new().ok();
        let mut system = System {
            keywords: tables.as_ref().map(|tables| keywords(&tables.pg_get_keywords)).unwrap_or_default(),
            tables: tables.map(named).unwrap_or_default(),
            types: Types::default(),
            definitions: Vec::new(),
            procedures: HashMap::new(),
            procedures_named: HashMap::new(),
            operators: HashMap::new(),
            collations: HashMap::new(),
        };
        system.types = system.read_types();
        system.definitions = definitions::all(&system.types);
        for (oid, name) in system.pairs("pg_proc", "oid", "proname") {
            system.procedures.insert(oid, name.clone());
            system.procedures_named.entry(name).or_default().push(oid);
        }
        system.operators = system.pairs("pg_operator", "oid", "oprname").collect();
        system.collations = system.pairs("pg_collation", "oid", "collname").collect();
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

    fn read_types(&self) -> Types {
        let names = ["oid", "typname", "typlen", "typelem", "typarray", "typcategory", "typtype", "typcollation"];
        let columns = names.map(|name| Column::new(name, types::TEXT));
        let mut all = Types::default();
        for row in self.rows("pg_type", &columns).unwrap_or_default() {
            let oid = |at: usize| row[at].as_int().and_then(|oid| Oid::try_from(oid).ok()).unwrap_or_default();
            let letter = |at: usize| row[at].as_text().and_then(|text| text.chars().next()).unwrap_or_default();
            if letter(6) == 'c' {
                continue;
            }
            all.add(TypeInfo {
                oid: oid(0),
                name: row[1].as_text().unwrap_or_default().into(),
                len: row[2].as_int().unwrap_or(-1),
                elem: oid(3),
                array: oid(4),
                category: letter(5),
                kind: letter(6),
                collation: oid(7),
            });
        }
        all
    }

    /// The rows of a table that is the same everywhere; `None` where it is not one.
    pub(super) fn rows(&self, table: &str, columns: &[Column]) -> Option<Vec<Row>> {
        let table = self.tables.get(table)?;
        let mut rows = Vec::new();
        for batch in table.data() {
            let of: Vec<Option<usize>> = columns.iter().map(|column| place(batch, &column.name)).collect();
            for at in 0..batch.num_rows() {
                let value = |(column, place): (&Column, &Option<usize>)| {
                    place.map_or(Value::Null, |place| self.value(batch, place, at, column.ty.oid))
                };
                rows.push(columns.iter().zip(&of).map(value).collect::<Row>());
            }
        }
        Some(rows)
    }

    fn value(&self, batch: &RecordBatch, column: usize, row: usize, kind: Oid) -> Value {
        let array = batch.column(column);
        if array.is_null(row) {
            return Value::Null;
        }
        match array.data_type() {
            DataType::Boolean => Value::Bool(array.as_boolean().value(row)),
            DataType::Int16 => Value::Int(array.as_primitive::<Int16Type>().value(row).into()),
            DataType::Int32 => Value::Int(array.as_primitive::<Int32Type>().value(row).into()),
            DataType::Int64 => Value::Int(array.as_primitive::<Int64Type>().value(row)),
            DataType::Float32 => Value::Float(array.as_primitive::<Float32Type>().value(row).into()),
            DataType::Utf8 => self.read_text(array.as_string::<i32>().value(row), kind),
            _ => Value::Null,
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

    /// The functions of a name, which may be qualified.
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

/// Columns were renamed between the versions of `PostgreSQL`.
fn place(batch: &RecordBatch, name: &str) -> Option<usize> {
    let schema = batch.schema();
    let name = match name {
        "colliculocale" => "colllocale",
        other => other,
    };
    schema.index_of(name).ok()
}

fn keywords(table: &ArrowTable) -> Vec<Row> {
    let mut rows = Vec::new();
    for batch in table.data() {
        let text = |column: usize, row: usize| {
            let column = batch.column(column);
            match (column.as_string_opt::<i32>(), column.as_boolean_opt()) {
                (Some(texts), _) if texts.is_valid(row) => Value::text(texts.value(row)),
                (_, Some(yes)) if yes.is_valid(row) => Value::Bool(yes.value(row)),
                _ => Value::Null,
            }
        };
        for row in 0..batch.num_rows() {
            // PostgreSQL gives word, category, whether it may name a column, and both in words.
            rows.push((0..batch.num_columns()).map(|column| text(column, row)).collect());
        }
    }
    rows
}

fn named(tables: PgCatalogStaticTables) -> HashMap<&'static str, Arc<ArrowTable>> {
    HashMap::from([
        ("pg_aggregate", tables.pg_aggregate),
        ("pg_am", tables.pg_am),
        ("pg_amop", tables.pg_amop),
        ("pg_amproc", tables.pg_amproc),
        ("pg_cast", tables.pg_cast),
        ("pg_collation", tables.pg_collation),
        ("pg_conversion", tables.pg_conversion),
        ("pg_description", tables.pg_description),
        ("pg_language", tables.pg_language),
        ("pg_opclass", tables.pg_opclass),
        ("pg_operator", tables.pg_operator),
        ("pg_opfamily", tables.pg_opfamily),
        ("pg_proc", tables.pg_proc),
        ("pg_range", tables.pg_range),
        ("pg_shdescription", tables.pg_shdescription),
        ("pg_tablespace", tables.pg_tablespace),
        ("pg_ts_config", tables.pg_ts_config),
        ("pg_ts_dict", tables.pg_ts_dict),
        ("pg_ts_parser", tables.pg_ts_parser),
        ("pg_ts_template", tables.pg_ts_template),
        ("pg_type", tables.pg_type),
    ])
}
