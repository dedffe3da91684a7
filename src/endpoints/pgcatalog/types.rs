//! Types by oid, as in `pg_type`.

use std::collections::HashMap;
use std::sync::Arc;

/// The oid of an object.
pub(super) type Oid = u32;

pub(super) const BOOL: Oid = 16;
pub(super) const BYTEA: Oid = 17;
pub(super) const CHAR: Oid = 18;
pub(super) const NAME: Oid = 19;
pub(super) const INT8: Oid = 20;
pub(super) const INT2: Oid = 21;
pub(super) const INT2VECTOR: Oid = 22;
pub(super) const INT4: Oid = 23;
pub(super) const REGPROC: Oid = 24;
pub(super) const TEXT: Oid = 25;
pub(super) const OID: Oid = 26;
pub(super) const XID: Oid = 28;
pub(super) const OIDVECTOR: Oid = 30;
pub(super) const JSON: Oid = 114;
pub(super) const FLOAT4: Oid = 700;
pub(super) const FLOAT8: Oid = 701;
pub(super) const UNKNOWN: Oid = 705;
pub(super) const BPCHAR: Oid = 1042;
pub(super) const VARCHAR: Oid = 1043;
pub(super) const PG_NODE_TREE: Oid = 194;
pub(super) const DATE: Oid = 1082;
pub(super) const TIMESTAMP: Oid = 1114;
pub(super) const TIMESTAMPTZ: Oid = 1184;
pub(super) const INTERVAL: Oid = 1186;
pub(super) const NUMERIC: Oid = 1700;
pub(super) const REGPROCEDURE: Oid = 2202;
pub(super) const REGOPER: Oid = 2203;
pub(super) const REGOPERATOR: Oid = 2204;
pub(super) const REGCLASS: Oid = 2205;
pub(super) const REGTYPE: Oid = 2206;
pub(super) const RECORD: Oid = 2249;
pub(super) const ANY: Oid = 2276;
pub(super) const ANYARRAY: Oid = 2277;
pub(super) const VOID: Oid = 2278;
pub(super) const JSONB: Oid = 3802;
pub(super) const REGNAMESPACE: Oid = 4089;
pub(super) const REGROLE: Oid = 4096;
pub(super) const REGCOLLATION: Oid = 4191;
pub(super) const TEXT_ARRAY: Oid = 1009;
pub(super) const NAME_ARRAY: Oid = 1003;
pub(super) const INT2_ARRAY: Oid = 1005;
pub(super) const OID_ARRAY: Oid = 1028;
pub(super) const INT4_ARRAY: Oid = 1007;
pub(super) const ACLITEM_ARRAY: Oid = 1034;

/// The type of an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ty {
    pub(super) oid: Oid,
    /// Columns of a row type, if they are known.
    pub(super) fields: Option<Arc<[Column]>>,
}

/// Name and type of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: Arc<str>,
    pub(super) ty: Ty,
}

impl Column {
    pub(super) fn new(name: &str, ty: impl Into<Ty>) -> Column {
        Column { name: name.into(), ty: ty.into() }
    }
}

impl From<Oid> for Ty {
    fn from(oid: Oid) -> Ty {
        Ty { oid, fields: None }
    }
}

impl Ty {
    pub(super) fn record(fields: Vec<Column>) -> Ty {
        Ty { oid: RECORD, fields: Some(fields.into()) }
    }

    pub(super) fn is(&self, oid: Oid) -> bool {
        self.oid == oid
    }
}

/// Attributes of a type in `pg_type`.
#[derive(Debug, Clone)]
pub(super) struct TypeInfo {
    pub(super) oid: Oid,
    pub(super) name: Arc<str>,
    pub(super) len: i64,
    pub(super) elem: Oid,
    pub(super) array: Oid,
    pub(super) category: char,
    pub(super) kind: char,
    pub(super) collation: Oid,
}

