//! Binds operators.

use super::expr::{not, truth};
use super::{At, Binder, Typed};
use crate::endpoints::pgcatalog::fault::{Fault, Result};
use crate::endpoints::pgcatalog::plan::{Expr, Op};
use crate::endpoints::pgcatalog::types::{self, Oid};
use crate::endpoints::pgcatalog::value::Value;
use datafusion::sql::sqlparser::ast::{self, BinaryOperator as Binary, UnaryOperator as Unary};

impl Binder<'_> {
    pub(super) fn in_list(&self, expr: &ast::Expr, list: &[ast::Expr], negated: bool, at: At<'_>) -> Result<Typed> {
        let value = self.expr(expr, at)?;
        let mut left = None;
        let mut items = Vec::new();
        for item in list {
            let (value, item) = self.comparable(value.clone(), self.expr(item, at)?, "=")?;
            left.get_or_insert(value);
            items.push(item);
        }
        let Some(left) = left else { return Err(Fault::unsupported("an empty list")) };
        let found = Expr::In(Box::new(left), items);
        Ok(truth(if negated { not(found) } else { found }))
    }

    /// Binds `left op ANY|ALL (array or query)`.
    pub(super) fn quantified(
        &self,
        left: &ast::Expr,
        op: &Binary,
        right: &ast::Expr,
        all: bool,
        at: At<'_>,
    ) -> Result<Typed> {
        let (op, sign) = operator(op)?;
        let mut inner = right;
        while let ast::Expr::Nested(nested) = inner {
            inner = nested;
        }
        if let ast::Expr::Subquery(query) = inner {
            return self.quantified_query(left, op, query, all, at);
        }
        let (left, right) = (self.expr(left, at)?, self.expr(right, at)?);
        // A literal or a parameter is read as an array of the left operand's type.
        let array = if self.known(&right).is_some() {
            right
        } else {
            let of = self.known(&left).unwrap_or(types::TEXT);
            let of = if matches!(of, types::NAME | types::CHAR) { types::TEXT } else { of };
            let kind = self.names.snapshot.system.types.array_of(of).unwrap_or(types::TEXT_ARRAY);
            Typed::new(self.coerce(right, kind)?, kind)
        };
        if !self.names.is_array(array.ty.oid) && !matches!(self.known(&array), Some(kind) if self.names.is_array(kind))
        {
            return Err(Fault::new("42809", "op ANY/ALL (array) requires array on right side"));
        }
        let elem = Typed::new(Expr::Const(Value::Null), self.names.elem(self.known(&array).unwrap_or(array.ty.oid)));
        let (left, _) = self.comparable(left, elem, sign)?;
        Ok(truth(Expr::Quantified { op, left: Box::new(left), array: Box::new(array.expr), all }))
    }

    pub(super) fn quantified_query(
        &self,
        left: &ast::Expr,
        op: Op,
        query: &ast::Query,
        all: bool,
        at: At<'_>,
    ) -> Result<Typed> {
        let left = self.expr(left, at)?;
        let query = self.subquery(query, at)?;
        let left = match query.query.columns.as_slice() {
            [column] => {
                let column = Typed::new(Expr::Const(Value::Null), column.ty.clone());
                self.comparable(left, column, "=")?.0
            }
            columns if left.ty.fields.as_ref().is_some_and(|fields| fields.len() == columns.len()) => left.expr,
            _ => return Err(Fault::new("42601", "subquery has too many columns")),
        };
        Ok(truth(Expr::QuantifiedQuery { op, left: Box::new(left), query: Box::new(query), all }))
    }

    pub(super) fn texts(&self, left: &ast::Expr, right: &ast::Expr, op: Op, at: At<'_>) -> Result<Typed> {
        let (left, right) = (self.expr(left, at)?, self.expr(right, at)?);
        let (left, right) = (self.coerce(left, types::TEXT)?, self.coerce(right, types::TEXT)?);
        Ok(truth(Expr::Binary(op, Box::new(left), Box::new(right))))
    }

    pub(super) fn unary(&self, op: Unary, expr: &ast::Expr, at: At<'_>) -> Result<Typed> {
        let value = self.expr(expr, at)?;
        match op {
            Unary::Not => Ok(truth(not(self.boolean(value)?))),
            Unary::Plus => Ok(value),
            Unary::Minus => {
                let ty = if value.ty.is(types::UNKNOWN) { types::INT4.into() } else { value.ty.clone() };
                let expr = Expr::Negate(Box::new(self.coerce(value, ty.oid)?));
                Ok(Typed { expr: in_range(expr, ty.oid), ty })
            }
            other => Err(Fault::unsupported(format!("the operator {other}"))),
        }
    }

    pub(super) fn binary(&self, left: &ast::Expr, op: &Binary, right: &ast::Expr, at: At<'_>) -> Result<Typed> {
        if matches!(op, Binary::And | Binary::Or) {
            let mut parts = Vec::new();
            self.chain(left, op, at, &mut parts)?;
            self.chain(right, op, at, &mut parts)?;
            return Ok(truth(if *op == Binary::And { Expr::And(parts) } else { Expr::Or(parts) }));
        }
        let (kind, sign) = operator(op)?;
        if matches!(kind, Op::Match { .. } | Op::Like { .. } | Op::StartsWith) {
            return self.texts(left, right, kind, at);
        }
        let (left, right) = (self.expr(left, at)?, self.expr(right, at)?);
        self.binary_of(kind, sign, left, right)
    }

    pub(super) fn binary_of(&self, op: Op, sign: &str, left: Typed, right: Typed) -> Result<Typed> {
        let binary = |op, left, right| Expr::Binary(op, Box::new(left), Box::new(right));
        let (a, b) = (self.known(&left), self.known(&right));
        match op {
            Op::Eq | Op::NotEq | Op::Less | Op::LessEq | Op::Greater | Op::GreaterEq => {
                let (left, right) = self.comparable(left, right, sign)?;
                Ok(truth(binary(op, left, right)))
            }
            Op::Concat => {
                let list = |kind: Option<Oid>| kind.filter(|kind| self.names.is_array(*kind));
                match (list(a), list(b)) {
                    (Some(kind), _) | (None, Some(kind)) => {
                        let other = |of: Option<Oid>| if of.is_none() { kind } else { types::ANY };
                        let (left, right) = (self.coerce(left, other(a))?, self.coerce(right, other(b))?);
                        Ok(Typed::new(binary(Op::Append, left, right), kind))
                    }
                    _ => {
                        let (left, right) = (self.coerce(left, types::TEXT)?, self.coerce(right, types::TEXT)?);
                        Ok(Typed::new(binary(op, left, right), types::TEXT))
                    }
                }
            }
            Op::Contains | Op::ContainedBy | Op::Overlaps => {
                let kind = a.or(b).unwrap_or(types::TEXT_ARRAY);
                let own = |of: Option<Oid>| if of.is_none() { kind } else { types::ANY };
                let (left, right) = (self.coerce(left, own(a))?, self.coerce(right, own(b))?);
                Ok(truth(binary(op, left, right)))
            }
            _ => self.arithmetic(op, sign, left, right),
        }
    }

    pub(super) fn arithmetic(&self, op: Op, sign: &str, left: Typed, right: Typed) -> Result<Typed> {
        let (a, b) = (self.known(&left), self.known(&right));
        let is_time = |kind: Oid| matches!(kind, types::TIMESTAMP | types::TIMESTAMPTZ | types::DATE);
        let ty = match (a, b) {
            (Some(a), Some(b)) if is_time(a) && is_time(b) && op == Op::Minus => types::INTERVAL,
            (Some(a), Some(types::INTERVAL)) if is_time(a) => a,
            (Some(types::INTERVAL), Some(b)) => {
                if is_time(b) {
                    b
                } else {
                    types::INTERVAL
                }
            }
            (Some(types::INTERVAL), None) => types::INTERVAL,
            _ => {
                let ty = self.common(&[&left, &right]).oid;
                match (a.or(b).is_some(), ty) {
                    (true, ty) if types::is_reg(ty) => types::INT8,
                    (true, ty) if types::is_number(ty) => ty,
                    (true, _) => {
                        let name =
                            |kind: Option<Oid>| kind.map_or("unknown".to_owned(), |kind| self.names.type_name(kind));
                        let message = format!("operator does not exist: {} {sign} {}", name(a), name(b));
                        return Err(Fault::new("42883", message));
                    }
                    (false, _) => types::INT4,
                }
            }
        };
        let op = match op {
            Op::Divide if !types::is_integer(ty) => Op::Quotient,
            Op::Power => Op::Power,
            op => op,
        };
        let own = |known: Option<Oid>| if known.is_none() { ty } else { types::ANY };
        let (left, right) = (self.coerce(left, own(a))?, self.coerce(right, own(b))?);
        let ty = if op == Op::Power { types::FLOAT8 } else { ty };
        let value = Expr::Binary(op, Box::new(left), Box::new(right));
        Ok(Typed::new(if op == Op::Power { value } else { in_range(value, ty) }, ty))
    }

    /// Flattens `a AND b AND c`, which the parser nests to the left.
    pub(super) fn chain(&self, expr: &ast::Expr, of: &Binary, at: At<'_>, parts: &mut Vec<Expr>) -> Result<()> {
        let mut rest = vec![expr];
        while let Some(expr) = rest.pop() {
            match expr {
                ast::Expr::BinaryOp { left, op, right } if op == of => {
                    rest.push(right);
                    rest.push(left);
                }
                expr => {
                    let value = self.expr(expr, at)?;
                    parts.push(self.boolean(value)?);
                }
            }
        }
        Ok(())
    }
}

