//! The components allowed in each pipeline.

use super::*;

/// Returns a file with these lists in a pipeline, and all components defined.
fn standing(pipelines: &str, more: &str) -> String {
    format!(
        "receivers: {{otlp: {{protocols: {{grpc: }}}}}}\nconnectors: {{performance: }}\nservice:\n  pipelines:\n    \
         {pipelines}\n{more}"
    )
}

#[test]
fn channels_tell_findings_and_nothing_else() {
    let slack = "exporters: {slack: {url: \"https://hooks.example/x\"}}\n";
    let config = good(&standing(
        "{traces: {receivers: [otlp], exporters: [performance]}, logs/alerts: {receivers: [performance], exporters: [slack]}}",
        slack,
    ));
    assert_eq!(config.channels[0].kind, ChannelKind::Slack);
    assert!(config.channels[0].send_resolved);
    for wrong in [
        "{logs: {receivers: [otlp], exporters: [slack]}}",
        "{metrics: {receivers: [performance, otlp], exporters: [slack]}}",
        "{logs/alerts: {receivers: [performance, otlp], exporters: [slack]}}",
    ] {
        assert_eq!(
            faults(&standing(wrong, slack)),
            ["c.yaml:5: service.pipelines.".to_owned()
                + wrong[1..].split(':').next().unwrap_or_default()
                + ".exporters: \"slack\" sends findings; expected it in a pipeline of its own, \
                   `logs/alerts: {receivers: [performance], exporters: [slack]}`"]
        );
    }
}

#[test]
fn every_exporter_gets_what_it_can_send() {
    let told = faults(&standing(
        "{traces: {receivers: [otlp], exporters: [prometheus, performance]}, metrics: {receivers: [performance], exporters: [debug]}}",
        "exporters: {prometheus: , debug: }\n",
    ));
    assert_eq!(
        told,
        [
            "c.yaml:5: service.pipelines.traces.exporters: \"prometheus\" only accepts metrics, and this is a pipeline of \
             traces",
        ]
    );
}

