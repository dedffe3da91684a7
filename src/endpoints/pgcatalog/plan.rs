//! Plan of a statement: a tree with resolved names and types.

use super::functions::{Builtin, SetFunction};
use super::snapshot::Relation;
use super::types::{Column, Oid, Ty};
use super::value::Value;
use std::sync::Arc;

/// An expression.
#[derive(Debug, Clone)]
pub(super) enum Expr {
    Const(Value),
    Param(usize),
    /// A column of an item of `FROM`, `up` query levels further out.
    Column {
        up: usize,
        item: usize,
        column: usize,
    },
    /// The whole row of an item.
    Row {
        up: usize,
        item: usize,
    },
    Call(&'static Builtin, Vec<Expr>),
    Cast {
        expr: Box<Expr>,
        from: Oid,
        to: Oid,
    },
    Binary(Op, Box<Expr>, Box<Expr>),
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Not(Box<Expr>),
    Negate(Box<Expr>),
    IsNull(Box<Expr>),
    /// Whether all columns of a row are NULL, or none is.
    EachNull(Box<Expr>, bool),
    /// A row, or an array of rows, as JSON; the type has the column names.
    Json(Box<Expr>, Ty),
    /// `IS TRUE|FALSE|UNKNOWN`; `IS NOT` is a separate negation.
    Is(Box<Expr>, Option<bool>),
    Distinct(Box<Expr>, Box<Expr>),
    In(Box<Expr>, Vec<Expr>),
    /// `left op ANY|ALL (array)`.
    Quantified {
        op: Op,
        left: Box<Expr>,
        array: Box<Expr>,
        all: bool,
    },
    Case {
        arms: Vec<(Expr, Expr)>,
        otherwise: Option<Box<Expr>>,
    },
    Coalesce(Vec<Expr>),
    Array(Vec<Expr>),
    Record(Vec<Expr>),
    Field(Box<Expr>, usize),
    Index(Box<Expr>, Box<Expr>),
    Slice(Box<Expr>, Option<Box<Expr>>, Option<Box<Expr>>),
    Scalar(Box<Subquery>),
    Exists(Box<Subquery>),
    ArrayOf(Box<Subquery>),
    /// `left op ANY|ALL (query)`.
    QuantifiedQuery {
        op: Op,
        left: Box<Expr>,
        query: Box<Subquery>,
        all: bool,
    },
}

/// A binary operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    Eq,
    NotEq,
    Less,
    LessEq,
    Greater,
    GreaterEq,
    Plus,
    Minus,
    Times,
    /// Division of integers.
    Divide,
    /// Division of other numbers.
    Quotient,
    Modulo,
    BitAnd,
    BitOr,
    BitXor,
    ShiftLeft,
    ShiftRight,
    Power,
    Concat,
    Append,
    Match {
        ignore_case: bool,
        negated: bool,
    },
    Like {
        ignore_case: bool,
        negated: bool,
    },
    StartsWith,
    Contains,
    ContainedBy,
    Overlaps,
}

/// A subquery in an expression.
#[derive(Debug, Clone)]
pub(super) struct Subquery {
    /// Key of its cached rows while the statement runs.
    pub(super) id: usize,
    pub(super) query: Query,
    /// Whether its rows depend on a row of the outer query.
    pub(super) correlated: bool,
}

/// A query.
#[derive(Debug, Clone)]
pub(super) struct Query {
    pub(super) ctes: Vec<Cte>,
    pub(super) body: Body,
    /// Sort keys: columns of the body, including hidden ones.
    pub(super) order: Vec<Sort>,
    pub(super) limit: Option<Expr>,
    pub(super) offset: Option<Expr>,
    /// Visible columns; the body can have more, for sorting.
    pub(super) columns: Vec<Column>,
}

/// A named query of `WITH`.
#[derive(Debug, Clone)]
pub(super) struct Cte {
    pub(super) id: usize,
    pub(super) query: Query,
    pub(super) correlated: bool,
    /// The recursive part, and whether duplicate rows are dropped.
    pub(super) recursive: Option<(Box<Query>, bool)>,
}

