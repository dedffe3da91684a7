//! Findings as JSON.

use super::shared::{Shared, refuse};
use crate::model::finding::{Finding, FindingState};
use crate::model::shown::shown;
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    state: Option<String>,
    pipeline: Option<String>,
    /// Includes findings beyond the `limit` of their pipeline.
    #[serde(default)]
    all: bool,
}

pub(super) async fn findings(
    State(shared): State<Arc<Shared>>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Response {
    let wanted = match wanted {
        Ok(Query(wanted)) => wanted,
        Err(rejection) => return refuse(StatusCode::BAD_REQUEST, &rejection.body_text()),
    };
    if let Err(message) = known(&shared, &wanted) {
        return refuse(StatusCode::BAD_REQUEST, &message);
    }
    let findings = shared.service.findings();
    let is = |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
    let mut found: Vec<_> = if wanted.all { findings.iter().collect() } else { shown(&findings) };
    let beyond = findings.len() - found.len();
    found.retain(|finding| is(&wanted.state, finding.state.as_str()) && is(&wanted.pipeline, &finding.pipeline));
    let found: Vec<Value> = found.into_iter().map(with_words).collect();
    ([(header::CACHE_CONTROL, "no-store")], Json(json!({ "findings": found, "not_shown": beyond }))).into_response()
}

/// Adds the numbers as phrases, so that a page need not format units and limits.
fn with_words(finding: &Finding) -> Value {
    let mut value = json!(finding);
    value["said"] = finding.said();
    value
}

/// Rejects a state or pipeline that does not exist, instead of returning an empty result.
fn known(shared: &Shared, wanted: &Wanted) -> Result<(), String> {
    const STATES: [FindingState; 4] =
        [FindingState::Firing, FindingState::Pending, FindingState::Ok, FindingState::NoData];
    if let Some(state) = wanted.state.as_deref()
        && !STATES.iter().any(|known| known.as_str() == state)
    {
        return Err(format!("state {state:?}: expected one of {}", STATES.map(FindingState::as_str).join(", ")));
    }
    if let Some(pipeline) = wanted.pipeline.as_deref()
        && !shared.service.pipelines().iter().any(|known| known.id == pipeline)
    {
        return Err(format!("pipeline {pipeline:?} is not known: /v1/pipelines has all"));
    }
    Ok(())
}
