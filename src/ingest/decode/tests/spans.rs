use super::*;
use opentelemetry_proto::tonic::trace::v1::Status;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use serde_json::json;

fn with(attributes: &[(&str, AnyValue)]) -> Json {
    let attributes = attributes.iter().map(|(key, value)| attribute(key, value.clone())).collect();
    rows(&decode_spans(vec![Span { attributes, ..span() }]), "spans").remove(0)
}

fn rejected(spans: Vec<Span>) -> (Vec<u32>, String) {
    let decoded = decode_spans(spans);
    (decoded.rejected.items, decoded.rejected.message)
}

#[test]
fn every_column_of_a_full_span_is_right() {
    let full = Span {
        parent_span_id: vec![0xab; 8],
        kind: 2,
        trace_state: "vendor=1,ot=rv:01234567890123;th:8".into(),
        status: Some(Status { message: "broken".into(), code: 2 }),
        attributes: vec![
            attribute("http.request.method", string("GET")),
            attribute("http.route", string("/p/{id}")),
            attribute("http.response.status_code", number(503)),
            attribute("own", AnyValue { value: Some(Value::DoubleValue(0.5)) }),
        ],
        ..span()
    };
    let decoded = decode_spans(vec![full]);
    assert_eq!((decoded.items, decoded.rejected.items.len()), (1, 0));
    assert_eq!(
        rows(&decoded, "spans")[0],
        json!({
            "trace_id": "0102030405060708090a0b0c0d0e0f10", "span_id": "f1f2f3f4f5f6f7f8",
            "parent_span_id": "abababababababab", "name": "work", "kind": "SERVER", "status_code": "ERROR",
            "status_message": "broken", "service_name": "shop", "scope_name": "lib", "scope_version": "1.2",
            "start_time": "2020-09-13T12:26:40Z", "start_time_unix_nano": 1_600_000_000_000_000_001_i64,
            "end_time_unix_nano": 1_600_000_000_001_500_001_i64, "duration_ms": 1.5, "operation": "GET /p/{id}",
            "error": true, "server_error": true, "sampled_weight": 2.0, "http_route": "/p/{id}", "http_request_method": "GET",
            "http_response_status_code": 503, "trace_state": "vendor=1,ot=rv:01234567890123;th:8",
            "attributes": {"own": "0.5"}, "resource_attributes": {"host.name": "h1"},
            "received_time": "2023-11-14T22:13:20Z",
        })
    );
}

#[test]
fn a_bare_span_has_defaults_and_nulls() {
    let bare = Span { name: String::new(), ..span() };
    let request = ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            scope_spans: vec![ScopeSpans { spans: vec![bare], ..ScopeSpans::default() }],
            ..ResourceSpans::default()
        }],
    };
    let row = rows(&decode(Signal::Traces, &request), "spans").remove(0);
    assert_eq!(row["service_name"], "unknown_service");
    assert_eq!((&row["name"], &row["operation"], &row["kind"]), (&json!(""), &json!(""), &json!("INTERNAL")));
    assert_eq!(
        (&row["status_code"], &row["error"], &row["sampled_weight"]),
        (&json!("UNSET"), &json!(false), &json!(1.0))
    );
    assert_eq!((&row["attributes"], &row["resource_attributes"]), (&json!({}), &json!({})));
    assert!(["parent_span_id", "scope_name", "status_message", "trace_state"].iter().all(|key| row.get(key).is_none()));
}

