//! Runs `FROM`: enumerates the combinations of rows that satisfy the conditions.

use super::{Flow, Frame, Run};
use crate::endpoints::pgcatalog::fault::{Fault, Result};
use crate::endpoints::pgcatalog::plan::{Expr, Placed, RowsOf, Source, Step};
use crate::endpoints::pgcatalog::value::{Row, Value};
use std::sync::Arc;

type Items = [Option<Row>];
type Emit<'e> = &'e mut dyn FnMut(&mut Items) -> Result<Flow>;

/// Rows that a scan visits.
enum Candidates {
    All(Arc<Vec<Row>>),
    Some(Arc<Vec<Row>>, Vec<usize>),
}

impl Run<'_> {
    /// Calls `emit` for each combination of rows of the steps.
    pub(super) fn each(
        &self,
        steps: &[Placed],
        items: &mut Items,
        outer: Option<&Frame<'_>>,
        emit: Emit<'_>,
    ) -> Result<Flow> {
        let Some((placed, rest)) = steps.split_first() else { return emit(items) };
        match &placed.step {
            Step::Scan { item, source } => {
                let candidates = self.candidates(source, placed.lookup.as_ref(), items, outer)?;
                let (rows, places) = match &candidates {
                    Candidates::All(rows) => (rows, None),
                    Candidates::Some(rows, places) => (rows, Some(places)),
                };
                let count = places.map_or(rows.len(), Vec::len);
                let mut flow = Flow::More;
                for at in 0..count {
                    let at = places.map_or(at, |places| places[at]);
                    items[*item] = Some(rows[at].clone());
                    if self.all(&placed.filters, items, outer)? {
                        flow = self.each(rest, items, outer, emit)?;
                        if flow == Flow::Enough {
                            break;
                        }
                    }
                }
                items[*item] = None;
                Ok(flow)
            }
            Step::Left { inner, items: own } => {
                let mut matched = false;
                let flow = self.each(inner, items, outer, &mut |items| {
                    matched = true;
                    if self.all(&placed.filters, items, outer)? {
                        self.each(rest, items, outer, emit)
                    } else {
                        Ok(Flow::More)
                    }
                })?;
                if matched || flow == Flow::Enough {
                    return Ok(flow);
                }
                for item in own {
                    items[*item] = None;
                }
                if self.all(&placed.filters, items, outer)? {
                    self.each(rest, items, outer, emit)
                } else {
                    Ok(Flow::More)
                }
            }
            Step::Full { left, left_items, right, right_items, on } => {
                self.full((left, left_items), (right, right_items), on, (placed, rest), items, outer, emit)
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "both sides, and what follows them")]
    fn full(
        &self,
        (left, left_items): (&[Placed], &[usize]),
        (right, right_items): (&[Placed], &[usize]),
        on: &[Expr],
        (placed, rest): (&Placed, &[Placed]),
        items: &mut Items,
        outer: Option<&Frame<'_>>,
        emit: Emit<'_>,
    ) -> Result<Flow> {
        let side = |steps: &[Placed], of: &[usize], items: &mut Items| -> Result<Vec<Vec<Option<Row>>>> {
            let mut rows = Vec::new();
            self.each(steps, items, outer, &mut |items| {
                rows.push(of.iter().map(|item| items[*item].clone()).collect());
                Ok(Flow::More)
            })?;
            Ok(rows)
        };
        let (left, right) = (side(left, left_items, items)?, side(right, right_items, items)?);
        let mut matched = vec![false; right.len()];
        let put = |of: &[usize], row: Option<&Vec<Option<Row>>>, items: &mut Items| {
            for (at, item) in of.iter().enumerate() {
                items[*item] = row.and_then(|row| row[at].clone());
            }
        };
        for row in &left {
            put(left_items, Some(row), items);
            let mut any = false;
            for (at, other) in right.iter().enumerate() {
                put(right_items, Some(other), items);
                if self.all(on, items, outer)? {
                    any = true;
                    matched[at] = true;
                    if self.all(&placed.filters, items, outer)? && self.each(rest, items, outer, emit)? == Flow::Enough
                    {
                        return Ok(Flow::Enough);
                    }
                }
            }
            put(right_items, None, items);
            if !any && self.all(&placed.filters, items, outer)? && self.each(rest, items, outer, emit)? == Flow::Enough
            {
                return Ok(Flow::Enough);
            }
        }
        put(left_items, None, items);
        for (other, _) in right.iter().zip(&matched).filter(|(_, matched)| !**matched) {
            put(right_items, Some(other), items);
            if self.all(&placed.filters, items, outer)? && self.each(rest, items, outer, emit)? == Flow::Enough {
                return Ok(Flow::Enough);
            }
        }
        put(right_items, None, items);
        Ok(Flow::More)
    }

    /// Returns whether all conditions are true.
    fn all(&self, conditions: &[Expr], items: &Items, outer: Option<&Frame<'_>>) -> Result<bool> {
        let frame = Frame { items, outer };
        for condition in conditions {
            if !self.eval(condition, &frame)?.is_true() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn candidates(
        &self,
        source: &Source,
        lookup: Option<&(usize, Expr)>,
        items: &Items,
        outer: Option<&Frame<'_>>,
    ) -> Result<Candidates> {
        let frame = Frame { items, outer };
        let rows = match source {
            Source::Relation(relation) => self.relation_rows(relation),
            Source::Cte(id) => self.kept.borrow().get(id).cloned().unwrap_or_default(),
            Source::Query(query) => self.subquery(query, Some(&frame), None)?,
            Source::Functions { calls, numbered } => {
                return self.functions(calls, *numbered, &frame).map(|rows| Candidates::All(Arc::new(rows)));
            }
        };
        let Some((column, wanted)) = lookup else { return Ok(Candidates::All(rows)) };
        let wanted = self.eval(wanted, &frame)?;
        if wanted.is_null() {
            return Ok(Candidates::Some(rows, Vec::new()));
        }
        let index = match source {
            Source::Relation(relation) => self.relation_index(relation, *column),
            Source::Query(query) => self.kept_index(query.id, &rows, *column),
            // Not indexed, because rows of a recursive query change with each round.
            _ => {
                let places = (0..rows.len()).filter(|at| rows[*at][*column] == wanted).collect();
                return Ok(Candidates::Some(rows, places));
            }
        };
        let places = index.get(&wanted).cloned().unwrap_or_default();
        Ok(Candidates::Some(rows, places))
    }

    fn functions(&self, calls: &[RowsOf], numbered: bool, frame: &Frame<'_>) -> Result<Vec<Row>> {
        let mut all = Vec::new();
        for call in calls {
            all.push(match call {
                RowsOf::Set(function, arguments) => (self.set_rows(function, arguments, frame)?, None),
                RowsOf::Value(value, false) => (vec![Row::from([self.eval(value, frame)?])], Some(1)),
                RowsOf::Value(value, true) => match self.eval(value, frame)? {
                    Value::Record(row) => (vec![row], None),
                    _ => (Vec::new(), None),
                },
            });
        }
        if let ([(rows, _)], false) = (all.as_mut_slice(), numbered) {
            return Ok(std::mem::take(rows));
        }
        let longest = all.iter().map(|(rows, _)| rows.len()).max().unwrap_or(0);
        let widths: Vec<usize> =
            all.iter().map(|(rows, width)| width.or(rows.first().map(|row| row.len())).unwrap_or(1)).collect();
        let mut rows = Vec::new();
        for at in 0..longest {
            let mut row = Vec::new();
            for ((rows, _), width) in all.iter().zip(&widths) {
                match rows.get(at) {
                    Some(found) => row.extend(found.iter().cloned()),
                    None => row.extend(std::iter::repeat_n(Value::Null, *width)),
                }
            }
            if numbered {
                row.push(Value::Int(i64::try_from(at).unwrap_or(i64::MAX) + 1));
            }
            rows.push(row.into());
        }
        Ok(rows)
    }

    pub(super) fn set_rows(
        &self,
        function: &crate::endpoints::pgcatalog::functions::SetFunction,
        arguments: &[Expr],
        frame: &Frame<'_>,
    ) -> Result<Vec<Row>> {
        let arguments = arguments.iter().map(|argument| self.eval(argument, frame)).collect::<Result<Vec<_>>>()?;
        if arguments.iter().any(Value::is_null) {
            return Ok(Vec::new());
        }
        (function.call)(&self.statement, &arguments)
    }
}

impl Frame<'_> {
    /// Returns the row of an item, `up` query levels further out.
    pub(super) fn row(&self, up: usize, item: usize) -> Result<Option<&Row>> {
        let mut frame = self;
        for _ in 0..up {
            frame = frame.outer.ok_or_else(|| Fault::new("XX000", "a column of no query"))?;
        }
        Ok(frame.items.get(item).and_then(Option::as_ref))
    }
}
