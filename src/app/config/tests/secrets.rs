//! Secrets are in no message, and are used exactly as written.

use super::*;

const SECRET: &str = "s3cret_value_of_the_user";

/// Returns a file with `more` in its first line.
fn file(more: &str) -> String {
    format!(
        "{more}\nconnectors: {{performance: }}\nservice: {{extensions: [sql], pipelines: {{logs: {{receivers: [otlp], \
         exporters: [performance, otlp_grpc, otlp_http]}}, logs/alerts: {{receivers: [performance], exporters: [slack]}}}}}}\n"
    )
}

#[test]
fn secrets_are_in_no_message_wherever_they_stand() {
    // The secret is in one place at a time, so that it is not masked only because another place made it known.
    let grpc = |inner: &str| format!("receivers: {{otlp: {{protocols: {{grpc: {inner}}}}}}}");
    let places = [
        "exporters: {slack: SECRET}".to_owned(),
        "exporters: {slack: \"https://hooks.slack.example/services/T0/B0/SECRET\"}".to_owned(),
        "exporters: {slack: \"${env:SLACK_HOOK}\"}".to_owned(),
        "exporters: {slack: \"a${SECRET}b\"}".to_owned(),
        "exporters: {slack: {url: SECRET}}".to_owned(),
        "exporters: {slack: {url: [SECRET]}}".to_owned(),
        "exporters: {slack: {url:https://hooks.slack.example/SECRET, timeout: 5s}}".to_owned(),
        "exporters: {otlp_grpc: {endpoint: \"${env:API_KEY}\"}}".to_owned(),
        "exporters: {otlp_grpc: {endpoint: \"b.example/?key=SECRET\"}}".to_owned(),
        "exporters: {otlp_grpc: {endpoint: \"user:SECRET@b.example:1\"}}".to_owned(),
        "exporters: {otlp_grpc: {endpoint: \"b.example/?a=${SECRET}\"}}".to_owned(),
        "exporters: {otlp_grpc: {endpoint: \"b:1\", headers: SECRET}}".to_owned(),
        "exporters: {otlp_grpc: {endpoint: \"b:1\", headers: [SECRET]}}".to_owned(),
        "exporters: {otlp_grpc: {endpoint: \"b:1\", headers: {authorization:SECRET}}}".to_owned(),
        "exporters: {otlp_grpc: {endpoint: \"b:1\", tls: SECRET}}".to_owned(),
        "exporters: {otlp_grpc: {endpoint: \"b:1\", timeout: \"${env:MY_TOKEN}\"}}".to_owned(),
        "exporters: {otlp_http: {traces_endpoint: \"b.example?key=SECRET\"}}".to_owned(),
        "extensions: {sql: {http: SECRET}}".to_owned(),
        "extensions: {sql: {auth_token: [SECRET]}}".to_owned(),
        "extensions: {sql: {password: {a: SECRET}}}".to_owned(),
        grpc("{endpoint: \"x:SECRET@y\"}"),
        grpc("{auth_token: \"a${9SECRET}b\"}"),
        grpc("{auth_token: \"a${SECRET}b\"}"),
        grpc("{auth_token: \"a${SECRET:x}b\"}"),
        grpc("{auth_token: \"a${env:B:-${SECRET}}b\"}"),
        grpc("SECRET"),
    ];
    for place in places {
        let text = file(&place.replace("SECRET", SECRET));
        let set = |name: &str| ["SLACK_HOOK", "API_KEY", "MY_TOKEN"].contains(&name).then(|| SECRET.to_owned());
        let told = faults_with(&text, &set);
        let of_the_place: Vec<&String> = told.iter().filter(|fault| fault.starts_with("c.yaml:1: ")).collect();
        assert!(!of_the_place.is_empty(), "{place}: {told:#?}");
        assert!(!told.iter().any(|fault| fault.contains(SECRET)), "{place}: {told:#?}");
    }
}