#[test]
fn the_statement_of_a_database_call_is_a_column_without_its_literals() {
    for (attributes, expected) in [
        (
            &[("db.system.name", "postgresql"), ("db.query.text", "SELECT a FROM b WHERE c = 1")][..],
            "SELECT a FROM b WHERE c = ?",
        ),
        (
            &[("db.system", "mongodb"), ("db.statement", r#"{"_id":1}"#), ("db.operation", "find")],
            r#"find {"_id":"?"}"#,
        ),
        (&[("db.query.text", "/* ping */"), ("db.query.summary", "SELECT t")], "SELECT t"),
        (&[("db.operation.name", "GET"), ("db.collection.name", "carts")], "GET carts"),
    ] {
        let attributes: Vec<_> = attributes.iter().map(|(key, value)| (*key, string(value))).collect();
        assert_eq!(with(&attributes)["db_fingerprint"], expected);
    }
    for none in [&[("db.system.name", "redis")][..], &[("db.query.text", "")], &[("http.route", "/a")]] {
        let attributes: Vec<_> = none.iter().map(|(key, value)| (*key, string(value))).collect();
        assert_eq!(with(&attributes).get("db_fingerprint"), None, "{none:?}");
    }
}

#[test]
fn old_and_new_names_come_to_the_same_column() {
    for (column, names) in [
        ("http_request_method", vec!["http.request.method", "http.method"]),
        ("url_path", vec!["url.path", "http.target"]),
        ("server_address", vec!["server.address", "net.peer.name"]),
        ("db_system_name", vec!["db.system.name", "db.system"]),
        ("db_query_text", vec!["db.query.text", "db.statement"]),
        ("db_operation_name", vec!["db.operation.name", "db.operation"]),
        ("db_namespace", vec!["db.namespace", "db.name", "db.redis.database_index"]),
        ("db_collection_name", vec!["db.collection.name", "db.sql.table", "db.mongodb.collection"]),
        ("user_id", vec!["user.id", "enduser.id"]),
    ] {
        for name in names {
            let row = with(&[(name, string("v"))]);
            assert_eq!((&row[column], &row["attributes"]), (&json!("v"), &json!({})), "{name}");
        }
    }
    for name in ["http.response.status_code", "http.status_code"] {
        assert_eq!(with(&[(name, number(204))])["http_response_status_code"], 204, "{name}");
        assert_eq!(with(&[(name, string("204"))])["http_response_status_code"], 204, "{name}");
    }
    for name in ["deployment.environment.name", "deployment.environment"] {
        let mut request = spans_request(vec![span()]);
        request.resource_spans[0].resource = resource(vec![attribute(name, string("prod"))]);
        assert_eq!(
            rows(&decode(Signal::Traces, &request), "spans")[0]["deployment_environment_name"],
            "prod",
            "{name}"
        );
    }
}

#[test]
fn today_s_name_wins_in_any_order_and_the_old_one_stays_an_attribute() {
    for attributes in [
        [("db.query.text", string("new")), ("db.statement", string("old"))],
        [("db.statement", string("old")), ("db.query.text", string("new"))],
    ] {
        let row = with(&attributes);
        assert_eq!((&row["db_query_text"], &row["attributes"]), (&json!("new"), &json!({"db.statement": "old"})));
    }
}

#[test]
fn what_does_not_fit_its_column_stays_an_attribute() {
    let row = with(&[("http.response.status_code", string("teapot"))]);
    assert_eq!(row.get("http_response_status_code"), None);
    assert_eq!(row["attributes"], json!({"http.response.status_code": "teapot"}));
    let row = with(&[("http.response.status_code", string("teapot")), ("http.status_code", number(418))]);
    assert_eq!(row["http_response_status_code"], 418, "an older name that fits");
}

#[test]
fn a_resource_s_attribute_is_not_taken_from_the_span() {
    let row = with(&[("service.name", string("other"))]);
    assert_eq!((&row["service_name"], &row["attributes"]), (&json!("shop"), &json!({"service.name": "other"})));
}

#[test]
fn the_query_is_cut_off_the_old_target_and_kept_among_the_attributes() {
    let row = with(&[("http.target", string("/a?q=1"))]);
    assert_eq!((&row["url_path"], &row["attributes"]), (&json!("/a"), &json!({"http.target": "/a?q=1"})));
}

#[test]
fn values_that_are_not_text_are_json() {
    let list = AnyValue { value: Some(Value::ArrayValue(ArrayValue { values: vec![number(1), string("a")] })) };
    let map = KeyValueList { values: vec![attribute("k", AnyValue { value: Some(Value::BoolValue(true)) })] };
    let row = with(&[
        ("list", list),
        ("map", AnyValue { value: Some(Value::KvlistValue(map)) }),
        ("int", number(-7)),
        ("bytes", AnyValue { value: Some(Value::BytesValue(b"foobar!".to_vec())) }),
        ("nan", AnyValue { value: Some(Value::DoubleValue(f64::NAN)) }),
    ]);
    // "Zm9vYmFyIQ==" is RFC 4648's example "foobar" with one byte more.
    let expected =
        json!({"list": "[1,\"a\"]", "map": "{\"k\":true}", "int": "-7", "bytes": "Zm9vYmFyIQ==", "nan": "NaN"});
    assert_eq!(row["attributes"], expected);
}

#[test]
fn an_operation_is_the_best_name_there_is() {
    let named = |attributes: &[(&str, &str)], name: &str| {
        let attributes = attributes.iter().map(|(key, value)| attribute(key, string(value))).collect();
        let span = Span { name: name.into(), attributes, ..span() };
        rows(&decode_spans(vec![span]), "spans")[0]["operation"].as_str().expect("text").to_owned()
    };
    assert_eq!(named(&[("http.method", "GET"), ("http.route", "/a/{id}")], "n"), "GET /a/{id}");
    assert_eq!(named(&[("rpc.service", "S"), ("rpc.method", "m")], "n"), "S/m");
    assert_eq!(named(&[("rpc.method", "p.S/m")], "n"), "p.S/m");
    assert_eq!(named(&[("messaging.destination.name", "orders")], "orders process"), "orders");
    assert_eq!(named(&[], "n"), "n");
    assert_eq!(named(&[("http.request.method", "GET"), ("url.path", "/users/7")], "GET /users/7"), "GET");
    assert_eq!(named(&[("http.request.method", "GET"), ("url.path", "/")], "GET /"), "GET /");
}

/// The trace API defines that OK is final; the HTTP and gRPC conventions define which responses are server errors.
#[test]
fn a_status_is_final_and_without_one_the_answer_counts() {
    let (server, client, consumer) = (2, 3, 5);
    let (unset, ok, error) = (0, 1, 2);
    let http = |status: i64| attribute("http.status_code", number(status));
    let grpc = |code: &str| attribute("rpc.response.status_code", string(code));
    for (kind, code, attributes, expected) in [
        (server, unset, vec![http(500)], (true, true)),
        (server, unset, vec![http(599)], (true, true)),
        (server, unset, vec![http(499)], (false, false)),
        (server, unset, vec![http(600)], (false, false)),
        (server, unset, vec![attribute("http.response.status_code", string("503"))], (true, true)),
        (server, unset, vec![], (false, false)),
        (server, ok, vec![http(503)], (false, false)),
        (server, ok, vec![grpc("UNAVAILABLE")], (false, false)),
        (server, error, vec![http(503)], (true, true)),
        (server, error, vec![http(200)], (true, false)),
        (server, error, vec![], (true, false)),
        (server, unset, vec![attribute("rpc.grpc.status_code", number(14)), http(200)], (true, true)),
        (server, unset, vec![grpc("DATA_LOSS")], (true, true)),
        (server, unset, vec![grpc("NOT_FOUND")], (false, false)),
        (server, error, vec![grpc("5")], (true, false)),
        (client, unset, vec![http(503)], (false, false)),
        (client, error, vec![http(503)], (true, false)),
        (consumer, unset, vec![http(503)], (false, false)),
    ] {
        let told = format!("kind {kind}, status {code}, {attributes:?}");
        let status = Some(Status { code, ..Status::default() });
        let row = rows(&decode_spans(vec![Span { kind, attributes, status, ..span() }]), "spans").remove(0);
        assert_eq!((&row["error"], &row["server_error"]), (&json!(expected.0), &json!(expected.1)), "{told}");
    }
}

/// A clock that jumps back must not lose requests.
#[test]
fn a_span_that_ends_before_it_starts_took_no_time() {
    for (start, end) in [(20, 10), (20, 0), (i64::MAX.cast_unsigned(), 1)] {
        let decoded = decode_spans(vec![Span { start_time_unix_nano: start, end_time_unix_nano: end, ..span() }]);
        let row = rows(&decoded, "spans").remove(0);
        assert_eq!((decoded.items, decoded.rejected.items.len(), &row["duration_ms"]), (1, 0, &json!(0.0)));
        assert_eq!((&row["start_time_unix_nano"], &row["end_time_unix_nano"]), (&json!(start), &json!(end)));
    }
}

#[test]
fn an_attribute_that_is_there_twice_has_its_first_value_everywhere() {
    let twice = |key: &str| [attribute(key, string("first")), attribute(key, string("second"))];
    let map = KeyValueList { values: twice("k").to_vec() };
    let nested = AnyValue { value: Some(Value::KvlistValue(map)) };
    let mut attributes = [twice("http.route"), twice("own")].concat();
    attributes.push(attribute("map", nested));
    let event = Event { attributes: twice("e").to_vec(), ..Event::default() };
    let mut request = spans_request(vec![Span { attributes, events: vec![event], ..span() }]);
    request.resource_spans[0].resource =
        resource([twice("service.name"), twice("host.name")].into_iter().flatten().collect());
    let decoded = decode(Signal::Traces, &request);
    let row = rows(&decoded, "spans").remove(0);
    assert_eq!((&row["http_route"], &row["service_name"]), (&json!("first"), &json!("first")));
    assert_eq!(row["attributes"], json!({"own": "first", "map": "{\"k\":\"first\"}"}));
    assert_eq!(row["resource_attributes"], json!({"host.name": "first"}));
    assert_eq!(rows(&decoded, "span_events")[0]["attributes"], json!({"e": "first"}));
    let forwarded = ExportTraceServiceRequest::decode(forwarded(request.encode_to_vec().into())).expect("is protobuf");
    let sent = &forwarded.resource_spans[0].scope_spans[0].spans[0];
    assert_eq!(sent.attributes.len(), 3);
    assert_eq!(forwarded.resource_spans[0].resource.as_ref().map(|resource| resource.attributes.len()), Some(2));
    assert_eq!(sent.events[0].attributes, [attribute("e", string("first"))]);
}

#[test]
fn a_service_whose_name_is_empty_has_none() {
    let mut request = spans_request(vec![span()]);
    request.resource_spans[0].resource =
        resource(vec![attribute("service.name", string("")), attribute("host.name", string(""))]);
    let row = rows(&decode(Signal::Traces, &request), "spans").remove(0);
    assert_eq!(
        (&row["service_name"], &row["resource_attributes"]),
        (&json!("unknown_service"), &json!({"host.name": ""}))
    );
    let forwarded = ExportTraceServiceRequest::decode(forwarded(request.encode_to_vec().into())).expect("is protobuf");
    let resource = forwarded.resource_spans[0].resource.as_ref().expect("a resource");
    assert_eq!(resource.attributes, [attribute("host.name", string(""))]);
}

#[test]
fn events_and_links_have_rows() {
    let full = Span {
        events: vec![Event {
            time_unix_nano: 1_600_000_000_000_000_500,
            name: "exception".into(),
            attributes: vec![attribute("exception.type", string("E"))],
            ..Event::default()
        }],
        links: vec![Link { trace_id: vec![0xaa; 16], span_id: vec![0xbb; 8], ..Link::default() }],
        ..span()
    };
    let decoded = decode_spans(vec![full, span()]);
    let ids = ("0102030405060708090a0b0c0d0e0f10", "f1f2f3f4f5f6f7f8");
    assert_eq!(
        rows(&decoded, "span_events"),
        [json!({"trace_id": ids.0, "span_id": ids.1, "service_name": "shop", "time": "2020-09-13T12:26:40Z",
            "time_unix_nano": 1_600_000_000_000_000_500_i64, "name": "exception", "attributes": {"exception.type": "E"}})]
    );
    assert_eq!(
        rows(&decoded, "span_links"),
        [json!({"trace_id": ids.0, "span_id": ids.1, "service_name": "shop", "linked_trace_id": "aa".repeat(16),
            "linked_span_id": "bb".repeat(8), "attributes": {}})]
    );
}

#[test]
fn a_bad_span_is_refused_and_the_good_ones_are_kept() {
    let place = "resourceSpans[0].scopeSpans[0].spans[1]";
    for (bad, reason) in [
        (Span { trace_id: vec![1; 15], ..span() }, "traceId: expected 16 bytes, found 15"),
        (Span { trace_id: vec![], ..span() }, "traceId: expected 16 bytes, found 0"),
        (Span { trace_id: vec![0; 16], ..span() }, "traceId: expected 16 bytes that are not all zero, found zeros"),
        (Span { span_id: vec![1; 9], ..span() }, "spanId: expected 8 bytes, found 9"),
        (Span { span_id: vec![0; 8], ..span() }, "spanId: expected 8 bytes that are not all zero, found zeros"),
        (Span { parent_span_id: vec![1; 4], ..span() }, "parentSpanId: expected 8 bytes or none, found 4"),
        (
            Span { start_time_unix_nano: 0, end_time_unix_nano: 0, ..span() },
            "startTimeUnixNano: expected the time of the start or the end, found none",
        ),
        (
            Span { start_time_unix_nano: u64::MAX, ..span() },
            "startTimeUnixNano: expected at most 9223372036854775807, found 18446744073709551615",
        ),
        (
            Span { end_time_unix_nano: u64::MAX, ..span() },
            "endTimeUnixNano: expected at most 9223372036854775807, found 18446744073709551615",
        ),
    ] {
        let decoded = decode_spans(vec![span(), bad, span()]);
        assert_eq!((decoded.items, rows(&decoded, "spans").len()), (2, 2));
        assert_eq!(decoded.rejected.items, [1]);
        assert_eq!(decoded.rejected.message, format!("1 of 3 spans rejected: {place}.{reason}"));
    }
}

#[test]
fn the_first_five_reasons_are_told_and_all_are_counted() {
    let bad = Span { span_id: vec![], ..span() };
    let (items, message) = rejected(vec![bad; 7]);
    assert_eq!(items, [0, 1, 2, 3, 4, 5, 6]);
    assert!(message.starts_with("7 of 7 spans rejected: resourceSpans[0].scopeSpans[0].spans[0].spanId"), "{message}");
    assert!(message.contains("spans[4].") && !message.contains("spans[5]."), "{message}");
    assert!(message.ends_with("; and 2 more"), "{message}");
    assert!(decode_spans(vec![Span { span_id: vec![], ..span() }]).tables.is_empty());
}

#[test]
fn a_parent_of_zeros_is_none() {
    assert_eq!(
        rows(&decode_spans(vec![Span { parent_span_id: vec![0; 8], ..span() }]), "spans")[0].get("parent_span_id"),
        None
    );
}

#[test]
fn a_user_s_promoted_columns_are_filled() {
    let mut tables = schemas::builtin().unwrap_or_else(|faults| panic!("{faults}"));
    let own = schemas::parse(
        "spans.yaml",
        "table: spans\nkind: signal\ndoc: d\ncolumns:\n  - {name: tenant, type: string, from: [tenant.id, resource:tenant.id, scope:tenant.id], doc: d}\n",
    );
    tables[0].columns.extend(own.unwrap_or_else(|faults| panic!("{faults}")).columns);
    let decoder = Decoder::new(&tables);
    let tenant = || vec![attribute("tenant.id", string("t"))];
    let of = |request: &ExportTraceServiceRequest| {
        let result = decoder.decode(Signal::Traces, Encoding::Protobuf, &request.encode_to_vec().into(), RECEIVED);
        rows(&result.expect("decodes"), "spans").remove(0)
    };
    let on_span = of(&spans_request(vec![Span { attributes: tenant(), ..span() }]));
    assert_eq!((&on_span["tenant"], &on_span["attributes"]), (&json!("t"), &json!({})));
    let mut request = spans_request(vec![span()]);
    request.resource_spans[0].resource = resource(tenant());
    let on_resource = of(&request);
    assert_eq!((&on_resource["tenant"], &on_resource["resource_attributes"]), (&json!("t"), &json!({})));
    let mut request = spans_request(vec![span()]);
    request.resource_spans[0].scope_spans[0].scope =
        Some(InstrumentationScope { attributes: tenant(), ..InstrumentationScope::default() });
    assert_eq!(of(&request)["tenant"], "t");
}

#[test]
fn the_exception_recorded_last_stands_in_the_span_wherever_it_was_sent() {
    let event = |name: &str, attributes: &[(&str, &str)]| Event {
        name: name.into(),
        attributes: attributes.iter().map(|(key, value)| attribute(key, string(value))).collect(),
        ..Event::default()
    };
    let of = |events: Vec<Event>, attributes: &[(&str, &str)]| {
        let attributes = attributes.iter().map(|(key, value)| attribute(key, string(value))).collect();
        let row = rows(&decode_spans(vec![Span { events, attributes, ..span() }]), "spans").remove(0);
        (row.get("exception_type").cloned(), row.get("exception_message").cloned())
    };
    let handled = event("exception", &[("exception.type", "Handled"), ("exception.message", "tried again")]);
    let last = event("exception", &[("exception.type", "Fatal"), ("exception.message", "gave up")]);
    let other = event("retry", &[("attempt", "2")]);
    let own = [("exception.type", "Own")];
    assert_eq!(of(vec![handled, last, other.clone()], &own), (Some(json!("Fatal")), Some(json!("gave up"))));
    assert_eq!(of(vec![other], &own), (Some(json!("Own")), None));
    // From an older bridge, which uses the sender's event name.
    assert_eq!(of(vec![event("error", &[("exception.message", "odd")])], &[]), (None, Some(json!("odd"))));
    assert_eq!(of(vec![event("exception", &[("exception.type", "")])], &[]), (None, None));
    let long = "ä".repeat(5000);
    let (_, message) = of(vec![event("exception", &[("exception.message", &long)])], &[]);
    assert_eq!(message, Some(json!("ä".repeat(1000))));
}
