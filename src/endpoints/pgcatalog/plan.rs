//! What a statement becomes: a tree whose names are resolved and whose types are known.

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
    /// A column of an item of `FROM`, in the query that is `up` levels further out.
    Column {
        up: usize,
        item: usize,
        column: usize,
    },
    /// All of an item's row.
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
    /// A row, or an array of rows, as JSON: its type has the names of the columns.
    Json(Box<Expr>, Ty),
    /// `IS [NOT] TRUE|FALSE|UNKNOWN`, not negated.
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

/// An operator of two values.
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
    /// Of integers.
    Divide,
    /// Of anything else.
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

/// A query within an expression.
#[derive(Debug, Clone)]
pub(super) struct Subquery {
    /// Where its rows are kept while the statement runs.
    pub(super) id: usize,
    pub(super) query: Query,
    /// Whether its rows depend on the row of the query around it.
    pub(super) correlated: bool,
}

/// A query.
#[derive(Debug, Clone)]
pub(super) struct Query {
    pub(super) ctes: Vec<Cte>,
    pub(super) body: Body,
    /// Over the body's columns, those that are hidden among them.
    pub(super) order: Vec<Sort>,
    pub(super) limit: Option<Expr>,
    pub(super) offset: Option<Expr>,
    /// What is shown; the body may have more columns, to sort by.
    pub(super) columns: Vec<Column>,
}

/// A named query of `WITH`.
#[derive(Debug, Clone)]
pub(super) struct Cte {
    pub(super) id: usize,
    pub(super) query: Query,
    pub(super) correlated: bool,
    /// The part that reads its own rows, and whether rows that are there already are dropped.
    pub(super) recursive: Option<(Box<Query>, bool)>,
}

/// What gives a query's rows.
#[derive(Debug, Clone)]
pub(super) enum Body {
    Select(Box<Select>),
    Values(Vec<Vec<Expr>>),
    Set { kind: SetKind, all: bool, left: Box<Query>, right: Box<Query> },
}

/// How two queries are joined.
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
    /// Items of `FROM`.
    pub(super) items: usize,
    pub(super) group: Option<Group>,
    pub(super) windows: Vec<Window>,
    /// Functions in the list that give several rows.
    pub(super) sets: Vec<(&'static SetFunction, Vec<Expr>)>,
    pub(super) output: Vec<Expr>,
    pub(super) distinct: Distinct,
}

/// Where the values of aggregates, of window functions and of set functions stand: behind the items of `FROM`.
pub(super) const AGGREGATES: usize = 0;
pub(super) const WINDOWS: usize = 1;
pub(super) const SETS: usize = 2;

/// Which rows are left out because they are there already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Distinct {
    None,
    All,
    /// The first of each value of these columns.
    On(Vec<usize>),
}

/// `GROUP BY`, also without keys.
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

/// Which way, and where NULL goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Direction {
    pub(super) descending: bool,
    pub(super) nulls_first: bool,
}

/// A step of `FROM`, with the conditions that can be judged once it has a row.
#[derive(Debug, Clone)]
pub(super) struct Placed {
    pub(super) step: Step,
    pub(super) filters: Vec<Expr>,
    /// A column that equals something that is known before.
    pub(super) lookup: Option<(usize, Expr)>,
}

/// A step of `FROM`.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// Each row of a source in turn.
    Scan { item: usize, source: Source },
    /// Each match, or once without.
    Left { inner: Vec<Placed>, items: Vec<usize> },
    /// Matches of both sides, and what has none of either.
    Full { left: Vec<Placed>, left_items: Vec<usize>, right: Vec<Placed>, right_items: Vec<usize>, on: Vec<Expr> },
}

/// Where rows come from.
#[derive(Debug, Clone)]
pub(super) enum Source {
    Relation(Arc<Relation>),
    Cte(usize),
    Query(Box<Subquery>),
    /// Functions side by side, and whether their rows are numbered.
    Functions {
        calls: Vec<RowsOf>,
        numbered: bool,
    },
}

/// What gives rows in `FROM`.
#[derive(Debug, Clone)]
pub(super) enum RowsOf {
    Set(&'static SetFunction, Vec<Expr>),
    /// One value is one row.
    Value(Expr, bool),
}
