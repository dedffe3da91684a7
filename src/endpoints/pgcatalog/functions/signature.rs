//! Signatures of catalog functions: name, arguments and result.

use crate::endpoints::pgcatalog::fault::{Fault, Result};
use crate::endpoints::pgcatalog::statement::Statement;
use crate::endpoints::pgcatalog::types::{Column, Oid, Ty};
use crate::endpoints::pgcatalog::value::{Row, Value};
use std::fmt;

/// A scalar function.
pub(in crate::endpoints::pgcatalog) struct Builtin {
    pub(in crate::endpoints::pgcatalog) name: &'static str,
    /// Types of the arguments; [`types::ANY`] accepts all types, [`types::ANYARRAY`] arrays.
    pub(in crate::endpoints::pgcatalog) arguments: &'static [Oid],
    /// Number of trailing arguments that can be omitted.
    pub(super) optional: usize,
    /// Whether the last argument can be repeated.
    pub(in crate::endpoints::pgcatalog) variadic: bool,
    pub(in crate::endpoints::pgcatalog) returns: Returns,
    /// Whether it returns NULL if an argument is NULL.
    pub(in crate::endpoints::pgcatalog) strict: bool,
    pub(in crate::endpoints::pgcatalog) call: Call,
}

type Call = fn(&Statement<'_>, &[Value]) -> Result<Value>;

/// Result type of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::endpoints::pgcatalog) enum Returns {
    Type(Oid),
    /// The type of an argument, by index.
    Same(usize),
}

/// A set-returning function.
pub(in crate::endpoints::pgcatalog) struct SetFunction {
    pub(in crate::endpoints::pgcatalog) name: &'static str,
    pub(in crate::endpoints::pgcatalog) arguments: &'static [Oid],
    pub(super) optional: usize,
    pub(in crate::endpoints::pgcatalog) variadic: bool,
    pub(in crate::endpoints::pgcatalog) columns: fn(&Types<'_>) -> Vec<Column>,
    pub(in crate::endpoints::pgcatalog) call: fn(&Statement<'_>, &[Value]) -> Result<Vec<Row>>,
}

/// Types of the arguments of a call.
pub(in crate::endpoints::pgcatalog) struct Types<'a> {
    pub(in crate::endpoints::pgcatalog) arguments: &'a [Ty],
    /// Returns the element type of an array type.
    pub(in crate::endpoints::pgcatalog) elem: &'a dyn Fn(Oid) -> Oid,
}

impl fmt::Debug for Builtin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl fmt::Debug for SetFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Creates a function that returns NULL if an argument is NULL.
pub(super) const fn strict(name: &'static str, arguments: &'static [Oid], returns: Oid, call: Call) -> Builtin {
    let returns = Returns::Type(returns);
    Builtin { name, arguments, optional: 0, variadic: false, returns, strict: true, call }
}

/// Creates a function that is also called for NULL.
pub(super) const fn lax(name: &'static str, arguments: &'static [Oid], returns: Oid, call: Call) -> Builtin {
    Builtin { strict: false, ..strict(name, arguments, returns, call) }
}

impl Builtin {
    pub(super) const fn optional(self, optional: usize) -> Builtin {
        Builtin { optional, ..self }
    }

    pub(super) const fn variadic(self) -> Builtin {
        Builtin { variadic: true, ..self }
    }

    pub(super) const fn same(self, argument: usize) -> Builtin {
        Builtin { returns: Returns::Same(argument), ..self }
    }
}

/// Returns a text argument, whose type was checked by the planner.
pub(super) fn text(values: &[Value], at: usize) -> Result<&str> {
    values
        .get(at)
        .and_then(Value::as_text)
        .ok_or_else(|| Fault::new("42804", format!("argument {} is no text", at + 1)))
}

pub(super) fn int(values: &[Value], at: usize) -> Result<i64> {
    let value = values.get(at).and_then(Value::as_int);
    value.ok_or_else(|| Fault::new("42804", format!("argument {} is no integer", at + 1)))
}

pub(super) fn oid(values: &[Value], at: usize) -> Result<Oid> {
    Ok(Oid::try_from(int(values, at)?).unwrap_or_default())
}