#[test]
fn secrets_are_in_no_debug_text() {
    let config = good(
        "exporters:\n  slack: {url: \"https://hooks.example/s3cret\"}\n  otlp_grpc: {endpoint: \"b.example:4317\", headers: {k: s3cret}}\n\
         extensions: {sql: {auth_token: s3cret, password: s3cret}}\n\
         receivers:\n  otlp: {protocols: {grpc: {auth_token: s3cret}, http: {auth_token: s3cret}}}\n\
         service:\n  extensions: [sql]\n  pipelines:\n    logs: {receivers: [otlp], exporters: [otlp_grpc]}\n    \
         logs/alerts: {receivers: [performance], exporters: [slack]}\nconnectors: {performance: }\n",
    );
    assert!(!format!("{config:?}").contains("s3cret"));
    assert_eq!(config.channels[0].url.reveal(), "https://hooks.example/s3cret");
}

#[test]
fn a_variable_that_is_not_set_is_one_fault() {
    let told = faults(
        &with("connectors: {performance: }\nexporters: {slack: {url: \"${env:SLACK}\"}}")
            .replace("traces:", "logs/alerts: {receivers: [performance], exporters: [slack]}\n    traces:"),
    );
    assert_eq!(
        told,
        ["c.yaml:2: exporters.slack.url: the environment variable SLACK is not set; set it, or write \
          `${env:SLACK:-default}`"]
    );
}

#[test]
fn secrets_and_labels_are_taken_as_they_are_written() {
    let config = good(
        "receivers: {otlp: {protocols: {grpc: {auth_token: 007}, http: {auth_token: 1.10}}}}\n\
         exporters:\n  otlp_grpc: {endpoint: \"b.example:4317\", headers: {a: 00123456, b: 12345e3, c: 0x1F, d: True}}\n  \
         prometheus: {const_labels: {version: 1.10, zip: 01234}}\n\
         service: {pipelines: {metrics: {receivers: [otlp], exporters: [otlp_grpc, prometheus]}}}\n",
    );
    let receiver = &config.receivers[0];
    assert_eq!(receiver.grpc.as_ref().and_then(|(_, grpc)| grpc.auth_token.as_ref().map(Secret::reveal)), Some("007"));
    assert_eq!(receiver.http.as_ref().and_then(|(_, http)| http.auth_token.as_ref().map(Secret::reveal)), Some("1.10"));
    let headers: Vec<&str> =
        otlp_of(&config.targets[0]).client.headers.iter().map(|(_, value)| value.reveal()).collect();
    assert_eq!(headers, ["00123456", "12345e3", "0x1F", "True"]);
    let labels = &config.prometheus[0].1.const_labels;
    assert_eq!((labels["version"].as_str(), labels["zip"].as_str()), ("1.10", "01234"));
}

#[test]
fn secrets_may_stand_in_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("token");
    let text = |path: &Path| {
        with("connectors: {performance: }")
            .replace("{grpc: }", &format!("{{grpc: {{auth_token: \"${{file:{}}}\"}}}}", path.display()))
    };
    for (content, expected) in [("0070\n", "0070"), ("a b\r\n", "a b"), ("plain", "plain")] {
        std::fs::write(&path, content).expect("written");
        let config = good(&text(&path));
        let token = config.receivers[0].grpc.as_ref().and_then(|(_, grpc)| grpc.auth_token.clone());
        assert_eq!(token.as_ref().map(Secret::reveal), Some(expected));
    }
    std::fs::write(&path, "two\nlines-of-a-secret\n").expect("written");
    let told = faults(&text(&path));
    assert_eq!(
        told,
        [
            "c.yaml:2: receivers.otlp.protocols.grpc.auth_token: expected one line of text, found a control character such \
          as a line break in it"
        ]
    );
    let told = faults(&text(&folder.path().join("absent")));
    assert_eq!(told.len(), 1, "{told:?}");
    let begins =
        format!("c.yaml:2: receivers.otlp.protocols.grpc.auth_token: the file \"{}/absent\"", folder.path().display());
    assert!(told[0].starts_with(&begins) && told[0].contains("cannot be read: No such file"), "{told:?}");
    // The contents of a file are secret wherever they are used.
    std::fs::write(&path, "s3cret-of-a-file").expect("written");
    let told = faults(&text(&path).replace("auth_token", "endpoint"));
    assert!(told.len() == 1 && !told[0].contains("s3cret"), "{told:?}");
}
