//! All faults are reported at once, and each mistake only once.

use super::*;

const OTLP: &str = "receivers: {otlp: {protocols: {grpc: }}}\n";

#[test]
fn a_misspelt_limit_is_told_and_not_that_it_is_missing() {
    let told = faults(&performance(
        "alerting: {resources: {cpu: {warn: 70}}, errorRate: {window: 5m}}
budgets: {api: {x: {mach: \"GET /a\", limt: 1s}}}",
    ));
    let expected = [
        "c.yaml:3: connectors.performance.alerting.errorRate.warning: expected warning, critical or both, found neither",
        "c.yaml:3: connectors.performance.alerting.resources.cpu.warn: unknown key; did you mean \"warning\"?",
        "c.yaml:4: connectors.performance.budgets.api.x.mach: unknown key; did you mean \"match\"?",
        "c.yaml:4: connectors.performance.budgets.api.x.limt: unknown key; did you mean \"limit\"?",
    ];
    assert_eq!(told.len(), expected.len(), "{told:#?}");
    for fault in expected {
        assert!(told.iter().any(|other| other == fault), "{fault} in {told:#?}");
    }
}

#[test]
fn what_is_in_no_pipeline_is_noted_and_nothing_comes_of_it() {
    let text = format!(
        "{}processors: {{tail_sampling: , batch: {{timeouts: 1s}}}}
exporters:
  debug:
  otlp: {{endpoint: \"b.example:4317\", compresion: gzip}}
  prometheus: {{endpoint: \"0.0.0.0:4317\"}}
  slack: {{url: \"${{env:UNSET}}\"}}
  zipkin: {{endpoint: \"http://b.example:9411\"}}
extensions: {{health_check: , zpages: {{endpoint: \"localhost:55679\"}}}}
service: {{pipelines: {{traces: {{receivers: [otlp], exporters: [debug]}}}}}}
",
        "receivers: {otlp: {protocols: {grpc: }}, otlp/b: {protocols: {grpc: }}, jaeger: {protocols: {grpc: }}}\n"
    );
    let config = good(&text);
    assert_eq!((config.receivers.len(), config.debug.len(), config.targets.len()), (1, 1, 0));
    assert!(config.prometheus.is_empty() && config.channels.is_empty() && config.health.is_none());
    let unused = [
        (1, "receivers.otlp/b"),
        (1, "receivers.jaeger"),
        (2, "processors.tail_sampling"),
        (2, "processors.batch"),
        (5, "exporters.otlp"),
        (6, "exporters.prometheus"),
        (7, "exporters.slack"),
        (8, "exporters.zipkin"),
    ];
    let unused = unused.map(|(line, key)| format!("c.yaml:{line}: {key}: is in no pipeline, so it is not used"));
    let not_started = ["health_check", "zpages"]
        .map(|id| format!("c.yaml:9: extensions.{id}: is not in service.extensions, so it is not started"));
    for note in unused.iter().chain(&not_started) {
        assert!(config.notes.contains(note), "{note} in {:#?}", config.notes);
    }
    for begin in [
        "c.yaml:1: receivers.jaeger: there is no component of the type `jaeger` here",
        "c.yaml:2: processors.batch.timeouts: unknown key; did you mean \"timeout\"?",
        "c.yaml:5: exporters.otlp.compresion: unknown key; did you mean \"compression\"?",
        "c.yaml:7: exporters.slack.url: ",
        "c.yaml:8: exporters.zipkin: is not supported yet",
    ] {
        let is_told =
            |note: &String| note.starts_with(begin) && note.ends_with(" (this is not used, so it is not an error)");
        assert!(config.notes.iter().any(is_told), "{begin} in {:#?}", config.notes);
    }
}

#[test]
fn the_same_id_in_another_section_makes_nothing_used() {
    let config = good(&format!(
        "{OTLP}exporters: {{otlp: {{endpoint: \"b.example:4317\"}}, debug: }}\nservice: {{pipelines: {{traces: {{receivers: \
         [otlp], exporters: [debug]}}}}}}\n"
    ));
    assert!(config.targets.is_empty());
    let note = "c.yaml:2: exporters.otlp: is in no pipeline, so it is not used";
    assert!(config.notes.iter().any(|other| other == note), "{:#?}", config.notes);
}

#[test]
fn a_list_that_is_none_makes_no_further_faults() {
    let told = faults(&format!(
        "{OTLP}exporters: {{debug: }}\nservice: {{pipelines: {{traces: {{receivers: otlp, exporters: {{debug: }}}}}}}}\n"
    ));
    assert_eq!(
        told,
        [
            "c.yaml:3: service.pipelines.traces.receivers: expected a list such as [otlp], found text \"otlp\"",
            "c.yaml:3: service.pipelines.traces.exporters: expected a list, found a map of 1 keys",
        ]
    );
    let told = faults(&format!("{OTLP}exporters: {{debug: }}\nservice: {{}}\n"));
    assert_eq!(told, ["c.yaml:3: service.pipelines: is missing"]);
}

#[test]
fn a_kind_that_is_used_and_not_known_is_a_fault() {
    let told = faults(&format!(
        "{OTLP}processors: {{k8s_attributes: , foo: }}\nexporters: {{debug: , zipkin: , otlp_gprc: }}\nextensions: {{zpages: , \
         headers_setter: }}\nservice: {{extensions: [zpages, headers_setter], pipelines: {{traces: {{receivers: [otlp], \
         processors: [k8s_attributes, foo], exporters: [debug, zipkin, otlp_gprc]}}}}}}\n"
    ));
    let begins = [
        "c.yaml:2: processors.k8s_attributes: is not supported yet; run it in a Collector in front",
        "c.yaml:2: processors.foo: there is no component of the type `foo` here; supported are attributes, batch, memory_limiter, \
         resource; run it",
        "c.yaml:3: exporters.zipkin: is not supported yet; send to a Collector that has it",
        "c.yaml:3: exporters.otlp_gprc: there is no component of the type `otlp_gprc` here; did you mean `otlp_grpc`?",
        "c.yaml:4: extensions.zpages: is not supported here; remove it",
        "c.yaml:4: extensions.headers_setter: is not supported here; write fixed `headers` at the exporter",
    ];
    assert_eq!(told.len(), begins.len(), "{told:#?}");
    for (fault, begin) in told.iter().zip(begins) {
        assert!(fault.starts_with(begin), "{fault}");
    }
}

#[test]
fn it_says_where_performance_is_to_be_written() {
    let told =
        faults(&format!("{OTLP}service: {{pipelines: {{traces: {{receivers: [otlp], exporters: [performance]}}}}}}\n"));
    assert_eq!(
        told,
        ["c.yaml:2: service.pipelines.traces.exporters: \"performance\" is not defined under connectors; write \
          `connectors: {performance: }`"]
    );
    let told = faults(
        &with("connectors: {performance: }\nexporters: {otlp_grpc: {endpoint: \"b:1\", compression: snappy}}")
            .replace("[performance]", "[performance, otlp_grpc]"),
    );
    assert_eq!(
        told,
        ["c.yaml:2: exporters.otlp_grpc.compression: expected one of gzip, zstd, none, found text \"snappy\""]
    );
}

#[test]
fn limits_that_cannot_be_meant_are_told() {
    let told = faults(&performance(
        "alerting: {errorRate: {warning: 500}, resources: {cpu: {critical: 101%}}, responseTime: {warning: 1, window: 365000d}}
findings: {cache_hit_rate: {warning: 85.5, critical: 100.5, window: 32d}}
budgets: {api: {\"\": {match: \"GET /a\", limit: 1s}}}
memory: 1",
    ));
    let percent = "expected a number of percent from 0 to 100, such as 5 or 5%, found";
    let window =
        "expected a duration such as 5m, at least 1s and at most 31 d, for which `retention.hour` keeps rows, found";
    let expected = [
        format!("c.yaml:3: connectors.performance.alerting.errorRate.warning: {percent} number 500"),
        format!("c.yaml:3: connectors.performance.alerting.resources.cpu.critical: {percent} text \"101%\""),
        format!("c.yaml:3: connectors.performance.alerting.responseTime.window: {window} text \"365000d\""),
        format!("c.yaml:4: connectors.performance.findings.cache_hit_rate.critical: {percent} number 100.5"),
        format!("c.yaml:4: connectors.performance.findings.cache_hit_rate.window: {window} text \"32d\""),
        "c.yaml:5: connectors.performance.budgets.api.: expected the budget's name, which findings show, found empty text"
            .to_owned(),
        "c.yaml:6: connectors.performance.memory: expected a size such as 500kb, 2mb or 64MiB, at least 1mb, found \
         number 1"
            .to_owned(),
    ];
    assert_eq!(told.len(), expected.len(), "{told:#?}");
    for fault in expected {
        assert!(told.contains(&fault), "{fault} in {told:#?}");
    }
}

#[test]
fn limits_that_may_be_meant_otherwise_are_noted() {
    let config = good(&performance(
        "alerting: {resources: {cpu: {warning: 0.7, critical: 90}}, errorRate: {warning: 0.5%}}
findings: {cache_hit_rate: {warning: 0.85}}
budgets: {metrics: {availability: 99.9%}}
retention: {fine: 1h, minute: 2h, hour: 3h}",
    ));
    let expected = [
        "c.yaml:3: connectors.performance.alerting.resources.cpu.warning: 0.7 is 0.7 %; write 70, or 0.7% if that is meant",
        "c.yaml:4: connectors.performance.findings.cache_hit_rate.warning: 0.85 is 0.85 %; write 85, or 0.85% if that is \
         meant",
        "c.yaml:6: connectors.performance.retention.hour: availability_budget judges 30 d, of which only 3 h are kept",
    ];
    // Notes without a line are about omissions of the file.
    let of_lines: Vec<&String> = config.notes.iter().filter(|note| !note.starts_with("c.yaml: ")).collect();
    assert_eq!(of_lines, expected);
    let config = good(&performance("budgets: {metrics: {errorRate: 1%}}\nretention: {fine: 1h, minute: 2h, hour: 3h}"));
    assert!(!config.notes.iter().any(|note| note.contains("only 3 h are kept")), "{:?}", config.notes);
}