/// Source of a query's rows.
#[derive(Debug, Clone)]
pub(super) enum Body {
    Select(Box<Select>),
    Values(Vec<Vec<Expr>>),
    Set { kind: SetKind, all: bool, left: Box<Query>, right: Box<Query> },
}

/// A set operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SetKind {
    Union,
    Intersect,
    Except,
}

/// One `SELECT`.
#[derive(Debug, Clone)]
pub(super) struct Select {
    pub(super) steps: Vec<Placed>,
    /// Number of items in `FROM`.
    pub(super) items: usize,
    pub(super) group: Option<Group>,
    pub(super) windows: Vec<Window>,
    /// Set-returning functions in the list.
    pub(super) sets: Vec<(&'static SetFunction, Vec<Expr>)>,
    pub(super) output: Vec<Expr>,
    pub(super) distinct: Distinct,
}

/// Slots for the values of aggregates, window functions and set-returning functions, after the items of `FROM`.
pub(super) const AGGREGATES: usize = 0;
pub(super) const WINDOWS: usize = 1;
pub(super) const SETS: usize = 2;

/// Which duplicate rows are dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Distinct {
    None,
    All,
    /// Keeps the first row for each combination of these columns.
    On(Vec<usize>),
}

/// `GROUP BY`; the keys can be empty.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) keys: Vec<Expr>,
    pub(super) aggregates: Vec<Aggregate>,
    pub(super) having: Option<Expr>,
}

/// A call of an aggregate.
#[derive(Debug, Clone)]
pub(super) struct Aggregate {
    pub(super) kind: AggregateKind,
    pub(super) arguments: Vec<Expr>,
    pub(super) distinct: bool,
    pub(super) filter: Option<Expr>,
    pub(super) order: Vec<(Expr, Direction)>,
}

/// An aggregate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AggregateKind {
    /// `count(*)`.
    Rows,
    Count,
    Sum,
    Avg,
    Min,
    Max,
    Array,
    Text,
    All,
    Any,
    Json,
    First,
}

/// A call of a window function.
#[derive(Debug, Clone)]
pub(super) struct Window {
    pub(super) kind: WindowKind,
    pub(super) arguments: Vec<Expr>,
    pub(super) partition: Vec<Expr>,
    pub(super) order: Vec<(Expr, Direction)>,
}

/// A window function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WindowKind {
    RowNumber,
    Rank,
    DenseRank,
    Lag,
    Lead,
    FirstValue,
    LastValue,
    Aggregate(AggregateKind),
}

/// A column of the body to sort by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sort {
    pub(super) column: usize,
    pub(super) direction: Direction,
}

/// Sort direction and position of NULL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Direction {
    pub(super) descending: bool,
    pub(super) nulls_first: bool,
}

/// A step of `FROM` with the conditions evaluated after it.
#[derive(Debug, Clone)]
pub(super) struct Placed {
    pub(super) step: Step,
    pub(super) filters: Vec<Expr>,
    /// A column that must equal a value known before the step.
    pub(super) lookup: Option<(usize, Expr)>,
}

/// A step of `FROM`.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// Each row of a source.
    Scan { item: usize, source: Source },
    /// Left join: each match, or one row of NULLs.
    Left { inner: Vec<Placed>, items: Vec<usize> },
    /// Full join: matches, and the rows of both sides without a match.
    Full { left: Vec<Placed>, left_items: Vec<usize>, right: Vec<Placed>, right_items: Vec<usize>, on: Vec<Expr> },
}

/// Source of rows.
#[derive(Debug, Clone)]
pub(super) enum Source {
    Relation(Arc<Relation>),
    Cte(usize),
    Query(Box<Subquery>),
    /// Functions with their rows side by side, and whether the rows are numbered.
    Functions {
        calls: Vec<RowsOf>,
        numbered: bool,
    },
}

/// A row source in `FROM`.
#[derive(Debug, Clone)]
pub(super) enum RowsOf {
    Set(&'static SetFunction, Vec<Expr>),
    /// A value that is one row.
    Value(Expr, bool),
}
