//! The response of a cluster to a `_bulk` request: as a whole, and for each document.

use super::bulk::{Documents, Reasons};
use super::taking::Taking;
use crate::delivery::web;
use crate::delivery::{Outcome, Payload};
use serde::Deserialize;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Fields requested for each document; the rest of a verdict is not returned.
pub(super) const FILTER: &str =
    "errors,items.*.status,items.*.error.type,items.*.error.reason,items.*.error.caused_by.reason";

#[derive(Deserialize)]
struct Answer {
    errors: bool,
    #[serde(default)]
    items: Vec<HashMap<String, Verdict>>,
}

#[derive(Deserialize)]
struct Verdict {
    status: u16,
    #[serde(default)]
    error: Option<serde_json::Value>,
}

/// A complete response.
pub(super) struct Whole<'a> {
    pub(super) web: web::Answer,
    /// The settings key that contains our credentials.
    pub(super) login: &'a str,
    /// What it accepted before, and accepts now.
    pub(super) taking: &'a Taking,
}

impl Whole<'_> {
    /// Returns the outcome of a payload.
    pub(super) fn judge(mut self, payload: &Payload) -> Outcome {
        // A cluster responds in JSON only.
        self.web.is_page |= self.web.body.trim_ascii_start().starts_with(b"<");
        let denied = format!("is its {} right?", self.login);
        let hints = web::Hints { denied: &denied, elsewhere: "is its `endpoint` that of Elasticsearch or OpenSearch?" };
        // On success the body has a verdict per document; it is long, and read below.
        let told = if self.web.status.is_success() { String::new() } else { self.told() };
        self.web.verdict(&told, &hints).unwrap_or_else(|| self.by_document(payload))
    }

    /// Returns the message of an error body, in short.
    fn told(&self) -> String {
        let said = serde_json::from_slice::<serde_json::Value>(&self.web.body).ok();
        let said = said.as_ref().and_then(|said| said.get("error")).map(reason);
        said.unwrap_or_else(|| String::from_utf8_lossy(&self.web.body).trim().to_owned())
    }

    fn by_document(&self, payload: &Payload) -> Outcome {
        let (status, after) = (self.web.status, self.web.after);
        let again = |reason: String| Outcome::Retry { after, reason: format!("{status}: {reason}") };
        let answer: Answer = match serde_json::from_slice(&self.web.body) {
            Ok(answer) => answer,
            Err(error) => return again(format!("the response to _bulk cannot be read: {error}")),
        };
        let documents = Documents::of(payload);
        let (found, sent) = (answer.items.len(), documents.labels.len());
        if found != sent {
            return again(format!("the response to _bulk lists {found} documents, {sent} were sent"));
        }
        let now = Instant::now();
        if answer.items.iter().flat_map(HashMap::values).any(Verdict::is_taken) {
            self.taking.note(payload.signal, now);
        }
        if !answer.errors {
            return Outcome::delivered();
        }
        let takes_others = self.taking.is_lately(payload.signal, now);
        Verdicts::of(&answer, &documents, self.login, takes_others).outcome(&documents, after)
    }
}

impl Verdict {
    fn is_taken(&self) -> bool {
        // 409: it was created before, and the response to that was lost.
        matches!(self.status, 200..300 | 409)
    }
}

/// Combined verdicts.
#[derive(Default)]
struct Verdicts {
    taken: u64,
    again: Vec<usize>,
    why_again: Option<String>,
    refused: Reasons,
}

