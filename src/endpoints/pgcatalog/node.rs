//! A catalog query as a `DataFusion` plan, so that it is described, bound and run like any other query. It runs when the
//! physical plan is created, because its rows are already in memory.

use super::cells;
use super::client::Client;
use super::fault::Fault;
use super::io;
use super::names::Names;
use super::planned::Planned;
use super::types::{self, Oid};
use super::value::Value;
use arrow::array::{Array as _, RecordBatch};
use arrow::datatypes::{DataType, Field, TimeUnit};
use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::{DFSchema, DFSchemaRef, DataFusionError, Result, ScalarValue, exec_err};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::execution::context::QueryPlanner;
use datafusion::logical_expr::expr::Placeholder;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{Expr, Extension, LogicalPlan, UserDefinedLogicalNode, UserDefinedLogicalNodeCore};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_planner::{DefaultPhysicalPlanner, ExtensionPlanner, PhysicalPlanner};
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// A catalog query with its parameters.
#[derive(Debug, Clone)]
struct CatalogQuery {
    planned: Arc<Planned>,
    client: Arc<Client>,
    parameters: Vec<Expr>,
    schema: DFSchemaRef,
}

/// Returns the plan of a query, with placeholders for its parameters, and the types of those parameters.
pub(in crate::endpoints) fn plan(
    planned: Planned,
    client: Arc<Client>,
) -> Result<(LogicalPlan, Vec<Option<DataType>>)> {
    let kinds: Vec<DataType> = planned.parameters().iter().map(|kind| parameter_type(&planned, *kind)).collect();
    let placeholder = |(at, kind): (usize, &DataType)| {
        let field = Arc::new(Field::new("", kind.clone(), true));
        Expr::Placeholder(Placeholder::new_with_field(format!("${}", at + 1), Some(field)))
    };
    let parameters = kinds.iter().enumerate().map(placeholder).collect();
    let schema = Arc::new(DFSchema::try_from(cells::schema(&planned))?);
    let node = CatalogQuery { planned: Arc::new(planned), client, parameters, schema };
    let plan = LogicalPlan::Extension(Extension { node: Arc::new(node) });
    Ok((plan, kinds.into_iter().map(Some).collect()))
}

/// Returns the Arrow type of a parameter; types written as names are text.
fn parameter_type(planned: &Planned, kind: Oid) -> DataType {
    match kind {
        types::BOOL => DataType::Boolean,
        types::INT2 => DataType::Int16,
        types::INT4 => DataType::Int32,
        types::INT8 | types::OID | types::XID => DataType::Int64,
        types::FLOAT4 => DataType::Float32,
        types::FLOAT8 | types::NUMERIC => DataType::Float64,
        types::DATE => DataType::Date32,
        types::TIMESTAMP => DataType::Timestamp(TimeUnit::Microsecond, None),
        types::TIMESTAMPTZ => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        kind => match planned.elem(kind) {
            Some(item) => DataType::new_list(parameter_type(planned, item), true),
            None => DataType::Utf8,
        },
    }
}

impl CatalogQuery {
    fn run(&self) -> Result<RecordBatch> {
        let client = self.client.now();
        let names = Names { snapshot: &self.planned.snapshot, client: &client };
        let mut values = Vec::new();
        for (parameter, kind) in self.parameters.iter().zip(self.planned.parameters()) {
            // A bound value keeps an alias with the placeholder's name.
            let parameter = if let Expr::Alias(alias) = parameter { &*alias.expr } else { parameter };
            values.push(match parameter {
                Expr::Literal(scalar, _) => value(&names, scalar, *kind).map_err(external)?,
                other => return exec_err!("a parameter has no value: {other}"),
            });
        }
        let rows = self.planned.run(&client, values).map_err(external)?;
        cells::batch(&self.planned, &client, &rows)
    }
}

fn external(fault: Fault) -> DataFusionError {
    DataFusionError::External(Box::new(fault))
}

