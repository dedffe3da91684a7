//! Object names, and types written as names: `regclass`, `regtype` and similar.

use super::client::Client;
use super::fault::{Fault, Result};
use super::snapshot::Snapshot;
use super::system::{self, OWNER, system};
use super::types::{self, Oid};
use super::value::Value;
use std::collections::HashSet;
use std::sync::LazyLock;

/// Context of a name lookup.
#[derive(Clone, Copy)]
pub(super) struct Names<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) client: &'a Client,
}

/// Quotes a name if necessary.
pub(super) fn quote(name: &str) -> String {
    static RESERVED: LazyLock<HashSet<String>> = LazyLock::new(|| {
        let reserved = system().keywords.iter().filter(|row| row[1].as_text() != Some("U"));
        reserved.filter_map(|row| row[0].as_text().map(str::to_owned)).collect()
    });
    let mut letters = name.chars();
    let plain = letters.next().is_some_and(|first| first.is_ascii_lowercase() || first == '_')
        && letters.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if plain && !RESERVED.contains(name) { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

/// Returns the text before the closing quote, and the rest after it.
fn quoted_part(mut quoted: &str) -> Option<(String, &str)> {
    let mut part = String::new();
    loop {
        let end = quoted.find('"')?;
        part.push_str(&quoted[..end]);
        quoted = &quoted[end + 1..];
        let Some(more) = quoted.strip_prefix('"') else { return Some((part, quoted)) };
        part.push('"');
        quoted = more;
    }
}

/// Splits a name into its parts; unquoted parts are folded to lower case.
pub(super) fn parts(text: &str) -> Option<Vec<String>> {
    let (mut parts, mut rest) = (Vec::new(), text.trim());
    loop {
        let (part, after) = if let Some(quoted) = rest.strip_prefix('"') {
            quoted_part(quoted)?
        } else {
            let end = rest.find('.').unwrap_or(rest.len());
            (rest[..end].trim().to_lowercase(), &rest[end..])
        };
        if part.is_empty() {
            return None;
        }
        parts.push(part);
        match after.trim_start().strip_prefix('.') {
            Some(more) => rest = more.trim_start(),
            None if after.trim().is_empty() => return Some(parts),
            None => return None,
        }
    }
}

impl Names<'_> {
    /// Returns the element type of an array type.
    pub(super) fn elem(&self, kind: Oid) -> Oid {
        match kind {
            types::INT2VECTOR => types::INT2,
            types::OIDVECTOR => types::OID,
            types::ANYARRAY => types::TEXT,
            kind => {
                self.snapshot.type_info(kind).map(|info| info.elem).filter(|elem| *elem != 0).unwrap_or(types::TEXT)
            }
        }
    }

    pub(super) fn is_array(&self, kind: Oid) -> bool {
        kind == types::ANYARRAY || self.snapshot.type_info(kind).is_some_and(|info| info.category == 'A')
    }

    /// Formats a type like `format_type`.
    pub(super) fn type_name(&self, kind: Oid) -> String {
        self.type_name_with(kind, -1)
    }

    pub(super) fn type_name_with(&self, kind: Oid, modifier: i64) -> String {
        if kind == 0 {
            return "-".to_owned();
        }
        let Some(info) = self.snapshot.type_info(kind) else { return "???".to_owned() };
        if info.category == 'A' && info.len == -1 && info.elem != 0 {
            return format!("{}[]", self.type_name_with(info.elem, modifier));
        }
        let length = |words: &str, overhead: i64| {
            if modifier >= overhead { format!("{words}({})", modifier - overhead) } else { words.to_owned() }
        };
        match &*info.name {
            "bool" => "boolean".to_owned(),
            "int2" => "smallint".to_owned(),
            "int4" => "integer".to_owned(),
            "int8" => "bigint".to_owned(),
            "float4" => "real".to_owned(),
            "float8" => "double precision".to_owned(),
            "varchar" => length("character varying", 4),
            "bpchar" => length("character", 4),
            "char" => "\"char\"".to_owned(),
            "timestamptz" => "timestamp with time zone".to_owned(),
            "timestamp" => "timestamp without time zone".to_owned(),
            "timetz" => "time with time zone".to_owned(),
            "time" => "time without time zone".to_owned(),
            "varbit" => "bit varying".to_owned(),
            "numeric" if modifier >= 4 => {
                format!("numeric({},{})", ((modifier - 4) >> 16) & 0xffff, (modifier - 4) & 0x7ff)
            }
            // Keywords that PostgreSQL does not quote here.
            name @ ("numeric" | "json" | "bit" | "interval") => name.to_owned(),
            name if info.kind == 'd' => format!("information_schema.{}", quote(name)),
            name => quote(name),
        }
    }

    /// Returns the name of a relation, with its schema if that is not on the search path.
    pub(super) fn class_name(&self, oid: Oid) -> Option<String> {
        let (schema, name) = self.snapshot.class(oid)?;
        Some(if matches!(schema, "pg_catalog" | "public") {
            quote(name)
        } else {
            format!("{}.{}", quote(schema), quote(name))
        })
    }

    pub(super) fn namespace_name(oid: Oid) -> Option<&'static str> {
        match oid {
            system::PG_CATALOG => Some("pg_catalog"),
            system::PUBLIC => Some("public"),
            system::INFORMATION_SCHEMA => Some("information_schema"),
            _ => None,
        }
    }

    fn procedure_text(&self, oid: Oid, with_arguments: bool) -> Option<String> {
        let name = self.snapshot.system.procedure(oid)?;
        if with_arguments { Some(format!("{}({})", quote(name), self.arguments(oid)?)) } else { Some(quote(name)) }
    }

    fn arguments(&self, oid: Oid) -> Option<String> {
        let relation = self.snapshot.relation(None, "pg_proc")?;
        let rows = self.snapshot.rows(relation);
        let column = relation.columns().iter().position(|column| &*column.name == "proargtypes")?;
        let place = *self.snapshot.index(relation, 0).get(&Value::from(oid))?.first()?;
        let kinds = &rows[place][column].as_array()?.items;
        let name =
            |kind: &Value| self.type_name(kind.as_int().and_then(|oid| Oid::try_from(oid).ok()).unwrap_or_default());
        Some(kinds.iter().map(name).collect::<Vec<_>>().join(","))
    }

    /// Formats an oid as a name, or as a number if no object has it.
    pub(super) fn written(&self, oid: Oid, kind: Oid) -> String {
        if oid == 0 {
            return "-".to_owned();
        }
        let system = self.snapshot.system;
        let name = match kind {
            types::REGCLASS => self.class_name(oid),
            types::REGTYPE => self.snapshot.type_info(oid).map(|_| self.type_name(oid)),
            types::REGPROC => self.procedure_text(oid, false),
            types::REGPROCEDURE => self.procedure_text(oid, true),
            types::REGNAMESPACE => Names::namespace_name(oid).map(quote),
            types::REGROLE if oid == OWNER => Some(quote(&self.client.user)),
            types::REGOPER | types::REGOPERATOR => system.operator(oid).map(ToString::to_string),
            types::REGCOLLATION => system.collation(oid).map(|name| quote(name)),
            _ => None,
        };
        name.unwrap_or_else(|| oid.to_string())
    }

    /// Looks up the oid of a name.
    pub(super) fn read(&self, text: &str, kind: Oid) -> Result<Value> {
        let trimmed = text.trim();
        if trimmed == "-" {
            return Ok(Value::Int(0));
        }
        if let Ok(number) = trimmed.parse::<u32>() {
            return Ok(number.into());
        }
        self.lookup(trimmed, kind).map(Value::from).ok_or_else(|| match kind {
            types::REGCLASS => Fault::undefined_table(trimmed),
            types::REGTYPE => Fault::new("42704", format!("type \"{trimmed}\" does not exist")),
            types::REGNAMESPACE => Fault::new("3F000", format!("schema \"{trimmed}\" does not exist")),
            types::REGROLE => Fault::new("42704", format!("role \"{trimmed}\" does not exist")),
            types::REGPROC | types::REGPROCEDURE => {
                Fault::new("42883", format!("function \"{trimmed}\" does not exist"))
            }
            _ => Fault::new("42704", format!("object \"{trimmed}\" does not exist")),
        })
    }

    pub(super) fn lookup(&self, text: &str, kind: Oid) -> Option<Oid> {
        match kind {
            types::REGTYPE => return self.snapshot.type_named(text),
            types::REGOPER | types::REGOPERATOR => {
                return self.snapshot.system.operators(text.split('(').next()?).first().copied();
            }
            types::REGPROCEDURE => {
                let (name, arguments) = text.strip_suffix(')')?.split_once('(')?;
                let wanted: Vec<&str> = arguments.split(',').map(str::trim).filter(|word| !word.is_empty()).collect();
                let kinds: Option<Vec<String>> =
                    wanted.iter().map(|word| self.snapshot.type_named(word).map(|oid| self.type_name(oid))).collect();
                let kinds = kinds?.join(",");
                let all = self.snapshot.system.procedures(name.trim());
                return all.iter().copied().find(|oid| self.arguments(*oid).as_deref() == Some(&kinds));
            }
            _ => {}
        }
        let mut parts = parts(text)?;
        let name = parts.pop()?;
        let schema = parts.pop();
        let schema = schema.as_deref();
        match kind {
            types::REGCLASS => self.snapshot.class_named(schema, &name),
            types::REGPROC => self.snapshot.system.procedures(&name).first().copied(),
            types::REGNAMESPACE => {
                let all = [system::PG_CATALOG, system::PUBLIC, system::INFORMATION_SCHEMA];
                all.into_iter().find(|oid| Names::namespace_name(*oid) == Some(&name))
            }
            types::REGROLE => (name == self.client.user).then_some(OWNER),
            types::REGCOLLATION => self.snapshot.system.collation_named(&name),
            _ => None,
        }
    }
}
