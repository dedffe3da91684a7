//! Binds a syntax tree: resolves names, infers types, and returns a plan.

mod calls;
mod expr;
mod from;
mod operators;
mod place;
mod query;
mod select;
mod titles;
mod unify;

pub(in crate::endpoints) use select::every_field;

use super::fault::{Fault, Result};
use super::functions::SetFunction;
use super::names::Names;
use super::plan::{Aggregate, Expr, Query, Window};
use super::types::{self, Column, Oid, Ty};
use super::value::Value;
use crate::engine::postgres::fold;
use datafusion::sql::sqlparser::ast;
use serde::{Deserialize, Serialize};
use std::cell::{Cell, RefCell};
use std::sync::Arc;

/// Maximum number of items in one `FROM`, because sets of items are bits of a 64-bit word.
const ITEMS_MAX: usize = 60;
/// Maximum nesting depth of queries, including views.
const DEPTH_MAX: usize = 24;
/// Maximum number of parameters in the protocol.
const PARAMETERS_MAX: usize = 65_535;

/// A planned statement.
#[derive(Debug, Clone)]
pub(super) struct Bound {
    pub(super) query: Query,
    pub(super) parameters: Vec<Oid>,
    /// Settings that `set_config` changes for the session.
    pub(super) sets: Vec<SetConfig>,
}

/// A call of `set_config`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::endpoints) struct SetConfig {
    pub(in crate::endpoints) name: String,
    /// The value; `None` resets to the default.
    pub(in crate::endpoints) value: Option<String>,
    /// Index of the parameter that provides the value instead, from 0.
    pub(in crate::endpoints) parameter: Option<usize>,
}

/// Plans a query. `declared` contains the parameter types that the client specifies, 0 if unspecified.
pub(super) fn bind(names: Names<'_>, query: &ast::Query, declared: &[Oid]) -> Result<Bound> {
    let binder = Binder {
        names,
        parameters: RefCell::new(declared.iter().map(|oid| if *oid == types::UNKNOWN { 0 } else { *oid }).collect()),
        sets: RefCell::default(),
        next: Cell::default(),
        depth: Cell::default(),
    };
    let (query, _) = binder.query(query, At { scope: None, ctes: None })?;
    let unknown = |oid: Oid| if oid == 0 { types::TEXT } else { oid };
    let sets = binder.sets.into_inner();
    Ok(Bound { query, parameters: binder.parameters.into_inner().into_iter().map(unknown).collect(), sets })
}

struct Binder<'a> {
    names: Names<'a>,
    /// Types of parameters; 0 if still unknown.
    parameters: RefCell<Vec<Oid>>,
    sets: RefCell<Vec<SetConfig>>,
    next: Cell<usize>,
    depth: Cell<usize>,
}

/// An expression and its type.
#[derive(Debug, Clone)]
struct Typed {
    expr: Expr,
    ty: Ty,
}

impl Typed {
    fn new(expr: Expr, ty: impl Into<Ty>) -> Typed {
        Typed { expr, ty: ty.into() }
    }
}

/// The scope in which names are resolved.
#[derive(Clone, Copy)]
struct At<'s> {
    scope: Option<&'s Scope<'s>>,
    ctes: Option<&'s Ctes<'s>>,
}

/// Names defined by `WITH`.
struct Ctes<'s> {
    outer: Option<&'s Ctes<'s>>,
    list: Vec<(String, usize, Arc<[Column]>)>,
}

impl Ctes<'_> {
    fn find(&self, name: &str) -> Option<&(String, usize, Arc<[Column]>)> {
        let own = self.list.iter().rev().find(|(known, ..)| known == name);
        own.or_else(|| self.outer.and_then(|outer| outer.find(name)))
    }
}

/// Names visible in one `SELECT`.
struct Scope<'s> {
    outer: Option<&'s Scope<'s>>,
    items: RefCell<Vec<Item>>,
    /// Items referenced since it was last cleared.
    touched: Cell<u64>,
    uses_outer: Cell<bool>,
    /// Whether its items can be referenced; false for sibling subqueries in `FROM`.
    visible: Cell<bool>,
    /// Collects calls that need more than one row; `None` where they are not allowed.
    calls: RefCell<Option<Calls>>,
}

/// One item of `FROM`.
#[derive(Clone)]
struct Item {
    /// Position of its row.
    place: usize,
    alias: String,
    columns: Arc<[Column]>,
    /// Columns merged into another item's by `USING`.
    merged: Vec<bool>,
    relation: Option<Oid>,
}

/// Calls in one `SELECT` that need more than one row.
#[derive(Default)]
struct Calls {
    aggregates: Vec<Aggregate>,
    windows: Vec<Window>,
    sets: Vec<(&'static SetFunction, Vec<Expr>)>,
}

impl<'s> Scope<'s> {
    fn new(outer: Option<&'s Scope<'s>>) -> Scope<'s> {
        Scope {
            outer,
            items: RefCell::default(),
            touched: Cell::default(),
            uses_outer: Cell::default(),
            visible: Cell::new(true),
            calls: RefCell::default(),
        }
    }

