//! Sampling of own traces.

use opentelemetry::trace::{Link, SpanKind, TraceContextExt as _, TraceId, TraceState};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{SamplingDecision, SamplingResult, ShouldSample};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Maximum number of spans per name and second: all of them on a quiet server, and few enough on a busy one to cost nothing.
/// It is per name, so that many queries do not displace the few evaluations.
const A_SECOND: u32 = 20;

/// Samples the first spans of each name in each second; children of a sampled span are sampled, too.
#[derive(Debug, Clone, Default)]
pub(super) struct Sparing(Arc<Mutex<HashMap<String, (Instant, u32)>>>);

impl Sparing {
    fn keeps(&self, name: &str, now: Instant) -> bool {
        let mut names = self.0.lock();
        let Some((since, kept)) = names.get_mut(name) else {
            names.insert(name.to_owned(), (now, 1));
            return true;
        };
        if now.duration_since(*since) >= Duration::from_secs(1) {
            (*since, *kept) = (now, 0);
        }
        *kept += 1;
        *kept <= A_SECOND
    }
}

impl ShouldSample for Sparing {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        _trace_id: TraceId,
        name: &str,
        _kind: &SpanKind,
        _attributes: &[KeyValue],
        _links: &[Link],
    ) -> SamplingResult {
        let keeps = match parent.filter(|parent| parent.span().span_context().is_valid()) {
            Some(parent) => parent.span().span_context().is_sampled(),
            None => self.keeps(name, Instant::now()),
        };
        let decision = if keeps { SamplingDecision::RecordAndSample } else { SamplingDecision::Drop };
        SamplingResult { decision, attributes: Vec::new(), trace_state: TraceState::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_of_one_name_do_not_crowd_out_another() {
        let (sparing, now) = (Sparing::default(), Instant::now());
        let kept = |name: &str, at: Instant| (0..1000).filter(|_| sparing.keeps(name, at)).count();
        assert_eq!((kept("query", now), kept("evaluate", now)), (20, 20));
        assert_eq!(kept("query", now + Duration::from_millis(999)), 0);
        assert_eq!(kept("query", now + Duration::from_millis(1001)), 20);
    }
}