/// All types.
#[derive(Debug, Default)]
pub(super) struct Types {
    by_oid: HashMap<Oid, TypeInfo>,
    by_name: HashMap<Arc<str>, Oid>,
}

impl Types {
    pub(super) fn add(&mut self, info: TypeInfo) {
        self.by_name.entry(info.name.clone()).or_insert(info.oid);
        self.by_oid.insert(info.oid, info);
    }

    pub(super) fn get(&self, oid: Oid) -> Option<&TypeInfo> {
        self.by_oid.get(&oid)
    }

    /// Finds a type by its SQL name, which can be an alias (`integer`) and end in `[]`.
    pub(super) fn named(&self, name: &str) -> Option<Oid> {
        let name = name.trim();
        if let Some(item) = name.strip_suffix("[]") {
            return self.array_of(self.named(item)?);
        }
        let bare = strip_schema(name);
        if let Some(quoted) = bare.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
            return self.by_name.get(quoted).copied();
        }
        // Length and scale do not affect any value in the catalogs.
        let lower = match (bare.find('('), bare.rfind(')')) {
            (Some(from), Some(to)) if from < to => format!("{}{}", &bare[..from].trim_end(), &bare[to + 1..]),
            _ => bare.to_owned(),
        };
        let lower = lower.to_lowercase();
        let known = match lower.trim() {
            "int" | "integer" => "int4",
            "smallint" => "int2",
            "bigint" => "int8",
            "real" => "float4",
            "float" | "double precision" | "double" => "float8",
            "boolean" => "bool",
            "character varying" | "char varying" => "varchar",
            "character" | "char" => "bpchar",
            "decimal" | "dec" => "numeric",
            "timestamp with time zone" => "timestamptz",
            "timestamp without time zone" => "timestamp",
            "time with time zone" => "timetz",
            "time without time zone" => "time",
            "bit varying" => "varbit",
            "string" => "text",
            other => other,
        };
        self.by_name.get(known).copied()
    }

    pub(super) fn elem(&self, oid: Oid) -> Option<Oid> {
        match oid {
            ANYARRAY => Some(TEXT),
            _ => self.get(oid).filter(|info| info.elem != 0 && (info.category == 'A')).map(|info| info.elem),
        }
    }

    pub(super) fn array_of(&self, oid: Oid) -> Option<Oid> {
        let oid = if oid == UNKNOWN { TEXT } else { oid };
        self.get(oid).map(|info| info.array).filter(|array| *array != 0)
    }
}

fn strip_schema(name: &str) -> &str {
    for schema in ["pg_catalog.", "\"pg_catalog\".", "information_schema.", "public."] {
        if let Some(rest) = name.strip_prefix(schema) {
            return rest;
        }
    }
    name
}

pub(super) fn is_reg(oid: Oid) -> bool {
    matches!(
        oid,
        REGCLASS | REGTYPE | REGPROC | REGPROCEDURE | REGNAMESPACE | REGROLE | REGOPER | REGOPERATOR | REGCOLLATION
    )
}

pub(super) fn is_integer(oid: Oid) -> bool {
    matches!(oid, INT2 | INT4 | INT8 | OID | XID) || is_reg(oid)
}

pub(super) fn is_number(oid: Oid) -> bool {
    is_integer(oid) || matches!(oid, FLOAT4 | FLOAT8 | NUMERIC)
}

pub(super) fn is_text(oid: Oid) -> bool {
    matches!(oid, TEXT | NAME | VARCHAR | BPCHAR | CHAR | UNKNOWN | JSON | JSONB | BYTEA | PG_NODE_TREE)
}

/// Returns whether values of a type are stored as text because they are never computed with.
pub(super) fn is_opaque(oid: Oid) -> bool {
    !is_number(oid) && !matches!(oid, BOOL | DATE | TIMESTAMP | TIMESTAMPTZ | INTERVAL | RECORD)
}
