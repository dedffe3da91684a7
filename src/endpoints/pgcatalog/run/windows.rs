//! Evaluates window functions.

use super::query::compare;
use super::{Frame, Run};
use crate::endpoints::pgcatalog::fault::Result;
use crate::endpoints::pgcatalog::plan::{AggregateKind, Direction, Expr, Select, WINDOWS, Window, WindowKind};
use crate::endpoints::pgcatalog::value::{Row, Value};
use std::cmp::Ordering;
use std::collections::HashMap;

/// One row of a partition.
struct Place {
    /// Index among all rows.
    at: usize,
    keys: Vec<Value>,
    arguments: Vec<Value>,
}

impl Run<'_> {
    /// Adds the values of the window functions to each frame.
    pub(super) fn windows(
        &self,
        select: &Select,
        frames: &mut [Vec<Option<Row>>],
        outer: Option<&Frame<'_>>,
    ) -> Result<()> {
        if select.windows.is_empty() {
            return Ok(());
        }
        let mut columns = Vec::new();
        for window in &select.windows {
            columns.push(self.window(window, frames, outer)?);
        }
        for (at, frame) in frames.iter_mut().enumerate() {
            frame[select.items + WINDOWS] = Some(columns.iter().map(|column| column[at].clone()).collect());
        }
        Ok(())
    }

    fn window(&self, window: &Window, frames: &[Vec<Option<Row>>], outer: Option<&Frame<'_>>) -> Result<Vec<Value>> {
        let mut partitions: HashMap<Vec<Value>, Vec<Place>> = HashMap::new();
        for (at, items) in frames.iter().enumerate() {
            let frame = Frame { items, outer };
            let partition = self.evals(&window.partition, &frame)?;
            let keys = window.order.iter().map(|(key, _)| self.eval(key, &frame)).collect::<Result<_>>()?;
            let arguments = self.evals(&window.arguments, &frame)?;
            partitions.entry(partition).or_default().push(Place { at, keys, arguments });
        }
        let mut values = vec![Value::Null; frames.len()];
        for mut places in partitions.into_values() {
            places.sort_by(|left, right| order(left, right, &window.order));
            self.partition(window, &places, &mut values)?;
        }
        Ok(values)
    }

    fn partition(&self, window: &Window, places: &[Place], values: &mut [Value]) -> Result<()> {
        let (mut rank, mut dense, mut peers_end) = (0, 0, 0);
        for (number, place) in places.iter().enumerate() {
            let begins = number == 0 || order(&places[number - 1], place, &window.order).is_ne();
            if begins {
                rank = number + 1;
                dense += 1;
                let peer = |other: &&Place| order(place, other, &window.order).is_eq();
                peers_end = number + places[number..].iter().take_while(peer).count();
            }
            // The default frame: up to the last peer; all rows if there is no order.
            let upto = &places[..peers_end];
            let count = |number: usize| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
            values[place.at] = match window.kind {
                WindowKind::RowNumber => count(number + 1),
                WindowKind::Rank => count(rank),
                WindowKind::DenseRank => count(dense),
                WindowKind::FirstValue => first(places.first()),
                WindowKind::LastValue => first(upto.last()),
                WindowKind::Lag | WindowKind::Lead => beside(window.kind, places, number),
                WindowKind::Aggregate(kind) => {
                    let takes_null = matches!(kind, AggregateKind::Rows | AggregateKind::Array);
                    let given = upto.iter().map(|place| place.arguments.as_slice());
                    self.fold(kind, given.filter(|given| takes_null || !given.first().is_some_and(Value::is_null)))?
                }
            };
        }
        Ok(())
    }
}

fn order(left: &Place, right: &Place, by: &[(Expr, Direction)]) -> Ordering {
    let keys = left.keys.iter().zip(&right.keys).zip(by);
    let orderings = keys.map(|((left, right), (_, direction))| compare(left, right, *direction));
    orderings.into_iter().find(|ordering| ordering.is_ne()).unwrap_or(Ordering::Equal)
}

fn first(place: Option<&Place>) -> Value {
    place.and_then(|place| place.arguments.first()).cloned().unwrap_or_default()
}

fn beside(kind: WindowKind, places: &[Place], number: usize) -> Value {
    let place = &places[number];
    let offset = place.arguments.get(1).and_then(Value::as_int).unwrap_or(1);
    let offset = if kind == WindowKind::Lag { -offset } else { offset };
    let at = i64::try_from(number).ok().and_then(|number| usize::try_from(number + offset).ok());
    match at.and_then(|at| places.get(at)) {
        Some(other) => first(Some(other)),
        None => place.arguments.get(2).cloned().unwrap_or_default(),
    }
}
