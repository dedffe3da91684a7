//! Evaluates `GROUP BY` and aggregates.

use super::query::compare;
use super::{Flow, Frame, Run, operators};
use crate::endpoints::pgcatalog::fault::Result;
use crate::endpoints::pgcatalog::functions::json_text;
use crate::endpoints::pgcatalog::plan::{AGGREGATES, Aggregate, AggregateKind, Group, Op, Select};
use crate::endpoints::pgcatalog::value::{Row, Value};
use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

/// One group: a sample row, and the arguments of its aggregates.
struct Members {
    frame: Vec<Option<Row>>,
    given: Vec<Vec<Given>>,
}

/// Arguments of one aggregate call, and their sort keys.
struct Given {
    arguments: Vec<Value>,
    keys: Vec<Value>,
}

impl Run<'_> {
    /// Returns a frame with aggregate values for each group.
    pub(super) fn grouped(
        &self,
        select: &Select,
        group: &Group,
        items: &mut [Option<Row>],
        outer: Option<&Frame<'_>>,
    ) -> Result<Vec<Vec<Option<Row>>>> {
        let (mut groups, mut places): (Vec<Members>, HashMap<Vec<Value>, usize>) = (Vec::new(), HashMap::new());
        let fresh = |items: &[Option<Row>]| Members {
            frame: items.to_vec(),
            given: group.aggregates.iter().map(|_| Vec::new()).collect(),
        };
        self.each(&select.steps, items, outer, &mut |items| {
            let frame = Frame { items, outer };
            let keys = self.evals(&group.keys, &frame)?;
            let place = *places.entry(keys).or_insert_with(|| {
                groups.push(fresh(items));
                groups.len() - 1
            });
            for (aggregate, given) in group.aggregates.iter().zip(&mut groups[place].given) {
                if let Some(more) = self.given(aggregate, &frame)? {
                    given.push(more);
                }
            }
            Ok(Flow::More)
        })?;
        // Without keys there is always one group.
        if group.keys.is_empty() && groups.is_empty() {
            groups.push(fresh(items));
        }
        let mut frames = Vec::new();
        for members in groups {
            let Members { mut frame, given } = members;
            let values = group.aggregates.iter().zip(given).map(|(aggregate, given)| self.aggregated(aggregate, given));
            frame[select.items + AGGREGATES] = Some(values.collect::<Result<Row>>()?);
            let kept = match &group.having {
                Some(having) => self.eval(having, &Frame { items: &frame, outer })?.is_true(),
                None => true,
            };
            if kept {
                frames.push(frame);
            }
        }
        Ok(frames)
    }

    fn given(&self, aggregate: &Aggregate, frame: &Frame<'_>) -> Result<Option<Given>> {
        if let Some(filter) = &aggregate.filter
            && !self.eval(filter, frame)?.is_true()
        {
            return Ok(None);
        }
        let arguments = self.evals(&aggregate.arguments, frame)?;
        let takes_null = matches!(aggregate.kind, AggregateKind::Rows | AggregateKind::Array | AggregateKind::Json);
        if !takes_null && arguments.first().is_some_and(Value::is_null) {
            return Ok(None);
        }
        let keys = aggregate.order.iter().map(|(key, _)| self.eval(key, frame)).collect::<Result<_>>()?;
        Ok(Some(Given { arguments, keys }))
    }

    fn aggregated(&self, aggregate: &Aggregate, mut given: Vec<Given>) -> Result<Value> {
        if aggregate.distinct {
            let mut seen = HashSet::new();
            given.retain(|given| seen.insert(given.arguments.clone()));
            // PostgreSQL sorts to find duplicates, so the result is sorted.
            given.sort_by(|left, right| left.arguments.cmp(&right.arguments));
        }
        given.sort_by(|left, right| {
            let keys = left.keys.iter().zip(&right.keys).zip(&aggregate.order);
            let orderings = keys.map(|((left, right), (_, direction))| compare(left, right, *direction));
            orderings.into_iter().find(|ordering| ordering.is_ne()).unwrap_or(Ordering::Equal)
        });
        self.fold(aggregate.kind, given.iter().map(|given| given.arguments.as_slice()))
    }

    /// Computes an aggregate over its arguments, in this order.
    pub(super) fn fold<'g>(&self, kind: AggregateKind, given: impl Iterator<Item = &'g [Value]>) -> Result<Value> {
        let given: Vec<&[Value]> = given.collect();
        let first = |given: &&'g [Value]| given[0].clone();
        let count = Value::Int(i64::try_from(given.len()).unwrap_or(i64::MAX));
        Ok(match kind {
            AggregateKind::Rows | AggregateKind::Count => count,
            AggregateKind::Min => given.iter().map(first).min().unwrap_or_default(),
            AggregateKind::Max => given.iter().map(first).max().unwrap_or_default(),
            AggregateKind::First => given.first().map(first).unwrap_or_default(),
            AggregateKind::Array | AggregateKind::All | AggregateKind::Any | AggregateKind::Text
                if given.is_empty() =>
            {
                Value::Null
            }
            AggregateKind::Array => Value::array(given.iter().map(first).collect()),
            AggregateKind::All => given.iter().all(|given| given[0].is_true()).into(),
            AggregateKind::Any => given.iter().any(|given| given[0].is_true()).into(),
            AggregateKind::Text => {
                let mut text = String::new();
                for (at, given) in given.iter().enumerate() {
                    if at > 0 {
                        text.push_str(given.get(1).and_then(Value::as_text).unwrap_or_default());
                    }
                    text.push_str(given[0].as_text().unwrap_or_default());
                }
                text.into()
            }
            AggregateKind::Json if given.is_empty() => Value::Null,
            AggregateKind::Json => {
                let items: Vec<String> = given.iter().map(|given| json_text(&self.names(), &given[0])).collect();
                format!("[{}]", items.join(", ")).into()
            }
            AggregateKind::Sum | AggregateKind::Avg => {
                let mut sum: Option<Value> = None;
                for given in &given {
                    sum = Some(match sum {
                        None => given[0].clone(),
                        Some(sum) => operators::apply(self, Op::Plus, &sum, &given[0])?,
                    });
                }
                match (kind, sum) {
                    (_, None) => Value::Null,
                    (AggregateKind::Avg, Some(sum)) => {
                        let (sum, count) = (sum.as_float(), count.as_float());
                        sum.zip(count).map_or(Value::Null, |(sum, count)| Value::Float(sum / count))
                    }
                    (_, Some(sum)) => sum,
                }
            }
        })
    }
}
