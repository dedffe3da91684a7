//! The index template of mode `ecs`, for clusters without one, such as OpenSearch.

use super::settings::Indexes;
use serde_json::{Value, json};

/// Higher than Elasticsearch's own templates for `logs-*-*` (100), lower than those of its integrations (200).
const PRIORITY: u32 = 150;

/// Maximum characters of a text indexed as a keyword; longer texts are stored but not searchable.
const IGNORE_ABOVE: u32 = 1024;

/// Returns the template of the data streams and configured indexes, for `PUT _index_template/spanwise`.
#[must_use]
pub fn index_template(indexes: &[Indexes]) -> Value {
    let streams = ["logs-*-*", "metrics-*-*", "traces-*-*"].map(str::to_owned);
    let own = indexes.iter().flat_map(|indexes| [&indexes.logs, &indexes.metrics, &indexes.traces]).flatten().cloned();
    let mut patterns: Vec<String> = streams.into_iter().chain(own).collect();
    let mut seen = std::collections::HashSet::new();
    patterns.retain(|pattern| seen.insert(pattern.clone()));
    let keyword = json!({"type": "keyword", "ignore_above": IGNORE_ABOVE});
    json!({
        "index_patterns": patterns,
        "data_stream": {},
        "priority": PRIORITY,
        "template": {
            "settings": {"index": {"mapping": {"total_fields": {"limit": 5000}}}},
            "mappings": {
                "date_detection": false,
                "dynamic_templates": [
                    {"strings": {"match_mapping_type": "string", "mapping": keyword}},
                ],
                "properties": {
                    "@timestamp": {"type": "date_nanos"},
                    "message": {"type": "text"},
                    "data_stream": {"properties": {
                        "type": keyword, "dataset": keyword, "namespace": keyword,
                    }},
                    "trace": {"properties": {"id": keyword}},
                    "span": {"properties": {"id": keyword, "name": keyword, "kind": keyword}},
                    "parent": {"properties": {"id": keyword}},
                    "log": {"properties": {"level": keyword}},
                    "event": {"properties": {
                        "severity": {"type": "long"}, "duration": {"type": "long"}, "outcome": keyword, "action": keyword,
                    }},
                    "error": {"properties": {
                        "message": {"type": "text"}, "type": keyword,
                        "stacktrace": {"type": "keyword", "index": false, "doc_values": false},
                    }},
                    "service": {"properties": {
                        "name": keyword, "version": keyword, "environment": keyword, "node": {"properties": {"name": keyword}},
                    }},
                    "host": {"properties": {"name": keyword, "hostname": keyword}},
                },
            },
        },
        "_meta": {"description": "Telemetry as Spanwise's exporter elasticsearch writes it in mapping mode ecs"},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_is_for_data_streams_and_for_indexes_of_the_users_own() {
        let own = |name: &str| Indexes { logs: Some(name.into()), ..Indexes::default() };
        let template = index_template(&[own("my-logs"), own("my-logs"), own("logs-*-*")]);
        assert_eq!(template["index_patterns"], json!(["logs-*-*", "metrics-*-*", "traces-*-*", "my-logs"]));
        let properties = &template["template"]["mappings"]["properties"];
        assert_eq!(properties["@timestamp"], json!({"type": "date_nanos"}), "what a data stream needs");
        assert_eq!(properties["trace"]["properties"]["id"]["type"], "keyword");
    }
}
