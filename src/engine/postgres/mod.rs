//! External SQL with `PostgreSQL` semantics: names, types, operators, conversions and functions. Pipelines use `DataFusion`'s
//! own, which cost less per row; views are read by external SQL, so they are planned here.

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

/// Returns the session configuration for external statements.
pub(crate) fn config(config: SessionConfig) -> SessionConfig {
    let mut config = config;
    let options = config.options_mut();
    options.sql_parser.dialect = Dialect::PostgreSQL;
    options.sql_parser.parse_float_as_decimal = true;
    options.sql_parser.map_string_types_to_utf8view = false;
    config
}

/// Configures a session to plan like `PostgreSQL`.
pub(crate) fn plans(builder: &mut SessionStateBuilder) {
    let planners = builder.expr_planners().get_or_insert_with(Vec::new);
    planners.insert(0, Arc::new(planner::Expressions));
    let other = builder.type_planner().take();
    *builder.type_planner() = Some(Arc::new(types::Types(other)));
}

/// Configures a session again after a catalog was added, because a catalog replaces the type planner and functions.
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

/// Returns the time zone of a session configuration.
pub(crate) fn zone_of(options: &ConfigOptions) -> Zone {
    options.execution.time_zone.as_deref().and_then(Zone::set).unwrap_or_else(Zone::utc)
}

/// Parses a text as a value, like `PostgreSQL`; `None` if it is invalid for the type.
#[must_use]
pub fn read(text: &str, kind: &DataType, zone: &Zone) -> Option<ScalarValue> {
    let texts: ArrayRef = Arc::new(StringArray::from(vec![text]));
    let value = values::casts::cast(&texts, kind, zone).ok()?;
    ScalarValue::try_from_array(&value, 0).ok().filter(|value| !value.is_null())
}

/// Splits the text of a one-dimensional array, `{a,"b c",NULL}`; `None` if it is invalid.
#[must_use]
pub fn array_items(text: &str) -> Option<Vec<Option<String>>> {
    values::literals::read_list(text)
}

/// Formats the values of a column as texts for the Postgres wire.
///
/// # Errors
/// When a value has no text.
pub fn texts(array: &ArrayRef, field: &Field, zone: &Zone) -> Result<StringArray> {
    values::write::texts(array, Some(field), zone, Booleans::Letters)
}
