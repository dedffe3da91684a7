//! Parameters: types inferred from the plan, and values bound by the client.

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

/// Maximum number of parameters in the protocol.
const PARAMETERS_MAX: usize = 65_535;

/// Infers the types of parameters from the plan, in order. If a parameter is used several times, the first use with a known
/// type determines it.
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
        // LIMIT and OFFSET are integers.
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
                    // `column = ANY($1)`: a list of the column's type.
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

/// Returns the wire type: the one specified by the client, else the inferred one, else text.
pub(super) fn wire_type(said: Option<&Type>, inferred: Option<&DataType>) -> Type {
    match said {
        Some(said) if *said != Type::UNKNOWN => said.clone(),
        _ => inferred.and_then(|kind| into_pg_type(kind).ok()).unwrap_or(Type::TEXT),
    }
}

/// Returns a NULL of the parameter's type.
pub(super) fn null(said: Option<&Type>, inferred: Option<&DataType>) -> ScalarValue {
    let kind = inferred.cloned().unwrap_or_else(|| arrow_type(&wire_type(said, None)));
    ScalarValue::try_from(&kind).unwrap_or(ScalarValue::Utf8(None))
}

/// A parameter value as received.
pub(super) struct Sent<'a> {
    /// Number of the parameter, from 1.
    pub(super) number: usize,
    pub(super) bytes: &'a [u8],
    pub(super) binary: bool,
    pub(super) said: Option<&'a Type>,
    pub(super) inferred: Option<&'a DataType>,
}

impl Sent<'_> {
    /// Parses the value: as the inferred type if that is lossless, else as the client's type, which the planner coerces.
    pub(super) fn read(&self) -> PgWireResult<ScalarValue> {
        let wire = wire_type(self.said, self.inferred);
        let value = if self.binary { binary(&wire, self.bytes) } else { self.text(&wire) };
        let value = value.ok_or_else(|| self.fault(&wire))?;
        let Some(wanted) = self.inferred else { return Ok(value) };
        Ok(if loses(&value.data_type(), wanted) { value } else { value.cast_to(wanted).unwrap_or(value) })
    }

    fn text(&self, wire: &Type) -> Option<ScalarValue> {
        let text = std::str::from_utf8(self.bytes).ok()?;
        // If the client specifies no type, the text is parsed as the inferred type.
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

/// Returns whether a cast would silently change the value.
fn loses(from: &DataType, to: &DataType) -> bool {
    let fraction = from.is_floating() || from.is_decimal();
    let finer = matches!(from, DataType::Timestamp(..)) && matches!(to, DataType::Date32 | DataType::Date64);
    (fraction && to.is_integer()) || finer || (from.is_numeric() && to.is_temporal())
}
