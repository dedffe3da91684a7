//! Runs queries: `WITH`, `SELECT`, set operations, order and limits.

use super::{Flow, Frame, Run};
use crate::endpoints::pgcatalog::fault::{Fault, Result};
use crate::endpoints::pgcatalog::plan::{Body, Cte, Direction, Distinct, Expr, Query, SETS, Select, SetKind, Sort};
use crate::endpoints::pgcatalog::value::{Row, Value};
use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Number of slots after the items of `FROM`.
pub(super) const SLOTS: usize = 3;

impl Run<'_> {
    /// Returns the rows of a query; rows beyond `most` can be omitted.
    pub(super) fn query(&self, query: &Query, outer: Option<&Frame<'_>>, most: Option<usize>) -> Result<Vec<Row>> {
        for cte in &query.ctes {
            self.cte(cte, outer)?;
        }
        let count = |expr: &Option<Expr>| match expr {
            None => Ok(None),
            Some(expr) => match self.eval(expr, &Frame { items: &[], outer })? {
                Value::Null => Ok(None),
                value => match value.as_int().and_then(|count| usize::try_from(count).ok()) {
                    Some(count) => Ok(Some(count)),
                    None => Err(Fault::new("2201W", "LIMIT must not be negative")),
                },
            },
        };
        let (limit, offset) = (count(&query.limit)?, count(&query.offset)?.unwrap_or(0));
        let wanted = [limit, most].into_iter().flatten().min();
        let shown = query.columns.len();
        // Without an order, any rows satisfy the limit.
        let needed = wanted.filter(|_| query.order.is_empty()).map(|wanted| wanted.saturating_add(offset));
        let mut rows = self.body(&query.body, outer, shown, &query.order, needed)?;
        if offset > 0 {
            rows.drain(..offset.min(rows.len()));
        }
        if let Some(wanted) = wanted {
            rows.truncate(wanted);
        }
        if rows.first().is_some_and(|row| row.len() > shown) {
            rows = rows.into_iter().map(|row| row[..shown].into()).collect();
        }
        Ok(rows)
    }

    fn cte(&self, cte: &Cte, outer: Option<&Frame<'_>>) -> Result<()> {
        if !cte.correlated && self.kept.borrow().contains_key(&cte.id) {
            return Ok(());
        }
        let mut rows = self.query(&cte.query, outer, None)?;
        if let Some((again, distinct)) = &cte.recursive {
            let mut seen: HashSet<Row> = HashSet::new();
            if *distinct {
                rows.retain(|row| seen.insert(row.clone()));
            }
            let mut round = rows.clone();
            while !round.is_empty() {
                self.forget_since(cte.id);
                self.kept.borrow_mut().insert(cte.id, Arc::new(round));
                round = self.query(again, outer, None)?;
                if *distinct {
                    round.retain(|row| seen.insert(row.clone()));
                }
                rows.extend(round.iter().cloned());
            }
            self.forget_since(cte.id);
        }
        self.kept.borrow_mut().insert(cte.id, Arc::new(rows));
        Ok(())
    }

    /// Clears cached subqueries before each round of a recursive query, because its rows changed. Their ids follow its own.
    fn forget_since(&self, id: usize) {
        self.kept.borrow_mut().retain(|known, _| *known < id);
        self.indexes.borrow_mut().retain(|(known, _), _| *known < id);
    }

    fn body(
        &self,
        body: &Body,
        outer: Option<&Frame<'_>>,
        shown: usize,
        order: &[Sort],
        needed: Option<usize>,
    ) -> Result<Vec<Row>> {
        let mut rows = match body {
            Body::Select(select) => return self.select(select, outer, shown, order, needed),
            Body::Values(values) => {
                let frame = Frame { items: &[], outer };
                values.iter().map(|row| Ok(self.evals(row, &frame)?.into())).collect::<Result<Vec<Row>>>()?
            }
            Body::Set { kind, all, left, right } => {
                let (left, right) = (self.query(left, outer, None)?, self.query(right, outer, None)?);
                set(*kind, *all, left, right)
            }
        };
        sort(&mut rows, order);
        Ok(rows)
    }

    fn select(
        &self,
        select: &Select,
        outer: Option<&Frame<'_>>,
        shown: usize,
        order: &[Sort],
        needed: Option<usize>,
    ) -> Result<Vec<Row>> {
        let mut items: Vec<Option<Row>> = vec![None; select.items + SLOTS];
        let mut rows = Vec::new();
        let simple = select.group.is_none() && select.windows.is_empty();
        if simple {
            // With `DISTINCT` the number of input rows needed is unknown.
            let needed = needed.filter(|_| select.distinct == Distinct::None && order.is_empty());
            self.each(&select.steps, &mut items, outer, &mut |items| {
                self.output(select, items, outer, &mut rows)?;
                Ok(if needed.is_some_and(|needed| rows.len() >= needed) { Flow::Enough } else { Flow::More })
            })?;
        } else {
            let mut frames = match &select.group {
                Some(group) => self.grouped(select, group, &mut items, outer)?,
                None => self.frames(select, &mut items, outer)?,
            };
            self.windows(select, &mut frames, outer)?;
            for frame in &mut frames {
                self.output(select, frame, outer, &mut rows)?;
            }
        }
        match &select.distinct {
            Distinct::None => sort(&mut rows, order),
            Distinct::All => {
                let mut seen = HashSet::new();
                rows.retain(|row| seen.insert(Row::from(&row[..shown])));
                sort(&mut rows, order);
            }
            Distinct::On(columns) => {
                sort(&mut rows, order);
                let mut seen = HashSet::new();
                rows.retain(|row| seen.insert(columns.iter().map(|column| row[*column].clone()).collect::<Vec<_>>()));
            }
        }
        Ok(rows)
    }

    /// Returns each combination of rows, for several passes.
    pub(super) fn frames(
        &self,
        select: &Select,
        items: &mut [Option<Row>],
        outer: Option<&Frame<'_>>,
    ) -> Result<Vec<Vec<Option<Row>>>> {
        let mut frames = Vec::new();
        self.each(&select.steps, items, outer, &mut |items| {
            frames.push(items.to_vec());
            Ok(Flow::More)
        })?;
        Ok(frames)
    }

    /// Appends the output rows of one combination: one, or as many as its set-returning functions return.
    fn output(
        &self,
        select: &Select,
        items: &mut [Option<Row>],
        outer: Option<&Frame<'_>>,
        rows: &mut Vec<Row>,
    ) -> Result<()> {
        if select.sets.is_empty() {
            let row = self.evals(&select.output, &Frame { items, outer })?;
            rows.push(row.into());
            return Ok(());
        }
        let mut sets = Vec::new();
        for (function, arguments) in &select.sets {
            sets.push(self.set_rows(function, arguments, &Frame { items, outer })?);
        }
        let slot = select.items + SETS;
        let longest = sets.iter().map(Vec::len).max().unwrap_or(0);
        for at in 0..longest {
            let value = |rows: &Vec<Row>| match rows.get(at) {
                None => Value::Null,
                Some(row) if row.len() == 1 => row[0].clone(),
                Some(row) => Value::Record(row.clone()),
            };
            items[slot] = Some(sets.iter().map(value).collect());
            let row = self.evals(&select.output, &Frame { items, outer })?;
            rows.push(row.into());
        }
        items[slot] = None;
        Ok(())
    }
}

