//! One call in a worker: parses and plans the text, and describes or runs the plan.

use super::codec::{self, FrameOut};
use super::dialect::{Dialect, Meaning, Settings, SqlFault};
use super::link::Link;
use super::message::{Call, FRAME_BYTES, Failure, FailureKind, FromWorker, ReadText, Task};
use super::session::Sessions;
use crate::engine::query::{read_only, shape};
use crate::engine::{postgres, run};
use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::{DataFusionError, ParamValues, ScalarValue};
use datafusion::execution::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::execute_stream;
use futures::StreamExt as _;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;

/// Maximum number of statements in a text.
const STATEMENTS_MAX: usize = 100;
/// Number of texts with cached plans: a driver prepares a statement, describes it, and runs it.
const KEPT: usize = 16;

type Meanings = Arc<Vec<Meaning>>;

/// Plans of the last texts.
#[derive(Default)]
pub(super) struct Kept(Mutex<VecDeque<(String, String, Settings, Meanings)>>);

impl Kept {
    fn get(&self, call: &Call) -> Option<Meanings> {
        let kept = self.0.lock();
        let is = |(dialect, sql, settings, _): &&(String, String, Settings, Meanings)| {
            *dialect == call.dialect && *sql == call.sql && *settings == call.settings
        };
        kept.iter().find(is).map(|(_, _, _, meanings)| meanings.clone())
    }

    fn put(&self, call: &Call, meanings: &Meanings) {
        let mut kept = self.0.lock();
        if kept.len() >= KEPT {
            kept.pop_front();
        }
        kept.push_back((call.dialect.clone(), call.sql.clone(), call.settings.clone(), meanings.clone()));
    }

    /// Clears the cache when the catalog changes.
    pub(super) fn clear(&self) {
        self.0.lock().clear();
    }
}

/// Result of a call.
pub(super) type Outcome = Result<FromWorker, Failure>;

/// Runs one call and returns its last message.
pub(super) async fn carry_out(link: &Link, sessions: &Sessions, kept: &Kept, call: Call, body: Vec<u8>) -> Outcome {
    let (dialect, state) = sessions.state(&call.dialect, &call.settings).await.map_err(invalid)?;
    let meanings = if let Some(meanings) = kept.get(&call) {
        meanings
    } else {
        let meanings = Arc::new(meanings(&*dialect, &state, &call.sql).await.map_err(invalid)?);
        if !matches!(meanings.last(), Some(Meaning::Failed(_))) {
            kept.put(&call, &meanings);
        }
        meanings
    };
    let fault = |error: DataFusionError| failure(&*dialect, &error);
    if call.task == Task::Read {
        let read = |meaning| text(meaning, &state).unwrap_or_else(|error| ReadText::Failed(fault(error)));
        return Ok(FromWorker::Read(meanings.iter().map(read).collect()));
    }
    let plan = match meanings.get(call.place) {
        Some(Meaning::Query { plan, .. }) => plan,
        Some(Meaning::Failed(fault)) => return Err(invalid(fault.clone())),
        Some(Meaning::Said(_)) | None => {
            return Err(invalid(SqlFault::plain("there is no such query in the text")));
        }
    };
    let plan = bound(plan, body).and_then(|plan| finished(plan, &state)).map_err(fault)?;
    read_only(&plan).map_err(|message| Failure {
        kind: FailureKind::ReadOnly,
        fault: SqlFault { code: Some("25006".to_owned()), message, position: None },
    })?;
    let schema = codec::schema_text(plan.schema().as_arrow()).map_err(fault)?;
    let head = FromWorker::Head { schema, shape: call.shape.then(|| shape(&call.sql)) };
    if call.task == Task::Describe {
        return Ok(head);
    }
    answer(link, &state, plan, head, call.rows_max).await.map_err(fault)
}

async fn meanings(dialect: &dyn Dialect, state: &SessionState, sql: &str) -> Result<Vec<Meaning>, SqlFault> {
    let statements = dialect.parse(state, sql)?;
    if statements.len() > STATEMENTS_MAX {
        let found = statements.len();
        let message = format!("the text has {found} statements, expected at most {STATEMENTS_MAX}");
        return Err(SqlFault::new("54000", message));
    }
    let mut meanings = Vec::new();
    for statement in statements {
        let meaning = match dialect.plan(state, statement).await {
            Ok(Meaning::Query { plan, parameters }) => match postgres::planned(plan) {
                Ok(plan) => Meaning::Query { plan, parameters },
                Err(error) => Meaning::Failed(dialect.fault(&error)),
            },
            Ok(other) => other,
            Err(fault) => Meaning::Failed(fault),
        };
        let is_last = matches!(meaning, Meaning::Failed(_));
        meanings.push(meaning);
        if is_last {
            break;
        }
    }
    Ok(meanings)
}