impl Verdicts {
    /// Combines the verdicts on all documents; `takes_others` if the cluster otherwise accepts this signal.
    fn of(answer: &Answer, documents: &Documents, login: &str, takes_others: bool) -> Verdicts {
        let mut verdicts = Verdicts::default();
        for (at, (item, label)) in answer.items.iter().zip(&documents.labels).enumerate() {
            let verdict = item.values().next();
            let status = verdict.map_or(0, |verdict| verdict.status);
            let error = verdict.and_then(|verdict| verdict.error.as_ref());
            let says = |what: fn(&serde_json::Value) -> bool| error.is_some_and(what);
            let said = || format!("{status}: {}", error.map_or_else(|| "no reason is given".to_owned(), reason));
            let is_of_index = matches!(status, 403 | 404) || says(is_of_index);
            match status {
                _ if verdict.is_some_and(Verdict::is_taken) => verdicts.taken += label.items,
                _ if says(is_of_cluster) => verdicts.again(at, said),
                400 if says(lacks_pipeline) && !label.named.pipeline => verdicts.again(at, said),
                // An index named by the sender may not be fixable here, and everything else would wait for it. But if nothing
                // else is accepted, all documents may lack the same permission, or a processor set the index.
                _ if is_of_index && label.named.has_index() && takes_others => {
                    let named = "(its own attributes set its destination)";
                    verdicts.refused.add(label.items, format!("{} {named}", said()));
                }
                401 | 403 => verdicts.again(at, || format!("{} (is its {login} right?)", said())),
                // Busy, full, or an index that does not exist yet or is closed.
                0 | 404 | 408 | 429 | 500.. => verdicts.again(at, said),
                _ if is_of_index => verdicts.again(at, said),
                _ => verdicts.refused.add(label.items, said()),
            }
        }
        verdicts
    }

    fn again(&mut self, at: usize, said: impl FnOnce() -> String) {
        self.again.push(at);
        self.why_again.get_or_insert_with(said);
    }

    fn outcome(self, documents: &Documents, after: Option<Duration>) -> Outcome {
        let reason = self.why_again.unwrap_or_default();
        let refused = self.refused.into_rejected();
        if refused.is_empty() && self.again.is_empty() {
            return Outcome::delivered();
        }
        // Nothing accepted and nothing rejected: the cluster as a whole accepts nothing now.
        if self.again.len() == documents.labels.len() {
            return Outcome::Retry { after, reason };
        }
        Outcome::PartialSuccess { taken: self.taken, refused, again: documents.only(self.again), after, reason }
    }
}

/// Returns true if the ingest pipeline is missing: if it is configured, the document is not at fault, even though the error is
/// the document's.
fn lacks_pipeline(error: &serde_json::Value) -> bool {
    let reason = part(error, "reason");
    reason.starts_with("pipeline with id [") && reason.ends_with("does not exist")
}

/// Returns true if the cluster as a whole accepts no new data, although the error is reported for a document: it has reached
/// its shard limit, or is blocked. Reasons are matched by prefix, because others quote the document.
fn is_of_cluster(error: &serde_json::Value) -> bool {
    let reason = part(error, "reason");
    let reason = reason.strip_prefix("Validation Failed: 1: ").unwrap_or(reason);
    let is_full = reason.starts_with("this action would add [") && reason.contains("shards open");
    // Block 8 is set by people on a single index: other documents do not wait for it.
    is_full || part(error, "type") == "cluster_block_exception" && !reason.contains("/8/index write")
}

/// Returns true if the index cannot be written to, whatever the document.
fn is_of_index(error: &serde_json::Value) -> bool {
    part(error, "type") == "index_closed_exception" || part(error, "reason").starts_with("no write index is defined")
}

fn part<'a>(error: &'a serde_json::Value, key: &str) -> &'a str {
    error.get(key).and_then(serde_json::Value::as_str).unwrap_or_default()
}

