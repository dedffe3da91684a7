//! Finds common types for operators, `CASE` and set operations, as in `PostgreSQL`.

use super::{Binder, Typed};
use crate::endpoints::pgcatalog::fault::{Fault, Result};
use crate::endpoints::pgcatalog::io;
use crate::endpoints::pgcatalog::plan::Expr;
use crate::endpoints::pgcatalog::types::{self, Oid, Ty};
use crate::endpoints::pgcatalog::value::Value;

impl Binder<'_> {
    /// Casts an expression to a type; a literal is parsed as one.
    pub(super) fn coerce(&self, typed: Typed, to: Oid) -> Result<Expr> {
        let Typed { expr, ty } = typed;
        if let Expr::Param(at) = expr
            && self.parameters.borrow().get(at) == Some(&0)
        {
            let to = if matches!(to, types::ANY | types::UNKNOWN) { types::TEXT } else { to };
            let to = if to == types::ANYARRAY { types::TEXT_ARRAY } else { to };
            self.parameters.borrow_mut()[at] = to;
            return Ok(expr);
        }
        if ty.is(to) || matches!(to, types::ANY | types::ANYARRAY) && !ty.is(types::UNKNOWN) {
            return Ok(expr);
        }
        let to = match to {
            types::ANY => types::TEXT,
            types::ANYARRAY => types::TEXT_ARRAY,
            to => to,
        };
        if ty.is(types::UNKNOWN)
            && let Expr::Const(value) = &expr
        {
            return Ok(Expr::Const(match value {
                Value::Text(text) => io::parse(&self.names, text, to)?,
                other => other.clone(),
            }));
        }
        let same = |of: fn(Oid) -> bool| of(ty.oid) && of(to);
        let widens = types::is_integer(ty.oid) && matches!(to, types::INT8 | types::OID)
            || types::is_reg(ty.oid) && to == types::OID;
        if widens || (same(types::is_text) && !matches!(to, types::CHAR | types::NAME)) {
            return Ok(expr);
        }
        Ok(Expr::Cast { expr: Box::new(expr), from: ty.oid, to })
    }

    /// Casts both sides of a comparison to a common type.
    pub(super) fn comparable(&self, left: Typed, right: Typed, operator: &str) -> Result<(Expr, Expr)> {
        let (a, b) = (self.known(&left), self.known(&right));
        match (a, b) {
            (None, None) => Ok((self.coerce(left, types::TEXT)?, self.coerce(right, types::TEXT)?)),
            (Some(_), None) => Ok((left.expr.clone(), self.coerce(right, literal_type(left.ty.oid))?)),
            (None, Some(_)) => Ok((self.coerce(left, literal_type(right.ty.oid))?, right.expr)),
            (Some(a), Some(b)) if self.alike(a, b) => Ok((left.expr, right.expr)),
            // Object names compared with text are compared as text.
            (Some(a), Some(b)) if types::is_reg(a) && types::is_text(b) => {
                Ok((self.coerce(left, types::TEXT)?, right.expr))
            }
            (Some(a), Some(b)) if types::is_text(a) && types::is_reg(b) => {
                Ok((left.expr, self.coerce(right, types::TEXT)?))
            }
            (Some(a), Some(b)) => {
                let (a, b) = (self.names.type_name(a), self.names.type_name(b));
                Err(Fault::new("42883", format!("operator does not exist: {a} {operator} {b}")))
            }
        }
    }

    fn alike(&self, a: Oid, b: Oid) -> bool {
        let of = |kind: fn(Oid) -> bool| kind(a) && kind(b);
        let is_time = |oid| matches!(oid, types::DATE | types::TIMESTAMP | types::TIMESTAMPTZ);
        let is_list = |oid| self.names.is_array(oid);
        a == b
            || of(types::is_number)
            || of(types::is_text)
            || of(is_time)
            || (is_list(a) && is_list(b))
            || other(a) && other(b)
    }

    /// Returns the type, if it is known.
    pub(super) fn known(&self, typed: &Typed) -> Option<Oid> {
        match typed.expr {
            Expr::Param(at) => self.parameters.borrow().get(at).copied().filter(|oid| *oid != 0),
            _ if typed.ty.is(types::UNKNOWN) => None,
            _ => Some(typed.ty.oid),
        }
    }

    /// Returns the common type of all branches.
    pub(super) fn common(&self, branches: &[&Typed]) -> Ty {
        let mut common: Option<Ty> = None;
        for branch in branches {
            let Some(oid) = self.known(branch) else { continue };
            common = Some(match common {
                None => Ty { oid, ..branch.ty.clone() },
                Some(known) => wider(known, oid),
            });
        }
        common.unwrap_or_else(|| types::TEXT.into())
    }

    /// Casts branches to their common type.
    pub(super) fn unified(&self, branches: Vec<Typed>) -> Result<(Vec<Expr>, Ty)> {
        let ty = self.common(&branches.iter().collect::<Vec<_>>());
        let exprs = branches.into_iter().map(|branch| self.coerce(branch, ty.oid)).collect::<Result<_>>()?;
        Ok((exprs, ty))
    }

    pub(super) fn boolean(&self, typed: Typed) -> Result<Expr> {
        let kind = self.known(&typed);
        match kind {
            None | Some(types::BOOL) => self.coerce(typed, types::BOOL),
            Some(other) => {
                let found = self.names.type_name(other);
                Err(Fault::new("42804", format!("argument must be type boolean, not type {found}")))
            }
        }
    }
}

/// Returns whether a type is not modeled in enough detail for type checks.
fn other(oid: Oid) -> bool {
    types::is_opaque(oid) && !types::is_text(oid) || oid == types::RECORD || oid == types::INTERVAL
}

/// Returns the type for a literal compared with this type; as text, so that it is not truncated like a name.
fn literal_type(oid: Oid) -> Oid {
    if matches!(oid, types::NAME | types::CHAR | types::BPCHAR) { types::TEXT } else { oid }
}

fn wider(known: Ty, oid: Oid) -> Ty {
    let rank = |oid: Oid| match oid {
        types::INT2 => 1,
        types::INT4 => 2,
        types::INT8 => 3,
        types::NUMERIC => 4,
        types::FLOAT4 => 5,
        types::FLOAT8 => 6,
        types::OID => 7,
        _ => 0,
    };
    if known.oid == oid {
        known
    } else if types::is_number(known.oid) && types::is_number(oid) {
        if rank(oid) > rank(known.oid) { oid.into() } else { known }
    } else if types::is_text(known.oid) && types::is_text(oid) {
        types::TEXT.into()
    } else if types::is_text(oid) {
        // Reports the text type as is; other branches are cast.
        oid.into()
    } else {
        known
    }
}
