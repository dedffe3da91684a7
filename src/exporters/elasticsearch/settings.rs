//! Settings of `exporters.elasticsearch`.

use crate::delivery::settings::{ClientSettings, Secret};

/// Mapping of telemetry to documents: `mapping.mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Names of the Elastic Common Schema, as nested objects.
    Ecs,
    /// OTLP's own structure.
    #[default]
    Otel,
}

/// How we authenticate to a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Login {
    /// Not at all, or with a header set by the user.
    #[default]
    None,
    /// A user and a password.
    User(String, Secret),
    /// An API key in its encoded form.
    ApiKey(Secret),
}

/// Index or data stream of each signal; if `None`, each document is routed by its attributes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Indexes {
    /// For logs, and for span events in mode `otel`.
    pub logs: Option<String>,
    /// For data points.
    pub metrics: Option<String>,
    /// For spans.
    pub traces: Option<String>,
}

/// What an item's attributes may set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Named {
    /// For logs, the document's id: `elasticsearch.document_id`.
    pub logs_id: bool,
    /// For spans, the same.
    pub traces_id: bool,
    /// For logs, the ingest pipeline: `elasticsearch.ingest_pipeline`.
    pub logs_pipeline: bool,
}

/// An Elasticsearch or OpenSearch cluster.
#[derive(Debug, Clone)]
pub struct ElasticsearchSettings {
    /// Its nodes, used in turn.
    pub endpoints: Vec<String>,
    /// How we authenticate.
    pub login: Login,
    /// Client settings.
    pub client: ClientSettings,
    /// Mapping mode.
    pub mode: Mode,
    /// Destinations.
    pub indexes: Indexes,
    /// The ingest pipeline for all documents.
    pub pipeline: Option<String>,
    /// What attributes may set.
    pub named: Named,
    /// Gives documents ids, so that a document sent twice is stored once.
    pub deduplicates: bool,
    /// Maximum bytes per request (before compression), unless a single document is larger.
    pub bytes_max: usize,
}
