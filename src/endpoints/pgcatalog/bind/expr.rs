//! Binds expressions.

use super::{At, Binder, PARAMETERS_MAX, Typed, fold};
use crate::endpoints::pgcatalog::fault::{Fault, Result};
use crate::endpoints::pgcatalog::plan::{Expr, Op, Subquery};
use crate::endpoints::pgcatalog::types::{self, Oid, Ty};
use crate::endpoints::pgcatalog::value::Value;
use datafusion::sql::sqlparser::ast;

impl Binder<'_> {
    pub(super) fn expr(&self, expr: &ast::Expr, at: At<'_>) -> Result<Typed> {
        use ast::Expr as E;
        let boxed = Box::new;
        match expr {
            E::Nested(inner) | E::Collate { expr: inner, .. } => self.expr(inner, at),
            E::Value(value) => self.value(&value.value),
            E::Identifier(ident) => self.name(None, ident, at),
            E::CompoundIdentifier(parts) => self.compound(parts, at),
            E::CompoundFieldAccess { root, access_chain } => self.access(root, access_chain, at),
            E::IsNull(inner) => self.is_null(inner, true, at),
            E::IsNotNull(inner) => self.is_null(inner, false, at),
            E::IsTrue(inner) => self.is(inner, Some(true), false, at),
            E::IsNotTrue(inner) => self.is(inner, Some(true), true, at),
            E::IsFalse(inner) => self.is(inner, Some(false), false, at),
            E::IsNotFalse(inner) => self.is(inner, Some(false), true, at),
            E::IsUnknown(inner) => self.is(inner, None, false, at),
            E::IsNotUnknown(inner) => self.is(inner, None, true, at),
            E::IsDistinctFrom(left, right) | E::IsNotDistinctFrom(left, right) => {
                let (left, right) = self.comparable(self.expr(left, at)?, self.expr(right, at)?, "=")?;
                let distinct = Expr::Distinct(boxed(left), boxed(right));
                Ok(truth(if matches!(expr, E::IsDistinctFrom(..)) { distinct } else { not(distinct) }))
            }
            E::Between { expr, negated, low, high } => {
                let value = self.expr(expr, at)?;
                let (a, low) = self.comparable(value.clone(), self.expr(low, at)?, ">=")?;
                let (b, high) = self.comparable(value, self.expr(high, at)?, "<=")?;
                let both = Expr::And(vec![
                    Expr::Binary(Op::GreaterEq, boxed(a), boxed(low)),
                    Expr::Binary(Op::LessEq, boxed(b), boxed(high)),
                ]);
                Ok(truth(if *negated { not(both) } else { both }))
            }
            E::InList { expr, list, negated } => self.in_list(expr, list, *negated, at),
            E::InSubquery { expr, subquery, negated } => {
                let typed = self.quantified_query(expr, Op::Eq, subquery, false, at)?;
                Ok(if *negated { truth(not(typed.expr)) } else { typed })
            }
            E::AnyOp { left, compare_op, right, .. } => self.quantified(left, compare_op, right, false, at),
            E::AllOp { left, compare_op, right } => self.quantified(left, compare_op, right, true, at),
            E::Like { negated, expr, pattern, .. } => {
                self.texts(expr, pattern, Op::Like { ignore_case: false, negated: *negated }, at)
            }
            E::ILike { negated, expr, pattern, .. } => {
                self.texts(expr, pattern, Op::Like { ignore_case: true, negated: *negated }, at)
            }
            E::UnaryOp { op, expr } => self.unary(*op, expr, at),
            E::BinaryOp { left, op, right } => self.binary(left, op, right, at),
            E::Cast { expr, data_type, .. } => self.cast(expr, data_type, at),
            E::Case { operand, conditions, else_result, .. } => {
                self.case(operand.as_deref(), conditions, else_result.as_deref(), at)
            }
            E::Exists { subquery, negated } => {
                let exists = Expr::Exists(Box::new(self.subquery(subquery, at)?));
                Ok(truth(if *negated { not(exists) } else { exists }))
            }
            E::Subquery(query) => {
                let subquery = self.subquery(query, at)?;
                let [column] = subquery.query.columns.as_slice() else {
                    return Err(Fault::new("42601", "subquery must return only one column"));
                };
                let ty = column.ty.clone();
                Ok(Typed::new(Expr::Scalar(Box::new(subquery)), ty))
            }
            E::Array(array) => self.array(&array.elem, at),
            E::Tuple(exprs) => self.row(exprs, at),
            E::Function(function) => self.call(function, at),
            other => self.worded(other, at),
        }
    }

    /// Binds calls with their own syntax.
    fn worded(&self, expr: &ast::Expr, at: At<'_>) -> Result<Typed> {
        use ast::Expr as E;
        match expr {
            E::TypedString(typed) => {
                let text = typed.value.clone().into_string().unwrap_or_default();
                let to = self.type_of(&typed.data_type)?;
                let literal = Typed::new(Expr::Const(text.into()), types::UNKNOWN);
                Ok(Typed::new(self.coerce(literal, to)?, to))
            }
            E::Extract { field, expr, .. } => {
                let value = self.expr(expr, at)?;
                let field = Typed::new(Expr::Const(field.to_string().to_lowercase().into()), types::TEXT);
                self.call_of("date_part", vec![field, value])
            }
            E::Position { expr, r#in } => {
                let (part, all) = (self.expr(expr, at)?, self.expr(r#in, at)?);
                self.call_of("position", vec![part, all])
            }
            E::Substring { expr, substring_from, substring_for, .. } => {
                let mut arguments = vec![self.expr(expr, at)?];
                match substring_from {
                    Some(from) => arguments.push(self.expr(from, at)?),
                    None => arguments.push(Typed::new(Expr::Const(Value::Int(1)), types::INT4)),
                }
                if let Some(count) = substring_for {
                    arguments.push(self.expr(count, at)?);
                }
                self.call_of("substring", arguments)
            }
            E::Trim { trim_where, trim_what, expr, trim_characters } => {
                let mut arguments = vec![self.expr(expr, at)?];
                let what = trim_what.as_deref().or_else(|| trim_characters.as_ref().and_then(|all| all.first()));
                if let Some(what) = what {
                    arguments.push(self.expr(what, at)?);
                }
                let name = match trim_where {
                    Some(ast::TrimWhereField::Leading) => "ltrim",
                    Some(ast::TrimWhereField::Trailing) => "rtrim",
                    _ => "btrim",
                };
                self.call_of(name, arguments)
            }
            E::Floor { expr, .. } => self.call_of("floor", vec![self.expr(expr, at)?]),
            E::Ceil { expr, .. } => self.call_of("ceil", vec![self.expr(expr, at)?]),
            E::AtTimeZone { timestamp, .. } => self.expr(timestamp, at),
            other => Err(Fault::unsupported(other)),
        }
    }

    fn value(&self, value: &ast::Value) -> Result<Typed> {
        Ok(match value {
            ast::Value::Null => Typed::new(Expr::Const(Value::Null), types::UNKNOWN),
            ast::Value::Boolean(yes) => Typed::new(Expr::Const((*yes).into()), types::BOOL),
            ast::Value::Number(text, _) => {
                if let Ok(number) = text.parse::<i64>() {
                    let kind = if i32::try_from(number).is_ok() { types::INT4 } else { types::INT8 };
                    Typed::new(Expr::Const(Value::Int(number)), kind)
                } else {
                    let number = text.parse().map_err(|_| Fault::invalid_text("numeric", text))?;
                    Typed::new(Expr::Const(Value::Float(number)), types::NUMERIC)
                }
            }
            ast::Value::Placeholder(name) => {
                let number = name.strip_prefix('$').and_then(|number| number.parse().ok());
                let Some(place @ 1..=PARAMETERS_MAX) = number else {
                    return Err(Fault::new("42P02", format!("there is no parameter {name}")));
                };
                let mut parameters = self.parameters.borrow_mut();
                if parameters.len() < place {
                    parameters.resize(place, 0);
                }
                let kind = if parameters[place - 1] == 0 { types::UNKNOWN } else { parameters[place - 1] };
                Typed::new(Expr::Param(place - 1), kind)
            }
            value => match value.clone().into_string() {
                Some(text) => Typed::new(Expr::Const(text.into()), types::UNKNOWN),
                None => return Err(Fault::unsupported(value)),
            },
        })
    }

    fn name(&self, qualifier: Option<&str>, ident: &ast::Ident, at: At<'_>) -> Result<Typed> {
        let name = fold(ident);
        if let Some(column) = Self::column(at.scope, qualifier, &name)? {
            return Ok(column);
        }
        if let Some(qualifier) = qualifier {
            // A field of a composite column.
            if let Some(record) = Self::column(at.scope, None, qualifier)?.filter(|record| record.ty.fields.is_some()) {
                return field(record, &name);
            }
            return Err(Fault::undefined_column(&format!("{qualifier}.{name}")));
        }
        if let Some(row) = Binder::whole_row(at.scope, &name) {
            return Ok(row);
        }
        // Functions that are called without parentheses.
        match name.as_str() {
            "current_user" | "session_user" | "user" | "current_role" | "current_catalog" | "current_schema"
            | "current_timestamp"
                if ident.quote_style.is_none() =>
            {
                self.call_of(&name, Vec::new())
            }
            _ => Err(Fault::undefined_column(&format!("\"{name}\""))),
        }
    }

    fn compound(&self, parts: &[ast::Ident], at: At<'_>) -> Result<Typed> {
        match parts {
            [name] => self.name(None, name, at),
            [.., qualifier, name] => self.name(Some(&fold(qualifier)), name, at),
            [] => Err(Fault::undefined_column("")),
        }
    }

    /// `root[1]`, `root[1:2]`, `(root).field`.
    fn access(&self, root: &ast::Expr, chain: &[ast::AccessExpr], at: At<'_>) -> Result<Typed> {
        let mut chain = chain;
        // The parser returns `a.b[1]` as the root `a` with an access of `b`, even if `a` is a table.
        let mut parts: Vec<ast::Ident> = match root {
            ast::Expr::Identifier(ident) => vec![ident.clone()],
            ast::Expr::CompoundIdentifier(parts) => parts.clone(),
            _ => Vec::new(),
        };
        let mut value = if parts.is_empty() {
            self.expr(root, at)?
        } else {
            while let Some((ast::AccessExpr::Dot(ast::Expr::Identifier(ident)), rest)) = chain.split_first() {
                parts.push(ident.clone());
                chain = rest;
            }
            self.compound(&parts, at)?
        };
        for access in chain {
            value = match access {
                ast::AccessExpr::Dot(ast::Expr::Identifier(ident)) => field(value, &fold(ident))?,
                ast::AccessExpr::Dot(other) => return Err(Fault::unsupported(other)),
                ast::AccessExpr::Subscript(ast::Subscript::Index { index }) => {
                    let index = self.expr(index, at)?;
                    let index = self.coerce(index, types::INT4)?;
                    let elem = self.names.elem(value.ty.oid);
                    let ty = Ty { oid: elem, fields: value.ty.fields.clone() };
                    Typed { expr: Expr::Index(Box::new(value.expr), Box::new(index)), ty }
                }
                ast::AccessExpr::Subscript(ast::Subscript::Slice { lower_bound, upper_bound, .. }) => {
                    let bound = |bound: &Option<ast::Expr>| match bound {
                        None => Ok(None),
                        Some(bound) => {
                            let bound = self.expr(bound, at)?;
                            self.coerce(bound, types::INT4).map(|bound| Some(Box::new(bound)))
                        }
                    };
                    let (low, high) = (bound(lower_bound)?, bound(upper_bound)?);
                    // A slice of a vector is an array.
                    let oid = match value.ty.oid {
                        types::INT2VECTOR => types::INT2_ARRAY,
                        types::OIDVECTOR => types::OID_ARRAY,
                        oid => oid,
                    };
                    let ty = Ty { oid, ..value.ty };
                    Typed { expr: Expr::Slice(Box::new(value.expr), low, high), ty }
                }
            };
        }
        Ok(value)
    }

    /// Binds `IS NULL` and `IS NOT NULL`; a row is checked column by column.
    fn is_null(&self, inner: &ast::Expr, is: bool, at: At<'_>) -> Result<Typed> {
        let typed = self.expr(inner, at)?;
        if typed.ty.is(types::RECORD) || typed.ty.fields.is_some() && !self.names.is_array(typed.ty.oid) {
            return Ok(truth(Expr::EachNull(Box::new(typed.expr), is)));
        }
        let value = match self.known(&typed) {
            Some(_) => typed.expr,
            None => self.coerce(typed, types::TEXT)?,
        };
        let null = Expr::IsNull(Box::new(value));
        Ok(truth(if is { null } else { not(null) }))
    }

    fn is(&self, inner: &ast::Expr, what: Option<bool>, negated: bool, at: At<'_>) -> Result<Typed> {
        let value = self.boolean(self.expr(inner, at)?)?;
        let is = Expr::Is(Box::new(value), what);
        Ok(truth(if negated { not(is) } else { is }))
    }

    pub(super) fn subquery(&self, query: &ast::Query, at: At<'_>) -> Result<Subquery> {
        let (query, correlated) = self.query(query, at)?;
        Ok(Subquery { id: self.next_id(), query, correlated })
    }

    fn cast(&self, expr: &ast::Expr, kind: &ast::DataType, at: At<'_>) -> Result<Typed> {
        let to = self.type_of(kind)?;
        let value = self.expr(expr, at)?;
        let expr = match (&value.expr, self.known(&value)) {
            // Text cast to an object name type is looked up, not parsed as a literal when planning.
            (_, Some(from)) if from == to => value.expr,
            _ => self.coerce(value, to)?,
        };
        Ok(Typed::new(expr, to))
    }

    pub(super) fn type_of(&self, kind: &ast::DataType) -> Result<Oid> {
        let array = |item: &ast::DataType| {
            let item = self.type_of(item)?;
            self.names.snapshot.system.types.array_of(item).ok_or_else(|| undefined_type(&kind.to_string()))
        };
        match kind {
            ast::DataType::Array(
                ast::ArrayElemTypeDef::SquareBracket(item, _)
                | ast::ArrayElemTypeDef::AngleBracket(item)
                | ast::ArrayElemTypeDef::Parenthesis(item),
            ) => array(item),
            // Quoted, it is `PostgreSQL`'s one-byte type.
            ast::DataType::Custom(name, _)
                if name.0.last().and_then(ast::ObjectNamePart::as_ident).is_some_and(|ident| ident.value == "char") =>
            {
                Ok(types::CHAR)
            }
            kind => {
                let name = kind.to_string();
                self.names.snapshot.type_named(&name).ok_or_else(|| undefined_type(&name))
            }
        }
    }

    fn case(
        &self,
        operand: Option<&ast::Expr>,
        conditions: &[ast::CaseWhen],
        otherwise: Option<&ast::Expr>,
        at: At<'_>,
    ) -> Result<Typed> {
        let operand = operand.map(|operand| self.expr(operand, at)).transpose()?;
        let (mut whens, mut branches) = (Vec::new(), Vec::new());
        for case in conditions {
            let condition = self.expr(&case.condition, at)?;
            whens.push(match &operand {
                Some(operand) => {
                    let (left, right) = self.comparable(operand.clone(), condition, "=")?;
                    Expr::Binary(Op::Eq, Box::new(left), Box::new(right))
                }
                None => self.boolean(condition)?,
            });
            branches.push(self.expr(&case.result, at)?);
        }
        let has_otherwise = otherwise.is_some();
        if let Some(otherwise) = otherwise {
            branches.push(self.expr(otherwise, at)?);
        }
        let (mut exprs, ty) = self.unified(branches)?;
        let otherwise = if has_otherwise { exprs.pop().map(Box::new) } else { None };
        Ok(Typed { expr: Expr::Case { arms: whens.into_iter().zip(exprs).collect(), otherwise }, ty })
    }

    fn array(&self, elems: &[ast::Expr], at: At<'_>) -> Result<Typed> {
        let branches = elems.iter().map(|elem| self.expr(elem, at)).collect::<Result<Vec<_>>>()?;
        let (exprs, ty) = self.unified(branches)?;
        let kind = self.names.snapshot.system.types.array_of(ty.oid).unwrap_or(types::TEXT_ARRAY);
        Ok(Typed { expr: Expr::Array(exprs), ty: Ty { oid: kind, fields: ty.fields } })
    }

    pub(super) fn row(&self, exprs: &[ast::Expr], at: At<'_>) -> Result<Typed> {
        let (mut fields, mut values) = (Vec::new(), Vec::new());
        for (number, expr) in (1..).zip(exprs) {
            let typed = self.expr(expr, at)?;
            let kind = self.known(&typed).unwrap_or(types::TEXT);
            fields.push(types::Column::new(&format!("f{number}"), kind));
            values.push(self.coerce(typed, kind)?);
        }
        Ok(Typed { expr: Expr::Record(values), ty: Ty::record(fields) })
    }
}

fn undefined_type(name: &str) -> Fault {
    Fault::new("42704", format!("type \"{name}\" does not exist"))
}

pub(super) fn truth(expr: Expr) -> Typed {
    Typed::new(expr, types::BOOL)
}

pub(super) fn not(expr: Expr) -> Expr {
    Expr::Not(Box::new(expr))
}

fn field(record: Typed, name: &str) -> Result<Typed> {
    let fields = record.ty.fields.as_ref();
    let place = fields.and_then(|fields| fields.iter().position(|field| &*field.name == name));
    match (fields, place) {
        (Some(fields), Some(place)) => {
            let ty = fields[place].ty.clone();
            Ok(Typed { expr: Expr::Field(Box::new(record.expr), place), ty })
        }
        _ => Err(Fault::undefined_column(name)),
    }
}