fn set(kind: SetKind, all: bool, left: Vec<Row>, right: Vec<Row>) -> Vec<Row> {
    let mut rows = match kind {
        SetKind::Union => {
            let mut rows = left;
            rows.extend(right);
            rows
        }
        SetKind::Intersect | SetKind::Except => {
            let mut counts: HashMap<Row, usize> = HashMap::new();
            for row in right {
                *counts.entry(row).or_default() += 1;
            }
            let keep = |row: &Row| match counts.get_mut(row) {
                Some(left) if *left > 0 => {
                    // With ALL, each row of the other side matches only one row of this side.
                    *left -= usize::from(all);
                    kind == SetKind::Intersect
                }
                _ => kind == SetKind::Except,
            };
            let mut rows = left;
            rows.retain(keep);
            rows
        }
    };
    if !all {
        let mut seen = HashSet::new();
        rows.retain(|row| seen.insert(row.clone()));
    }
    rows
}

pub(super) fn compare(left: &Value, right: &Value, direction: Direction) -> Ordering {
    match (left.is_null(), right.is_null()) {
        (true, true) => Ordering::Equal,
        (true, false) => {
            if direction.nulls_first {
                Ordering::Less
            } else {
                Ordering::Greater
            }
        }
        (false, true) => {
            if direction.nulls_first {
                Ordering::Greater
            } else {
                Ordering::Less
            }
        }
        (false, false) => {
            let ordering = left.cmp(right);
            if direction.descending { ordering.reverse() } else { ordering }
        }
    }
}

fn sort(rows: &mut [Row], order: &[Sort]) {
    if order.is_empty() {
        return;
    }
    rows.sort_by(|left, right| {
        let column = |sort: &Sort| compare(&left[sort.column], &right[sort.column], sort.direction);
        order.iter().map(column).find(|ordering| ordering.is_ne()).unwrap_or(Ordering::Equal)
    });
}
