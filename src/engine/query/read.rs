//! From a text to plans: the only way, for every wire. Guarded before the parser and before the planner, and on threads of
//! its own, for both recurse and neither can be stopped.

use super::{QueryError, QueryLimits, Workers, depth};
use crate::engine::nesting;
use datafusion::common::DataFusionError;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::parser::{CopyToSource, Statement};
use datafusion::sql::sqlparser::ast::{self, Visit};
use datafusion::sql::sqlparser::dialect::Dialect;
use datafusion::sql::sqlparser::tokenizer::Tokenizer;
use std::sync::Arc;

/// Calls, `CASE` and what else the parser reads anew, within one another, that a statement may have.
pub(in crate::engine) const CALLS_MAX: usize = 12;
/// How deep a statement may nest, chains included.
const DEPTH_MAX: usize = 500;
/// Words and signs in one row, between two commas: the parser makes a tree of them before its depth is known.
const ROW_MAX: usize = 5000;
/// Statements of one text.
const STATEMENTS_MAX: usize = 100;
/// Tables that a statement may read, once names of a `WITH` are replaced.
const RELATIONS_MAX: u64 = 500;
/// Columns that one `SELECT` may list, and how many a `*` counts for.
const COLUMNS_MAX: usize = 2000;
const COLUMNS_OF_STAR: usize = 50;
/// Nodes that the plan of a statement may have.
const NODES_MAX: usize = 5000;

/// How a wire reads statements: its parser, and what it makes of one.
pub trait Reader: Send + Sync + 'static {
    /// What a statement becomes.
    type Read: Send + 'static;
    /// Why it does not.
    type Error: From<QueryError> + Send + 'static;

    /// The dialect of [`Reader::parse`].
    fn dialect(&self) -> &dyn Dialect;

    /// Parses a text.
    ///
    /// # Errors
    /// When it does not parse.
    fn parse(&self, sql: &str) -> Result<Vec<Statement>, Self::Error>;

    /// Plans a statement.
    fn plan(&self, statement: Statement) -> impl Future<Output = Result<Self::Read, Self::Error>> + Send;
}

impl Workers {
    /// Reads a text on the queries' own threads, within the time of a query.
    ///
    /// # Errors
    /// When it is too long, nests too deep, takes too long, or as the reader says.
    pub async fn read<R: Reader>(
        &self,
        reader: Arc<R>,
        sql: String,
        limits: QueryLimits,
    ) -> Result<Vec<R::Read>, R::Error> {
        let reading = async move { Ok(read(&*reader, &sql, limits).await) };
        self.within(limits.timeout, reading).await.map_err(R::Error::from)?
    }
}

/// Reads a text where the caller stands: for callers that are on the queries' threads.
pub(super) async fn read<R: Reader>(reader: &R, sql: &str, limits: QueryLimits) -> Result<Vec<R::Read>, R::Error> {
    parseable(sql, reader.dialect(), limits)?;
    let mut plans = Vec::new();
    let statements = reader.parse(sql)?;
    if statements.len() > STATEMENTS_MAX {
        let found = statements.len();
        return Err(invalid(format!("the text has {found} statements, expected at most {STATEMENTS_MAX}")).into());
    }
    statements.iter().try_for_each(plannable)?;
    for statement in statements {
        plans.push(reader.plan(statement).await?);
    }
    Ok(plans)
}

/// Refuses a text that would keep the parser busy for long, or of which it would make a tree too deep to be dropped.
fn parseable(sql: &str, dialect: &dyn Dialect, limits: QueryLimits) -> Result<(), QueryError> {
    if sql.len() > limits.sql_bytes_max {
        return Err(QueryError::TooLong { limit: limits.sql_bytes_max, found: sql.len() });
    }
    // What are no tokens the parser refuses at once.
    let tokens = Tokenizer::new(dialect, sql).tokenize().unwrap_or_default();
    let calls = nesting::depth(&tokens);
    if calls > CALLS_MAX {
        let message =
            format!("calls, CASE and INTERVAL stand {calls} deep within one another, expected at most {CALLS_MAX}");
        return Err(invalid(message));
    }
    let row = depth::of_text(sql, dialect);
    if row > ROW_MAX {
        let message = format!("{row} words and signs stand in a row without a comma, expected at most {ROW_MAX}");
        return Err(invalid(message));
    }
    Ok(())
}

/// Refuses a statement whose plan would outgrow the stack or all memory.
fn plannable(statement: &Statement) -> Result<(), QueryError> {
    match statement {
        Statement::Statement(statement) => {
            let found = nesting::relations(statement);
            if found > RELATIONS_MAX {
                return Err(invalid(format!(
                    "the statement reads tables {found} times where each name of a WITH is written out, expected at most {RELATIONS_MAX}"
                )));
            }
            shallow::<ast::Statement>(statement)
        }
        Statement::Explain(explained) => plannable(&explained.statement),
        Statement::CopyTo(copied) => match &copied.source {
            CopyToSource::Query(query) => shallow::<ast::Query>(query),
            CopyToSource::Relation(_) => Ok(()),
        },
        Statement::CreateExternalTable(_) | Statement::Reset(_) => Ok(()),
    }
}

fn shallow<T: Visit>(tree: &T) -> Result<(), QueryError> {
    let found = depth::of_tree(tree);
    if found > DEPTH_MAX {
        return Err(invalid(format!(
            "the statement nests {found} deep, where each operator of a chain (+, ||, AND, OR, UNION) counts and each name of a WITH is written out, expected at most {DEPTH_MAX}"
        )));
    }
    let found = depth::columns(tree, COLUMNS_OF_STAR);
    if found > COLUMNS_MAX {
        return Err(invalid(format!(
            "a SELECT lists {found} columns, where * counts for {COLUMNS_OF_STAR}, expected at most {COLUMNS_MAX}"
        )));
    }
    Ok(())
}

/// Refuses a plan of too many nodes, which are walked one by one.
pub(super) fn bounded(plan: &LogicalPlan) -> Result<(), QueryError> {
    let mut nodes = 0_usize;
    let counted = plan.apply_with_subqueries(|_| {
        nodes += 1;
        Ok(if nodes > NODES_MAX { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    counted.map_err(QueryError::Invalid)?;
    if nodes > NODES_MAX {
        return Err(invalid(format!("the statement's plan has more than {NODES_MAX} nodes, which is the limit")));
    }
    Ok(())
}

fn invalid(message: String) -> QueryError {
    QueryError::Invalid(DataFusionError::Plan(message))
}
