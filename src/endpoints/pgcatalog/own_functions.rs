//! Functions that Spanwise adds to SQL, as rows of `pg_proc` in the schema `public`.

use super::types::{Column, Oid, Types};
use super::value::{Row, Value};
use crate::engine::functions::about::{ALL, About};

/// First oid, above those of tables.
const FIRST: Oid = 400_000_000;
/// Oid of `pg_proc` itself, for `pg_description`.
const CLASS_OF_PROCEDURES: Oid = 1255;
/// Oid of the language `internal`.
const INTERNAL: Oid = 12;

/// Functions with the oids of their types.
pub(super) struct OwnFunctions {
    all: Vec<(&'static About, Oid, Vec<Oid>)>,
    schema: Oid,
    owner: Oid,
}

impl OwnFunctions {
    pub(super) fn new(types: &Types, schema: Oid, owner: Oid) -> OwnFunctions {
        let kind = |name: &str| types.named(name).unwrap_or(super::types::TEXT);
        let own = |about: &'static About| {
            let arguments = about.arguments.iter().map(|(_, name)| kind(name)).collect();
            (about, kind(about.result), arguments)
        };
        OwnFunctions { all: ALL.iter().map(own).collect(), schema, owner }
    }

    /// Returns their rows in a relation.
    pub(super) fn rows(&self, relation: &str, columns: &[Column]) -> Vec<Row> {
        let value: fn(&Self, usize, &str) -> Value = match relation {
            "pg_proc" => OwnFunctions::procedure,
            "pg_description" => OwnFunctions::description,
            _ => return Vec::new(),
        };
        let row = |at| columns.iter().map(|column| value(self, at, &column.name)).collect();
        (0..self.all.len()).map(row).collect()
    }

    fn oid(at: usize) -> Oid {
        Oid::try_from(at).map_or(FIRST, |at| FIRST + at)
    }

    fn procedure(&self, at: usize, column: &str) -> Value {
        let Some((about, result, arguments)) = self.all.get(at) else { return Value::Null };
        match column {
            "oid" => Self::oid(at).into(),
            "proname" | "prosrc" => about.name.into(),
            "pronamespace" => self.schema.into(),
            "proowner" => self.owner.into(),
            "prolang" => INTERNAL.into(),
            "procost" => Value::Float(1.0),
            "prorows" => Value::Float(0.0),
            "provariadic" | "prosupport" | "pronargdefaults" => Value::Int(0),
            "prokind" => if about.is_aggregate { "a" } else { "f" }.into(),
            "provolatile" => "i".into(),
            "proparallel" => "s".into(),
            "prosecdef" | "proleakproof" | "proisstrict" | "proretset" => false.into(),
            "pronargs" => Value::Int(i64::try_from(arguments.len()).unwrap_or_default()),
            "prorettype" => (*result).into(),
            "proargtypes" => Value::vector(arguments.iter().map(|kind| Value::from(*kind)).collect()),
            "proargnames" => Value::array(about.arguments.iter().map(|(name, _)| Value::from(*name)).collect()),
            _ => Value::Null,
        }
    }

    fn description(&self, at: usize, column: &str) -> Value {
        match column {
            "objoid" => Self::oid(at).into(),
            "classoid" => CLASS_OF_PROCEDURES.into(),
            "objsubid" => Value::Int(0),
            "description" => self.all.get(at).map(|(about, ..)| about.doc).into(),
            _ => Value::Null,
        }
    }
}
