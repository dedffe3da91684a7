//! Sends one request as several concurrent parts, and combines their outcomes.

use super::proto::Request;
use super::requests;
use crate::delivery::{Outcome, Payload, Rejected};
use prost::Message as _;
use std::time::Duration;

/// A part of a request, and its payload if sent alone.
pub(super) struct Part {
    pub(super) request: Request,
    pub(super) payload: Payload,
}

/// Builds the parts of a payload, dividing its items by the number of series.
pub(super) fn of(payload: &Payload, requests: Vec<Request>) -> Vec<Part> {
    let all = requests.iter().map(|request| request.timeseries.len() as u64).sum::<u64>().max(1);
    let (mut series, mut before) = (0, 0);
    let part = |request: Request| {
        series += request.timeseries.len() as u64;
        let upto = u64::try_from(u128::from(payload.items) * u128::from(series) / u128::from(all)).unwrap_or(before);
        let items = upto - before;
        before = upto;
        let payload = Payload { items, body: request.encode_to_vec().into(), ..payload.clone() };
        Part { request, payload }
    };
    requests.into_iter().map(part).collect()
}

/// Combines the outcomes of all parts. If all outcomes are alike, so is the result.
pub(super) fn together(payload: &Payload, mut ended: Vec<(Part, Outcome)>) -> Outcome {
    if ended.len() == 1 {
        return ended.pop().map_or(Outcome::delivered(), |(_, outcome)| outcome);
    }
    let is_each = |kind: fn(&Outcome) -> bool| ended.iter().all(|(_, outcome)| kind(outcome));
    if is_each(|outcome| matches!(outcome, Outcome::PermanentError(_))) {
        return ended.swap_remove(0).1;
    }
    if is_each(is_left) {
        return nothing_taken(ended);
    }
    if let Some(delivered) = all_delivered(&ended) {
        return delivered;
    }
    in_part(payload, ended)
}

/// Returns true if nothing of a part was accepted and it is to be sent again, whole or in smaller parts.
fn is_left(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Retry { .. } | Outcome::TooLarge(_) | Outcome::Rejected(_))
}

/// Combines the outcomes if all parts are left: if one of them is to be retried, all are. Otherwise everything is split, with
/// precedence for what was too large.
fn nothing_taken(mut ended: Vec<(Part, Outcome)>) -> Outcome {
    let place = |kind: fn(&Outcome) -> bool| ended.iter().position(|(_, outcome)| kind(outcome));
    if place(|outcome| matches!(outcome, Outcome::Retry { .. })).is_some() {
        return longest_retry(&ended);
    }
    let too_large = place(|outcome| matches!(outcome, Outcome::TooLarge(_)));
    ended.swap_remove(too_large.unwrap_or(0)).1
}

fn longest_retry(ended: &[(Part, Outcome)]) -> Outcome {
    let mut longest = None;
    let mut told = String::new();
    for (_, outcome) in ended {
        if let Outcome::Retry { after, reason } = outcome {
            longest = longest.max(*after);
            told.clone_from(reason);
        }
    }
    Outcome::Retry { after: longest, reason: told }
}

fn all_delivered(ended: &[(Part, Outcome)]) -> Option<Outcome> {
    let (mut sum, mut told) = (0, String::new());
    for (_, outcome) in ended {
        let Outcome::Delivered { rejected, message } = outcome else { return None };
        sum += rejected;
        if told.is_empty() {
            told.clone_from(message);
        }
    }
    Some(Outcome::Delivered { rejected: sum, message: told })
}

/// Rejected parts are retried together with the others: alone, they are split down to the item at fault. There is no wait
/// before that, unless the target asks for a retry.
fn in_part(payload: &Payload, ended: Vec<(Part, Outcome)>) -> Outcome {
    let (mut taken, mut refused, mut again, mut told) = (0, Vec::new(), Vec::new(), String::new());
    let is_later = ended.iter().any(|(_, outcome)| matches!(outcome, Outcome::Retry { .. }));
    let mut longest = (!is_later).then_some(Duration::ZERO);
    let mut refuse = |items, reason| {
        if items > 0 {
            refused.push(Rejected { items, reason });
        }
    };
    let mut of_again = 0;
    for (part, outcome) in ended {
        let items = part.payload.items;
        if let Outcome::Retry { after, .. } = outcome {
            longest = longest.max(after);
        }
        match outcome {
            Outcome::Delivered { rejected, message } => {
                taken += items.saturating_sub(rejected);
                refuse(rejected, message);
            }
            Outcome::PartialSuccess { taken: own, refused: others, .. } => {
                taken += own;
                others.into_iter().for_each(|rejected| refuse(rejected.items, rejected.reason));
            }
            Outcome::PermanentError(reason) => refuse(items, reason),
            Outcome::Retry { reason, .. } | Outcome::TooLarge(reason) | Outcome::Rejected(reason) => {
                told = reason;
                of_again += items;
                again.push(part.request);
            }
        }
    }
    let again = (!again.is_empty()).then(|| Payload {
        items: of_again,
        body: requests::joined(&again).encode_to_vec().into(),
        ..payload.clone()
    });
    Outcome::PartialSuccess { taken, refused, again, after: longest, reason: told }
}