/// Integers are computed with 64 bits; a result outside the range of a smaller type is an error.
fn in_range(value: Expr, kind: Oid) -> Expr {
    match kind {
        types::INT2 | types::INT4 => Expr::Cast { expr: Box::new(value), from: types::INT8, to: kind },
        _ => value,
    }
}

/// Returns an operator and its spelling.
fn operator(op: &Binary) -> Result<(Op, &'static str)> {
    let matches = |ignore_case, negated| Op::Match { ignore_case, negated };
    let like = |ignore_case, negated| Op::Like { ignore_case, negated };
    Ok(match op {
        Binary::Eq => (Op::Eq, "="),
        Binary::NotEq => (Op::NotEq, "<>"),
        Binary::Lt => (Op::Less, "<"),
        Binary::LtEq => (Op::LessEq, "<="),
        Binary::Gt => (Op::Greater, ">"),
        Binary::GtEq => (Op::GreaterEq, ">="),
        Binary::Plus => (Op::Plus, "+"),
        Binary::Minus => (Op::Minus, "-"),
        Binary::Multiply => (Op::Times, "*"),
        Binary::Divide => (Op::Divide, "/"),
        Binary::Modulo => (Op::Modulo, "%"),
        Binary::BitwiseAnd => (Op::BitAnd, "&"),
        Binary::BitwiseOr => (Op::BitOr, "|"),
        Binary::PGBitwiseXor => (Op::BitXor, "#"),
        Binary::PGBitwiseShiftLeft => (Op::ShiftLeft, "<<"),
        Binary::PGBitwiseShiftRight => (Op::ShiftRight, ">>"),
        Binary::PGExp | Binary::BitwiseXor => (Op::Power, "^"),
        Binary::StringConcat => (Op::Concat, "||"),
        Binary::PGRegexMatch => (matches(false, false), "~"),
        Binary::PGRegexIMatch => (matches(true, false), "~*"),
        Binary::PGRegexNotMatch => (matches(false, true), "!~"),
        Binary::PGRegexNotIMatch => (matches(true, true), "!~*"),
        Binary::PGLikeMatch => (like(false, false), "~~"),
        Binary::PGILikeMatch => (like(true, false), "~~*"),
        Binary::PGNotLikeMatch => (like(false, true), "!~~"),
        Binary::PGNotILikeMatch => (like(true, true), "!~~*"),
        Binary::PGStartsWith => (Op::StartsWith, "^@"),
        Binary::AtArrow => (Op::Contains, "@>"),
        Binary::ArrowAt => (Op::ContainedBy, "<@"),
        Binary::PGOverlap => (Op::Overlaps, "&&"),
        // OPERATOR(schema.name).
        Binary::PGCustomBinaryOperator(parts) => return named(parts.last().map_or("", String::as_str)),
        other => return Err(Fault::unsupported(format!("the operator {other}"))),
    })
}

fn named(sign: &str) -> Result<(Op, &'static str)> {
    let all = [
        Binary::Eq,
        Binary::NotEq,
        Binary::Lt,
        Binary::LtEq,
        Binary::Gt,
        Binary::GtEq,
        Binary::Plus,
        Binary::Minus,
        Binary::Multiply,
        Binary::Divide,
        Binary::Modulo,
        Binary::BitwiseAnd,
        Binary::BitwiseOr,
        Binary::StringConcat,
        Binary::PGRegexMatch,
        Binary::PGRegexIMatch,
        Binary::PGRegexNotMatch,
        Binary::PGRegexNotIMatch,
        Binary::PGLikeMatch,
        Binary::PGILikeMatch,
        Binary::PGNotLikeMatch,
        Binary::PGNotILikeMatch,
        Binary::AtArrow,
        Binary::ArrowAt,
        Binary::PGOverlap,
        Binary::PGStartsWith,
    ];
    let found = all.iter().map(operator).find(|found| found.as_ref().is_ok_and(|(_, written)| *written == sign));
    found.unwrap_or_else(|| Err(Fault::new("42883", format!("operator does not exist: {sign}"))))
}
