//! Settings of `exporters.elasticsearch`.

use crate::delivery::settings::{ClientSettings, Secret};

/// How telemetry becomes documents: `mapping.mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Names of the Elastic Common Schema, as nested objects.
    Ecs,
    /// OTLP's own structure.
    #[default]
    Otel,
}

/// How a cluster knows us.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Login {
    /// Not at all, or by a header of the user's.
    #[default]
    None,
    /// A user and a password.
    User(String, Secret),
    /// An API key in its encoded form.
    ApiKey(Secret),
}

/// Index or data stream of each signal; where there is none, each document goes the way that its attributes name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Indexes {
    /// Of logs, and of spans' events in mode `otel`.
    pub logs: Option<String>,
    /// Of data points.
    pub metrics: Option<String>,
    /// Of spans.
    pub traces: Option<String>,
}

/// What an item's attributes may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Named {
    /// Of logs, the document's id: `elasticsearch.document_id`.
    pub logs_id: bool,
    /// Of spans, the same.
    pub traces_id: bool,
    /// Of logs, the ingest pipeline: `elasticsearch.ingest_pipeline`.
    pub logs_pipeline: bool,
}

/// An Elasticsearch or OpenSearch.
#[derive(Debug, Clone)]
pub struct ElasticsearchSettings {
    /// Its nodes, asked in turn.
    pub endpoints: Vec<String>,
    /// How it knows us.
    pub login: Login,
    /// How requests are made.
    pub client: ClientSettings,
    /// How documents are made.
    pub mode: Mode,
    /// Where they go.
    pub indexes: Indexes,
    /// The ingest pipeline that all of them pass.
    pub pipeline: Option<String>,
    /// What attributes may name.
    pub named: Named,
    /// Documents get ids of their own, so that one that is sent again is not stored again.
    pub deduplicates: bool,
    /// A request holds no more bytes than this (before compression), unless one document alone has more.
    pub bytes_max: usize,
}