/// Finishes a plan with bound parameters, so that it can be run.
fn finished(plan: LogicalPlan, state: &SessionState) -> datafusion::common::Result<LogicalPlan> {
    postgres::finished(plan, &postgres::zone_of(state.config_options()), state.config_options())
}

fn text(meaning: &Meaning, state: &SessionState) -> datafusion::common::Result<ReadText> {
    Ok(match meaning {
        Meaning::Said(said) => ReadText::Said(said.clone()),
        Meaning::Failed(fault) => ReadText::Failed(invalid(fault.clone())),
        Meaning::Query { plan, parameters } => {
            let field = |(place, kind): (usize, &Option<DataType>)| {
                Field::new(place.to_string(), kind.clone().unwrap_or(DataType::Null), true)
            };
            // Before parameters are bound, their types and those of the columns are not final.
            let plan = if parameters.is_empty() { finished(plan.clone(), state)? } else { plan.clone() };
            let fields: Vec<Field> = parameters.iter().enumerate().map(field).collect();
            ReadText::Query {
                parameters: codec::schema_text(&Schema::new(fields))?,
                known: parameters.iter().map(Option::is_some).collect(),
                schema: codec::schema_text(plan.schema().as_arrow())?,
            }
        }
    })
}

/// Binds the parameters of a plan.
fn bound(plan: &LogicalPlan, body: Vec<u8>) -> datafusion::common::Result<LogicalPlan> {
    if body.is_empty() {
        return Ok(plan.clone());
    }
    let row = codec::row_in(body)?;
    let values: Vec<ScalarValue> =
        row.columns().iter().map(|column| ScalarValue::try_from_array(column, 0)).collect::<Result<_, _>>()?;
    plan.clone().replace_params_with_values(&ParamValues::from(values))
}

async fn answer(
    link: &Link,
    state: &SessionState,
    plan: LogicalPlan,
    head: FromWorker,
    rows_max: Option<usize>,
) -> datafusion::common::Result<FromWorker> {
    let views = run::names(&plan);
    let task = state.task_ctx();
    let plan = state.create_physical_plan(&plan).await?;
    let mut rows = execute_stream(plan, task)?;
    link.send(&head, Vec::new())?;
    let mut left = rows_max.unwrap_or(usize::MAX);
    // Send the schema even if there are no rows.
    send(link, &RecordBatch::new_empty(rows.schema())).await?;
    while let Some(batch) = rows.next().await {
        let mut batch = batch?;
        let truncated = batch.num_rows() > left;
        if truncated {
            batch = batch.slice(0, left);
        }
        left -= batch.num_rows();
        send(link, &batch).await?;
        if truncated {
            return Ok(FromWorker::Done { truncated, views });
        }
    }
    Ok(FromWorker::Done { truncated: false, views })
}

/// Sends a batch in frames of limited size, as credit permits.
async fn send(link: &Link, batch: &RecordBatch) -> datafusion::common::Result<()> {
    let (rows, at_once, mut from) = (batch.num_rows(), codec::rows_of(batch, FRAME_BYTES), 0);
    loop {
        let part = batch.slice(from, at_once.min(rows - from));
        let credit = link.credit.acquire().await.map_err(|error| DataFusionError::External(error.into()))?;
        credit.forget();
        let mut frame = FrameOut::new(&batch.schema())?;
        frame.add(&part)?;
        link.send(&FromWorker::Rows, frame.finish()?)?;
        from += part.num_rows();
        if from >= rows {
            return Ok(());
        }
    }
}

fn invalid(fault: SqlFault) -> Failure {
    Failure { kind: FailureKind::Invalid, fault }
}

fn failure(dialect: &dyn Dialect, error: &DataFusionError) -> Failure {
    let kind = match error.find_root() {
        DataFusionError::ResourcesExhausted(_) => FailureKind::Memory,
        DataFusionError::Plan(_) | DataFusionError::SchemaError(..) => FailureKind::Invalid,
        _ => FailureKind::Failed,
    };
    Failure { kind, fault: dialect.fault(error) }
}