/// Converts a parameter to the type that the query expects.
fn value(names: &Names<'_>, scalar: &ScalarValue, kind: Oid) -> std::result::Result<Value, Fault> {
    if scalar.is_null() {
        return Ok(Value::Null);
    }
    let list = match scalar {
        ScalarValue::List(list) => Some(list.value(0)),
        ScalarValue::LargeList(list) => Some(list.value(0)),
        _ => None,
    };
    if let Some(list) = list {
        let item = names.elem(kind);
        let of = |at: usize| {
            let scalar = ScalarValue::try_from_array(&list, at);
            value(names, &scalar.map_err(|error| Fault::new("22P02", error.to_string()))?, item)
        };
        return (0..list.len()).map(of).collect::<std::result::Result<_, _>>().map(Value::array);
    }
    let us = |number: i64, per_unit: i64| Ok(Value::Time(number.saturating_mul(per_unit)));
    match scalar {
        ScalarValue::Boolean(Some(yes)) => Ok(Value::Bool(*yes)),
        ScalarValue::Float32(Some(number)) => Ok(Value::Float(f64::from(*number))),
        ScalarValue::Float64(Some(number)) => Ok(Value::Float(*number)),
        ScalarValue::TimestampMicrosecond(Some(number), _) => us(*number, 1),
        ScalarValue::TimestampMillisecond(Some(number), _) => us(*number, 1000),
        ScalarValue::TimestampSecond(Some(number), _) => us(*number, 1_000_000),
        ScalarValue::Date32(Some(days)) => us((*days).into(), 86_400_000_000),
        // The other types are integers and text, parsed as the expected type.
        other => match other.cast_to(&DataType::Utf8) {
            Ok(ScalarValue::Utf8(Some(text))) => io::parse(names, &text, kind),
            _ => Err(Fault::new("22P02", format!("parameter: expected {}, found {other}", names.type_name(kind)))),
        },
    }
}

impl UserDefinedLogicalNodeCore for CatalogQuery {
    fn name(&self) -> &'static str {
        "CatalogQuery"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        Vec::new()
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        self.parameters.clone()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CatalogQuery")
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, _inputs: Vec<LogicalPlan>) -> Result<Self> {
        Ok(CatalogQuery { parameters: exprs, ..self.clone() })
    }
}

impl PartialEq for CatalogQuery {
    fn eq(&self, other: &CatalogQuery) -> bool {
        Arc::ptr_eq(&self.planned, &other.planned) && self.parameters == other.parameters
    }
}

impl Eq for CatalogQuery {}

impl PartialOrd for CatalogQuery {
    fn partial_cmp(&self, other: &CatalogQuery) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}

impl Hash for CatalogQuery {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.planned).hash(state);
        self.parameters.hash(state);
    }
}

/// Creates physical plans of catalog queries, in addition to the other planners.
#[derive(Debug)]
pub(in crate::endpoints) struct Planner;

#[async_trait]
impl QueryPlanner for Planner {
    async fn create_physical_plan(&self, plan: &LogicalPlan, session: &dyn Session) -> Result<Arc<dyn ExecutionPlan>> {
        let planner = DefaultPhysicalPlanner::with_extension_planners(vec![Arc::new(Planner)]);
        planner.create_physical_plan(plan, session).await
    }
}

#[async_trait]
impl ExtensionPlanner for Planner {
    async fn plan_extension(
        &self,
        _planner: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        _logical_inputs: &[&LogicalPlan],
        _physical_inputs: &[Arc<dyn ExecutionPlan>],
        _session: &dyn Session,
        _context: &PhysicalPlanningContext,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let Some(query) = node.as_any().downcast_ref::<CatalogQuery>() else { return Ok(None) };
        let batch = query.run()?;
        let schema = batch.schema();
        Ok(Some(MemorySourceConfig::try_new_exec(&[vec![batch]], schema, None)?))
    }
}