    /// Records a reference to an item `up` scopes further out.
    fn touch(&self, up: usize, place: usize) {
        let mut scope = self;
        for _ in 0..up {
            scope.uses_outer.set(true);
            let Some(outer) = scope.outer else { return };
            scope = outer;
        }
        scope.touched.set(scope.touched.get() | 1 << place);
    }

    /// Returns which items were referenced while binding.
    fn touched_by<T>(&self, bind: impl FnOnce() -> Result<T>) -> Result<(T, u64)> {
        let before = self.touched.replace(0);
        let bound = bind()?;
        let touched = self.touched.replace(before | self.touched.get());
        Ok((bound, touched))
    }
}

impl Binder<'_> {
    fn next_id(&self) -> usize {
        let id = self.next.get();
        self.next.set(id + 1);
        id
    }

    /// Binds a nested query, within the depth limit.
    fn deeper<T>(&self, bind: impl FnOnce() -> Result<T>) -> Result<T> {
        if self.depth.get() >= DEPTH_MAX {
            return Err(Fault::new("54001", format!("queries stand more than {DEPTH_MAX} deep within one another")));
        }
        self.depth.set(self.depth.get() + 1);
        let bound = bind();
        self.depth.set(self.depth.get() - 1);
        bound
    }

    /// Resolves a column name in the innermost query that has it.
    fn column(scope: Option<&Scope<'_>>, qualifier: Option<&str>, name: &str) -> Result<Option<Typed>> {
        let (mut at, mut up) = (scope, 0);
        while let Some(here) = at {
            if here.visible.get()
                && let Some((expr, place)) = column_here(here, up, qualifier, name)?
            {
                if let (Some(scope), Some(place)) = (scope, place) {
                    scope.touch(up, place);
                }
                return Ok(Some(expr));
            }
            at = here.outer;
            up += 1;
        }
        Ok(None)
    }

    /// Resolves the name of an item to its whole row.
    fn whole_row(scope: Option<&Scope<'_>>, name: &str) -> Option<Typed> {
        let (mut at, mut up) = (scope, 0);
        while let Some(here) = at {
            let found = here.items.borrow().iter().find(|item| item.alias == name).cloned();
            if let Some(item) = found.filter(|_| here.visible.get()) {
                scope?.touch(up, item.place);
                return Some(Typed::new(Expr::Row { up, item: item.place }, Ty::record(item.columns.to_vec())));
            }
            at = here.outer;
            up += 1;
        }
        None
    }
}

/// Resolves a column of the query's own items.
fn column_here(
    scope: &Scope<'_>,
    up: usize,
    qualifier: Option<&str>,
    name: &str,
) -> Result<Option<(Typed, Option<usize>)>> {
    let items = scope.items.borrow();
    let mut found: Option<(Typed, Option<usize>)> = None;
    for item in items.iter().filter(|item| qualifier.is_none_or(|qualifier| item.alias == qualifier)) {
        for (column, known) in item.columns.iter().enumerate() {
            if &*known.name != name || (qualifier.is_none() && item.merged.get(column) == Some(&true)) {
                continue;
            }
            if found.is_some() {
                return Err(Fault::new("42702", format!("column reference \"{name}\" is ambiguous")));
            }
            let expr = Expr::Column { up, item: item.place, column };
            found = Some((Typed::new(expr, known.ty.clone()), Some(item.place)));
        }
    }
    if found.is_some() {
        return Ok(found);
    }
    let of_relation = items
        .iter()
        .filter(|item| qualifier.is_none_or(|qualifier| item.alias == qualifier))
        .find_map(|item| item.relation.and_then(|relation| system_column(relation, name)));
    Ok(of_relation.map(|column| (column, None)))
}

/// Resolves the columns that every table has and `*` does not include.
fn system_column(relation: Oid, name: &str) -> Option<Typed> {
    let constant = |value: Value, kind: Oid| Some(Typed::new(Expr::Const(value), kind));
    match name {
        "tableoid" => constant(relation.into(), types::OID),
        "xmin" | "xmax" => constant(Value::Int(1), types::XID),
        "ctid" => constant("(0,1)".into(), types::TEXT),
        _ => None,
    }
}

/// Returns the parts of a name.
fn folded(name: &ast::ObjectName) -> Result<Vec<String>> {
    let part = |part: &ast::ObjectNamePart| part.as_ident().map(fold);
    name.0.iter().map(part).collect::<Option<_>>().ok_or_else(|| Fault::unsupported(name))
}

/// Returns schema and name of a relation or function. A database name before them is ignored.
fn qualified(name: &ast::ObjectName) -> Result<(Option<String>, String)> {
    let mut parts = folded(name)?;
    let last = parts.pop().ok_or_else(|| Fault::unsupported(name))?;
    Ok((parts.pop(), last))
}