/// Formats an Elasticsearch error: its type, its reason and its causes. The document's id is removed, because it would make a
/// thousand errors of the same kind distinct.
fn reason(error: &serde_json::Value) -> String {
    let text = |of: &serde_json::Value, key: &str| of.get(key).and_then(serde_json::Value::as_str).map(str::to_owned);
    if let Some(text) = error.as_str() {
        return text.to_owned();
    }
    let own = text(error, "reason").unwrap_or_default();
    let own = match own
        .split_once(" in document with id '")
        .and_then(|(before, rest)| Some((before, rest.split_once('\'')?.1)))
    {
        Some((before, after)) => format!("{before}{after}"),
        None => own,
    };
    let behind = error.get("caused_by").and_then(|behind| text(behind, "reason"));
    let parts = [text(error, "type"), Some(own), behind].into_iter().flatten().filter(|part| !part.is_empty());
    web::cut(&parts.collect::<Vec<_>>().join(": ")).to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::bulk::{Bulk, Label, Named};
    use super::*;
    use crate::delivery::Rejected;
    use crate::model::signal::Signal;
    use reqwest::StatusCode;
    use reqwest::header::HeaderMap;

    fn payload(labels: impl IntoIterator<Item = Label>) -> Payload {
        let mut bulk = Bulk::new(Signal::Logs, 1 << 20);
        labels.into_iter().enumerate().for_each(|(at, label)| bulk.put(b"{}", at.to_string().as_bytes(), label));
        bulk.finish().payloads.remove(0)
    }

    fn label(items: u64) -> Label {
        Label { items, named: Named::default() }
    }

    fn judged_by(taking: &Taking, status: u16, body: &str, payload: &Payload) -> Outcome {
        let status = StatusCode::from_u16(status).unwrap();
        let web = web::Answer::read(status, &HeaderMap::new(), body.as_bytes().to_vec());
        Whole { web, login: "`api_key`", taking }.judge(payload)
    }

    fn judged_of(status: u16, body: &str, payload: &Payload) -> Outcome {
        judged_by(&Taking::default(), status, body, payload)
    }

    /// Response with an error for a single document.
    fn said_of_one(status: u16, error: &str) -> String {
        format!(r#"{{"errors":true,"items":[{{"create":{{"status":{status},"error":{error}}}}}]}}"#)
    }

    fn judged(status: u16, body: &str, weights: &[u64]) -> Outcome {
        judged_of(status, body, &payload(weights.iter().map(|items| label(*items))))
    }

    fn again(outcome: &Outcome) -> &str {
        match outcome {
            Outcome::Retry { reason, .. } => reason,
            other => panic!("expected it to be sent again, found {other:?}"),
        }
    }

    #[test]
    fn each_document_has_a_verdict_of_its_own() {
        // As returned by OpenSearch 2.19.1.
        let mapper = r#"{"type":"mapper_parsing_exception","reason":"failed to parse field [n] of type [long] in document with id 'b'. Preview of field's value: 'xx'","caused_by":{"reason":"For input string: \"xx\""}}"#;
        let conflict = r#"{"type":"version_conflict_engine_exception","reason":"[a]: version conflict, document already exists (current version [1])"}"#;
        let busy = r#"{"type":"rejected_execution_exception","reason":"queue full"}"#;
        let body = format!(
            r#"{{"errors":true,"items":[{{"create":{{"status":201}}}},{{"create":{{"status":400,"error":{mapper}}}}},
            {{"create":{{"status":409,"error":{conflict}}}}},{{"create":{{"status":429,"error":{busy}}}}}]}}"#
        );
        let Outcome::PartialSuccess { taken, refused, again, reason, .. } = judged(200, &body, &[1, 2, 4, 8]) else {
            panic!("expected a verdict on each")
        };
        assert_eq!(taken, 5, "created now, and before");
        let said = "400: mapper_parsing_exception: failed to parse field [n] of type [long]. Preview of field's value: \
                    'xx': For input string: \"xx\"";
        assert_eq!(refused, [Rejected { items: 2, reason: said.into() }]);
        assert_eq!(again.map(|payload| (payload.items, payload.body)), Some((8, "8\n{}\n3\n".into())));
        assert_eq!(reason, "429: rejected_execution_exception: queue full");
    }

    #[test]
    fn what_is_no_verdict_is_sent_again() {
        let of_all = |status: u16| format!(r#"{{"errors":true,"items":[{{"create":{{"status":{status}}}}}]}}"#);
        for status in [403, 404, 429, 500, 503] {
            again(&judged(200, &of_all(status), &[1]));
        }
        let pipeline = r#"{"errors":true,"items":[{"create":{"status":400,"error":{"type":"illegal_argument_exception","reason":"pipeline with id [nope] does not exist"}}}]}"#;
        assert!(again(&judged(200, pipeline, &[1])).contains("[nope]"));
        assert!(again(&judged(200, "<html>Sign in</html>", &[1])).contains("an HTML page"));
        assert!(again(&judged(200, r#"{"errors":tr"#, &[1])).contains("cannot be read"));
        assert!(again(&judged(200, "{}", &[1])).contains("cannot be read"));
        assert!(again(&judged(200, r#"{"errors":false,"items":[]}"#, &[1])).contains("0 documents, 1 were sent"));
        assert!(again(&judged(302, "", &[1])).contains("`endpoint`"));
        assert!(again(&judged(404, "not found", &[1])).contains("`endpoint`"));
        let denied =
            r#"{"error":{"type":"security_exception","reason":"missing authentication credentials"},"status":401}"#;
        let said = "401 Unauthorized: security_exception: missing authentication credentials (is its `api_key` right?)";
        assert_eq!(again(&judged(401, denied, &[1])), said);
        again(&judged(503, "", &[1]));
    }

    /// A destination set by a sender (an index that does not exist, or without permission) must not hold up what others send.
    #[test]
    fn a_document_that_its_sender_addressed_holds_up_no_others() {
        let index = Named { index: true, ..Named::default() };
        let stream = Named { stream: true, ..Named::default() };
        let by_pipeline = Named { pipeline: true, ..Named::default() };
        // As returned by OpenSearch 2.19.1 without automatic index creation, and by its security plugin without permission.
        let missing = r#"{"type":"index_not_found_exception","reason":"no such index [x]"}"#;
        let denied = r#"{"type":"security_exception","reason":"no permissions for [indices:data/write/bulk[s]]"}"#;
        let pipeline = r#"{"type":"illegal_argument_exception","reason":"pipeline with id [x] does not exist"}"#;
        let said = |status: u16, error: &str, beside: &str| {
            format!(r#"{{"errors":true,"items":[{{"create":{{"status":{status},"error":{error}}}}}{beside}]}}"#)
        };
        let taken = r#",{"create":{"status":201}}"#;
        let lone =
            |named, status, error| judged_of(200, &said(status, error, ""), &payload([Label { items: 1, named }]));
        let beside = |named, status, error| {
            judged_of(200, &said(status, error, taken), &payload([Label { items: 1, named }, label(1)]))
        };
        let refused = |outcome: Outcome| match outcome {
            Outcome::PartialSuccess { refused, again: None, .. } => refused[0].reason.clone(),
            other => panic!("expected it to be refused, found {other:?}"),
        };
        // As returned by Elasticsearch for a closed index, and for an alias without a write index.
        let closed = r#"{"type":"index_closed_exception","reason":"closed"}"#;
        let alias = r#"{"type":"illegal_argument_exception","reason":"no write index is defined for alias [x]. The write index may be explicitly disabled"}"#;
        let blocked =
            r#"{"type":"cluster_block_exception","reason":"index [x] blocked by: [FORBIDDEN/8/index write (api)];"}"#;
        for (status, error) in [(404, missing), (403, denied), (403, blocked), (400, closed), (400, alias)] {
            for named in [index, stream] {
                // A processor may have set it, or all documents may lack the same permission, which people can fix.
                again(&lone(named, status, error));
                let reason = refused(beside(named, status, error));
                assert!(reason.ends_with("(its own attributes set its destination)"), "{reason}");
                // Earlier success of the same signal counts too, of another signal it does not.
                let (taking, alone) = (Taking::default(), payload([Label { items: 1, named }]));
                taking.note(Signal::Traces, Instant::now());
                again(&judged_by(&taking, 200, &said_of_one(status, error), &alone));
                judged_by(
                    &taking,
                    200,
                    r#"{"errors":false,"items":[{"create":{"status":201}}]}"#,
                    &payload([label(1)]),
                );
                refused(judged_by(&taking, 200, &said_of_one(status, error), &alone));
            }
            // Configured: it is retried, whatever else is accepted.
            again(&lone(Named::default(), status, error));
            assert!(matches!(beside(Named::default(), status, error), Outcome::PartialSuccess { again: Some(_), .. }));
        }
        assert!(refused(lone(by_pipeline, 400, pipeline)).contains("pipeline with id [x] does not exist"));
        again(&lone(index, 400, pipeline));
    }

    /// A full cluster reports that for each document, as if the document were at fault.
    #[test]
    fn what_befalls_the_whole_cluster_waits_whoever_named_the_index() {
        let full = "this action would add [24] total shards, but this cluster currently has [2999]/[3000] maximum shards open;";
        let normal = "this action would add [2] shards, but this cluster currently has [1000]/[1000] maximum normal shards open;";
        let blocked = "index [x] blocked by: [FORBIDDEN/10/cluster create-index blocked (api)];";
        let index = Named { index: true, ..Named::default() };
        let taking = Taking::default();
        taking.note(Signal::Logs, Instant::now());
        for (status, kind, reason) in [
            (400, "validation_exception", format!("Validation Failed: 1: {full}")),
            (400, "illegal_argument_exception", format!("Validation Failed: 1: {full}")),
            (400, "illegal_argument_exception", normal.to_owned()),
            (403, "cluster_block_exception", blocked.to_owned()),
            (400, "cluster_block_exception", blocked.to_owned()),
        ] {
            let body = said_of_one(status, &serde_json::json!({"type": kind, "reason": reason}).to_string());
            for named in [Named::default(), index] {
                let outcome = judged_by(&taking, 200, &body, &payload([Label { items: 1, named }]));
                assert!(again(&outcome).contains(kind), "{outcome:?}");
            }
        }
        // Text quoted from a document is not the cluster's own.
        let value = "failed to parse field [n] of type [long]. Preview of field's value: 'maximum shards open'";
        let error = serde_json::json!({"type": "mapper_parsing_exception", "reason": value}).to_string();
        let outcome = judged_by(&taking, 200, &said_of_one(400, &error), &payload([label(1)]));
        assert!(matches!(outcome, Outcome::PartialSuccess { again: None, .. }), "{outcome:?}");
    }

    #[test]
    fn verdicts_on_the_whole() {
        let fine = r#"{"errors":false,"items":[{"create":{"status":201}}]}"#;
        assert_eq!(judged(200, fine, &[1]), Outcome::delivered());
        assert!(matches!(judged(413, "", &[1]), Outcome::TooLarge(_)));
        assert!(
            matches!(judged(400, r#"{"error":"bad"}"#, &[1]), Outcome::Rejected(reason) if reason.ends_with(": bad"))
        );
        assert!(matches!(judged(406, "", &[1]), Outcome::PermanentError(_)));
    }

    #[test]
    fn a_thousand_reasons_are_told_in_short() {
        let items: Vec<String> = (0..1000)
            .map(|n| format!(r#"{{"create":{{"status":400,"error":{{"type":"t","reason":"r{n}"}}}}}}"#))
            .collect();
        let body = format!(r#"{{"errors":true,"items":[{}]}}"#, items.join(","));
        let Outcome::PartialSuccess { refused, .. } = judged(200, &body, &[1; 1000]) else {
            panic!("expected refusals")
        };
        assert_eq!(refused.len(), 21);
        assert_eq!(refused.iter().map(|rejected| rejected.items).sum::<u64>(), 1000);
    }
}
