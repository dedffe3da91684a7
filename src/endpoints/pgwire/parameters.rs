//! Parameters: their types, as far as the plan tells them, and the values that a client binds.

use super::binary::binary;
use super::errors;
use super::literals::{arrow_type, from_text};
use arrow::datatypes::DataType;
use arrow_pg::datatypes::into_pg_type;
use datafusion::common::tree_node::{TreeNode as _, TreeNodeRecursion};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{Cast, Expr, ExprSchemable as _, LogicalPlan};
use pgwire::api::Type;
use pgwire::error::{PgWireError, PgWireResult};
use std::collections::BTreeMap;

/// As many as the protocol can count.
const PARAMETERS_MAX: usize = 65_535;

/// The types that the plan gives its parameters, in their order. Where a parameter stands in several places, the first
/// that tells a type counts.
pub(super) fn inferred(plan: &LogicalPlan) -> PgWireResult<Vec<Option<DataType>>> {
    let mut found: BTreeMap<String, Option<DataType>> = BTreeMap::new();
    gather(plan, &mut found).map_err(|error| errors::datafusion(&error))?;
    let mut types = Vec::new();
    for (name, kind) in found {
        let number = name.strip_prefix('$').and_then(|number| number.parse().ok());
        let Some(place @ 1..=PARAMETERS_MAX) = number else {
            return Err(errors::user("42P02", format!("there is no parameter {name}: expected $1, $2, …")));
        };
        if types.len() < place {
            types.resize(place, None);
        }
        types[place - 1] = kind;
    }
    Ok(types)
}

fn gather(plan: &LogicalPlan, found: &mut BTreeMap<String, Option<DataType>>) -> Result<()> {
    let mut note = |id: &str, kind: Option<&DataType>| {
        let known = found.entry(id.to_owned()).or_default();
        if known.is_none() {
            *known = kind.cloned();
        }
    };
    plan.apply_with_subqueries(|node| {
        // LIMIT and OFFSET count rows.
        if let LogicalPlan::Limit(limit) = node {
            for expr in [&limit.skip, &limit.fetch].into_iter().flatten() {
                if let Expr::Placeholder(placeholder) = &**expr {
                    note(&placeholder.id, Some(&DataType::Int64));
                }
            }
        }
        node.apply_expressions(|expression| {
            expression.apply(|expression| {
                match expression {
                    Expr::Cast(Cast { expr, field }) => {
                        if let Expr::Placeholder(placeholder) = &**expr {
                            let own = placeholder.field.as_ref().map(|field| field.data_type());
                            note(&placeholder.id, own.or(Some(field.data_type())));
                        }
                    }
                    // `column = ANY($1)`: a list of what the column holds.
                    Expr::ScalarFunction(function) if function.name() == "array_has" => {
                        if let [Expr::Placeholder(list), item] = function.args.as_slice() {
                            let schema = node.inputs().first().map(|input| input.schema());
                            let item = schema.and_then(|schema| item.get_type(schema).ok());
                            note(&list.id, item.map(|item| DataType::new_list(item, true)).as_ref());
                        }
                    }
                    Expr::Placeholder(placeholder) => {
                        note(&placeholder.id, placeholder.field.as_ref().map(|field| field.data_type()));
                    }
                    _ => {}
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(())
}

/// The type on the wire: what the client said it sends, else what the plan wants, else text.
pub(super) fn wire_type(said: Option<&Type>, inferred: Option<&DataType>) -> Type {
    match said {
        Some(said) if *said != Type::UNKNOWN => said.clone(),
        _ => inferred.and_then(|kind| into_pg_type(kind).ok()).unwrap_or(Type::TEXT),
    }
}

/// A NULL in the type that the parameter will have.
pub(super) fn null(said: Option<&Type>, inferred: Option<&DataType>) -> ScalarValue {
    let kind = inferred.cloned().unwrap_or_else(|| arrow_type(&wire_type(said, None)));
    ScalarValue::try_from(&kind).unwrap_or(ScalarValue::Utf8(None))
}

/// One value as it came.
pub(super) struct Sent<'a> {
    /// Which one it is, from 1.
    pub(super) number: usize,
    pub(super) bytes: &'a [u8],
    pub(super) binary: bool,
    pub(super) said: Option<&'a Type>,
    pub(super) inferred: Option<&'a DataType>,
}

impl Sent<'_> {
    /// The value: in the type that the plan wants where that loses nothing, else in the client's, for the planner to
    /// reconcile.
    pub(super) fn read(&self) -> PgWireResult<ScalarValue> {
        let wire = wire_type(self.said, self.inferred);
        let value = if self.binary { binary(&wire, self.bytes) } else { self.text(&wire) };
        let value = value.ok_or_else(|| self.fault(&wire))?;
        let Some(wanted) = self.inferred else { return Ok(value) };
        Ok(if loses(&value.data_type(), wanted) { value } else { value.cast_to(wanted).unwrap_or(value) })
    }

    fn text(&self, wire: &Type) -> Option<ScalarValue> {
        let text = std::str::from_utf8(self.bytes).ok()?;
        // A client that names no type leaves it to the plan how the text is read.
        let kind = match (self.said.filter(|said| **said != Type::UNKNOWN), self.inferred) {
            (None, Some(inferred)) => inferred.clone(),
            _ => arrow_type(wire),
        };
        from_text(text, &kind)
    }

    fn fault(&self, wire: &Type) -> PgWireError {
        let found = if self.binary {
            format!("{} bytes in binary", self.bytes.len())
        } else {
            let text: String = String::from_utf8_lossy(self.bytes).chars().take(100).collect();
            format!("{text:?}")
        };
        errors::user("22P02", format!("parameter ${}: expected {}, found {found}", self.number, wire.name()))
    }
}

/// Whether a cast would change the value without telling.
fn loses(from: &DataType, to: &DataType) -> bool {
    let fraction = from.is_floating() || from.is_decimal();
    let finer = matches!(from, DataType::Timestamp(..)) && matches!(to, DataType::Date32 | DataType::Date64);
    (fraction && to.is_integer()) || finer || (from.is_numeric() && to.is_temporal())
}