#[test]
fn an_exporter_is_fed_by_the_receivers_of_its_pipelines() {
    let text = "\
receivers: {otlp: {protocols: {grpc: }}, otlp/b: {protocols: {http: }}}
exporters: {otlp_http/a: {endpoint: \"http://a:4318\"}, otlp_http/b: {endpoint: \"http://b:4318\"}, prometheus: }
connectors: {performance: }
service:
  pipelines:
    traces/a: {receivers: [otlp], exporters: [otlp_http/a, performance]}
    traces/b: {receivers: [otlp, otlp/b], exporters: [otlp_http/b, performance]}
    metrics/a: {receivers: [otlp], exporters: [prometheus, performance]}
    metrics/b: {receivers: [otlp/b], exporters: [performance]}
";
    let config = good(text);
    assert_eq!(config.targets[0].feeds, [feed(Signal::Traces)]);
    let of_both =
        Feed { signal: Signal::Traces, receivers: vec!["otlp".into(), "otlp/b".into()], ..feed(Signal::Traces) };
    assert_eq!(config.targets[1].feeds, [of_both]);
    let derived = good(&text.replace(
        "traces/a: {receivers: [otlp], exporters: [otlp_http/a, performance]}",
        "logs/a: {receivers: [performance], exporters: [otlp_http/a]}",
    ));
    assert_eq!(derived.targets[0].feeds, [Feed { receivers: vec!["performance".into()], ..feed(Signal::Logs) }]);
    let note = "c.yaml:2: exporters.prometheus: shows the metrics of all receivers, also those of \"otlp/b\", whose \
                pipelines do not name it";
    assert!(config.notes.iter().any(|told| told == note), "{:?}", config.notes);
}

#[test]
fn processors_stand_where_their_pipelines_have_them() {
    let text = |pipelines: &str| {
        standing(
            pipelines,
            "processors:
  resource: {attributes: [{key: env, value: eu, action: upsert}]}
  attributes/a: {include: {match_type: regexp, services: [\"shop.*\"]}, actions: [{pattern: \"^secret\", action: delete}]}
exporters: {otlp_http: {endpoint: \"http://a:4318\"}}
",
        )
    };
    let config = good(
        &text(
            "{traces: {receivers: [otlp], processors: [resource, attributes/a], exporters: [otlp_http, performance]}, \
         traces/b: {receivers: [otlp], processors: [batch], exporters: [otlp_http]}}",
        )
        .replace("processors:\n", "processors:\n  batch:\n"),
    );
    let through: Vec<Vec<&str>> = config.targets[0]
        .feeds
        .iter()
        .map(|feed| feed.processors.iter().map(|processor| processor.id.as_str()).collect())
        .collect();
    assert_eq!(through, [vec!["resource", "attributes/a"], vec![]]);
    assert!(
        config.notes.iter().any(|note| note.contains("the tables have the data as received")),
        "{:?}",
        config.notes
    );
}

#[test]
fn actions_that_cannot_be_meant_are_told_by_key() {
    let told = |action: &str| {
        let processors = format!(
            "processors: {{attributes: {{actions: [{action}]}}}}\nexporters: {{otlp_http: {{endpoint: \"http://a:4318\"}}}}\n"
        );
        faults(&standing(
            "{traces: {receivers: [otlp], processors: [attributes], exporters: [otlp_http]}}",
            &processors,
        ))
    };
    for (action, expected) in [
        ("{key: a, action: inset, value: 1}", "did you mean \"insert\"?"),
        ("{key: a, action: insert}", "actions[0].value: expected a value"),
        ("{key: a, action: insert, value: 1, from_attribute: b}", "from_attribute: is set together with value"),
        ("{action: update, value: 1}", "actions[0].key: expected the name of an attribute, found none"),
        ("{key: a, action: delete, value: 1}", "value: the action delete does not use it; remove it"),
        ("{key: a, action: extract, pattern: \"([0-9]+)\"}", "expected a name for each of its groups"),
        ("{key: a, action: convert}", "converted_type: expected int, double or string, found nothing"),
        ("{pattern: \"(\", action: delete}", "expected a regular expression, found \"(\": unclosed group"),
        ("{key: a, action: upsert, vlaue: 1}", "did you mean \"value\"?"),
    ] {
        let told = told(action);
        assert!(told.iter().any(|told| told.contains(expected)), "{action}: {told:?}");
    }
}

#[test]
fn a_filter_asks_for_what_the_items_of_its_pipeline_have() {
    let processors = "processors: {attributes: {include: {match_type: strict, services: [a], resources: [{key: b}]}, \
                      actions: [{key: c, action: delete}]}}\nexporters: {otlp_http: {endpoint: \"http://a:4318\"}}\n";
    let pipelines = "{traces: {receivers: [otlp], processors: [attributes], exporters: [otlp_http]}, \
                     logs: {receivers: [otlp], processors: [attributes], exporters: [otlp_http]}}";
    let expected = "c.yaml:5: service.pipelines.logs.processors: \"attributes\" matches by services, which logs do not have; \
                    expected a processor without it in this pipeline";
    assert_eq!(faults(&standing(pipelines, processors)), [expected]);
}

#[test]
fn targets_that_share_a_load_are_readers_each() {
    let text = |exporter: &str| {
        standing(
            "{traces: {receivers: [otlp], exporters: [load_balancing]}}",
            &format!("exporters: {{load_balancing: {{{exporter}}}}}\n"),
        )
    };
    let config = good(&text(
        "protocol: {otlp: {tls: {insecure: true}, timeout: 1s}}, resolver: {static: {hostnames: [\"a.example:4317\", b.example]}}",
    ));
    let told: Vec<(&str, &str)> =
        config.targets.iter().map(|target| (target.id(), otlp_of(target).endpoint.as_str())).collect();
    let expected =
        [("load_balancing@a.example:4317", "a.example:4317"), ("load_balancing@b.example:4317", "b.example:4317")];
    assert_eq!(told, expected);
    assert_eq!(otlp_of(&config.targets[1]).client.timeout, Duration::from_secs(1));
    assert_eq!(config.targets[0].feeds[0].processors[0].id, "load_balancing@a.example:4317");
    for (exporter, expected) in [
        (
            "protocol: {otlp: }, resolver: {dns: {hostname: a}, static: {hostnames: [a]}}",
            "resolver.dns: is not supported yet",
        ),
        (
            "protocol: {otlp: }, resolver: {static: {hostnames: [a, \"a:4317\"]}}",
            "hostnames[1]: \"a:4317\" is already in this list",
        ),
        (
            "protocol: {otlp_http: }, resolver: {static: {hostnames: [a]}}",
            "expected a URL such as https://otel.example:4318",
        ),
        ("protocol: {olp: }, resolver: {static: {hostnames: [a]}}", "did you mean \"otlp\"?"),
        (
            "resolver: {static: {hostnames: []}}, protocol: {otlp: }",
            "hostnames: expected at least one address, found none",
        ),
    ] {
        let told = faults(&text(exporter));
        assert!(told.len() == 1 && told[0].contains(expected), "{exporter}: {told:?}");
    }
}

#[test]
fn a_readers_bounds_and_rate_are_read() {
    let text = |queue: &str| {
        standing(
            "{traces: {receivers: [otlp], exporters: [otlp_http, performance]}}",
            &format!(
                "exporters: {{otlp_http: {{endpoint: \"http://a:4318\", sending_queue: {queue}, rate_limit: {{requests_per_second: 2.5, bytes_per_second: 1MiB}}}}}}\n"
            ),
        )
    };
    let otlp = good(&text("{num_consumers: 3, queue_size: 2GiB, sizer: bytes, age_max: 6h, on_overflow: drop_oldest}"))
        .targets;
    let queue = &otlp[0].delivery.queue;
    assert_eq!((queue.consumers, queue.bytes_max, queue.drops_oldest), (3, Some(2 << 30), true));
    assert_eq!(queue.age_max, Some(Duration::from_hours(6)));
    assert_eq!(otlp[0].rate.requests_per_second, Some(2.5));
    assert_eq!(otlp[0].rate.bytes_per_second, Some(1_048_576.0));
    let collectors =
        good(&text("{enabled: true, num_consumers: 4, queue_size: 5000, block_on_overflow: true}")).targets;
    let queue = &collectors[0].delivery.queue;
    assert_eq!((queue.consumers, queue.bytes_max, queue.drops_oldest), (4, None, false));
    let opposite = faults(&text("{age_max: 1h, block_on_overflow: true, on_overflow: drop_oldest}"));
    assert_eq!(opposite.len(), 1, "{opposite:?}");
    assert!(opposite[0].contains("block_on_overflow: contradicts on_overflow"), "{opposite:?}");
}

#[test]
fn a_sampler_before_performance_is_a_fault() {
    let told = faults(&standing(
        "{traces: {receivers: [otlp], processors: [tail_sampling], exporters: [performance]}}",
        "processors: {tail_sampling: {}}\n",
    ));
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(
        told[0].starts_with("c.yaml:5: service.pipelines.traces.processors: \"tail_sampling\" is before `performance`")
    );
    assert!(
        told[1].starts_with("c.yaml:6: processors.tail_sampling: is not supported yet; run it in a Collector behind")
    );
}

#[test]
fn every_name_is_defined_and_what_no_name_leads_to_is_noted() {
    let read = read_text(
        FILE,
        "receivers: {otlp: {protocols: {grpc: }}, otlp/b: {protocols: {http: }}}
processors: {batch: }
connectors: {performance: , performance/b: }
extensions: {health_check: }
service:
  extensions: [zpages]
  pipelines:
    trace: {receivers: [otlp]}
    traces: {receivers: [], exporters: [performance, performance]}
    logs: {receivers: [otlp], processors: [bach], exporters: [performance]}
",
        &|_| None,
    );
    assert!(read.notes.iter().any(|note| note == "c.yaml:1: receivers.otlp/b: is in no pipeline, so it is not used"));
    let started = "c.yaml:4: extensions.health_check: is not in service.extensions, so it is not started";
    assert!(read.notes.iter().any(|note| note == started), "{:#?}", read.notes);
    let told: Vec<String> = read.config.expect_err("is faulty").0.iter().map(ToString::to_string).collect();
    let expected = [
        "c.yaml:3: connectors.performance/b: \"performance\" is already configured; expected only one `performance`",
        "c.yaml:6: service.extensions: \"zpages\" is not defined under extensions; define it there, or take it out of the list",
        "c.yaml:8: service.pipelines.trace: expected traces, metrics or logs, or one with a name such as traces/shop, found \
         \"trace\"; did you mean \"traces\"?",
        "c.yaml:9: service.pipelines.traces.exporters[1]: \"performance\" is already in this list",
        "c.yaml:9: service.pipelines.traces.receivers: expected at least one receiver, found none",
        "c.yaml:10: service.pipelines.logs.processors: \"bach\" is not defined under processors; did you mean \"batch\"?",
    ];
    assert_eq!(told.iter().map(String::as_str).collect::<std::collections::BTreeSet<_>>(), expected.into());
}

#[test]
fn span_metrics_are_built_in_where_they_are_the_same() {
    let file = |settings: &str| {
        standing(
            "{traces: {receivers: [otlp], exporters: [spanmetrics]}, metrics: {receivers: [spanmetrics], exporters: [prometheus]}}",
            "exporters: {prometheus: }\n",
        )
        .replace("performance: }", &format!("spanmetrics: {settings}}}"))
    };
    let same = "{histogram: {explicit: {buckets: [2ms, 4ms, 6ms, 8ms, 10ms, 50ms, 100ms, 200ms, 400ms, 800ms, 1s, 1400ms, \
                2s, 5s, 10s, 15s]}}, metrics_flush_interval: 15s}";
    let config = good(&file(same));
    assert!(config.notes.iter().any(|note| note.contains("connectors.spanmetrics: is built in")), "{:?}", config.notes);
    let other = "{histogram: {explicit: {buckets: [1ms]}, unit: s}, dimensions: [{name: http.route}], namespace: x}";
    assert_eq!(faults(&file(other)).len(), 4);
}

#[test]
fn own_telemetry_goes_outward() {
    let config = good(&standing(
        "{traces: {receivers: [otlp], exporters: [performance]}}",
        "  telemetry:
    logs: {store: false, processors: [{batch: {schedule_delay: 1000, exporter: {otlp: {protocol: grpc, endpoint: \"b.example:4317\", insecure: true}}}}]}
    traces: {level: basic, sampler: {always_on: }, processors: [{simple: {exporter: {console: {}}}}, {simple: {exporter: {otlp: {protocol: grpc, endpoint: \"b.example:4317\", headers: {api-key: abc}}}}}]}
    metrics: {readers: [{periodic: {interval: 10000, exporter: {otlp: {protocol: grpc, endpoint: \"http://b.example:4317\"}}}}, {pull: {exporter: {prometheus: {host: localhost, port: 8888}}}}]}
    resource: {team: web}
",
    ));
    let metrics = config.telemetry.metrics_to.expect("metrics go outward");
    assert_eq!((metrics.endpoint.as_str(), metrics.interval), ("http://b.example:4317", Some(Duration::from_secs(10))));
    let logs = config.telemetry.logs_to.expect("logs go outward");
    assert_eq!((logs.endpoint.as_str(), logs.interval), ("http://b.example:4317", Some(Duration::from_secs(1))));
    assert!(!config.telemetry.logs_stored && config.telemetry.traces);
    let traces = config.telemetry.traces_to.expect("traces go outward");
    assert_eq!((traces.endpoint.as_str(), traces.interval), ("https://b.example:4317", None));
    assert_eq!(traces.headers, [("api-key".to_owned(), Secret::new("abc"))]);
    let noted = |what: &str| config.notes.iter().any(|note| note.contains(what));
    assert!(noted("traces.sampler: has no effect") && noted("exporter.console: has no effect"), "{:?}", config.notes);
    assert_eq!(config.telemetry.resource["team"], "web");
    assert!(config.notes.iter().any(|note| note.contains("pull: has no effect")), "{:?}", config.notes);
}

#[test]
fn own_telemetry_that_is_not_offered_is_a_fault() {
    let told = faults(&standing(
        "{traces: {receivers: [otlp], exporters: [performance]}}",
        "  telemetry:
    metrics: {readers: [{periodic: {exporter: {otlp: {protocol: http/protobuf, endpoint: \"http://b.example:4318\"}}}}]}
    traces: {level: verbose, processors: [{batch: {exporter: {otlp: {protocol: grpc}}}}, {periodic: {exporter: }}]}
    logs: {processors: [{batch: {delay: 5, exporter: {otlp: {protocol: grpc, endpoint: \"http://127.0.0.1:4317\"}, kafka: {}}}}]}
",
    ));
    let expected = [
        "metrics.readers[0].periodic.exporter.otlp.protocol: expected grpc",
        "traces.level: expected one of none, basic, normal, detailed",
        "traces.processors[0].batch.exporter.otlp.endpoint: ",
        "traces.processors[1].periodic: unknown key",
        "logs.processors[0].batch.delay: unknown key",
        "logs.processors[0].batch.exporter.kafka: unknown key",
        "logs.processors[0].batch.exporter.otlp.endpoint: ",
    ];
    for part in expected {
        assert!(told.iter().any(|fault| fault.contains(part)), "{part} in {told:#?}");
    }
    assert_eq!(told.len(), expected.len(), "{told:#?}");
}

#[test]
fn own_traces_are_off_where_their_level_is_none() {
    let off = good(&standing(
        "{traces: {receivers: [otlp], exporters: [performance]}}",
        "  telemetry: {traces: {level: none}}\n",
    ));
    assert!(!off.telemetry.traces && off.telemetry.logs_stored);
}
