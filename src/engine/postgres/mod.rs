//! SQL from outside as `PostgreSQL` answers it: its names, types, operators, conversions and functions. Pipelines keep
//! `DataFusion`'s own, which cost less on the way of every row; a view is read from outside, and so is planned here.

mod array_of;
mod call;
mod cast_to;
mod correlated;
mod field_metadata;
mod forms;
mod function;
mod functions;
mod kinds;
mod lateral;
mod made;
mod names;
mod operators;
mod plan;
mod planner;
mod quantified;
mod row_json;
mod rows;
mod syntax;
mod tuples;
mod types;
mod values;
mod zones;

pub(crate) use names::fold;
pub use names::shown;
pub(crate) use plan::{finished, planned};
pub(crate) use syntax::rewrite;
pub(crate) use values::interval::clock;
pub(crate) use values::literals::read_bool;
pub(crate) use values::number::{float_text, read_number};
pub(crate) use values::stamp::{
    date_text, read_date, read_timestamp, read_timestamptz, timestamp_text, timestamptz_text,
};
pub(crate) use values::write::list_item;
pub use zones::Zone;

use arrow::array::{ArrayRef, StringArray};
use arrow::datatypes::{DataType, Field};
use datafusion::common::config::ConfigOptions;
use datafusion::common::{Result, ScalarValue};
use datafusion::config::Dialect;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::config::SessionConfig;
use datafusion::prelude::SessionContext;
use std::sync::Arc;
use values::write::Booleans;

/// The configuration of a session for statements from outside.
pub(crate) fn config(config: SessionConfig) -> SessionConfig {
    let mut config = config;
    let options = config.options_mut();
    options.sql_parser.dialect = Dialect::PostgreSQL;
    options.sql_parser.parse_float_as_decimal = true;
    options.sql_parser.map_string_types_to_utf8view = false;
    config
}

/// Has a session plan as `PostgreSQL` does.
pub(crate) fn plans(builder: &mut SessionStateBuilder) {
    let planners = builder.expr_planners().get_or_insert_with(Vec::new);
    planners.insert(0, Arc::new(planner::Expressions));
    let other = builder.type_planner().take();
    *builder.type_planner() = Some(Arc::new(types::Types(other)));
}

/// Has a session that a catalog was added to plan as `PostgreSQL` does again: a catalog brings a planner of types and
/// functions of its own.
pub(crate) fn plans_again(context: SessionContext) -> SessionContext {
    let mut state = SessionStateBuilder::new_from_existing(context.state());
    let other = state.type_planner().take();
    *state.type_planner() = Some(Arc::new(types::Types(other)));
    let context = SessionContext::new_with_state(state.build());
    register(&context);
    context
}

pub(crate) use functions::register;
pub(crate) use functions::regular::{compiled as pattern, like as like_pattern};

/// The time zone of a session's configuration.
pub(crate) fn zone_of(options: &ConfigOptions) -> Zone {
    options.execution.time_zone.as_deref().and_then(Zone::set).unwrap_or_else(Zone::utc)
}

/// A value out of its text, as `PostgreSQL` reads it; `None` where the text is none of the type.
#[must_use]
pub fn read(text: &str, kind: &DataType, zone: &Zone) -> Option<ScalarValue> {
    let texts: ArrayRef = Arc::new(StringArray::from(vec![text]));
    let value = values::casts::cast(&texts, kind, zone).ok()?;
    ScalarValue::try_from_array(&value, 0).ok().filter(|value| !value.is_null())
}

/// The items of an array's text, `{a,"b c",NULL}`; `None` where it is none of one dimension.
#[must_use]
pub fn array_items(text: &str) -> Option<Vec<Option<String>>> {
    values::literals::read_list(text)
}

/// A column's values as the texts in which the Postgres wire gives them.
///
/// # Errors
/// When a value has no text.
pub fn texts(array: &ArrayRef, field: &Field, zone: &Zone) -> Result<StringArray> {
    values::write::texts(array, Some(field), zone, Booleans::Letters)
}
