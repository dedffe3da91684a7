//! Addresses, authentication and variables.

use super::*;

fn receiver(grpc: &str) -> String {
    format!(
        "receivers:\n  otlp:\n    protocols:\n      grpc: {grpc}\nservice:\n  pipelines:\n    \
         traces: {{receivers: [otlp], exporters: [debug]}}\nexporters: {{debug: }}\n"
    )
}

#[test]
fn off_loopback_a_listener_needs_a_secret_or_the_users_word() {
    let told = faults(&receiver("{endpoint: \"0.0.0.0:4317\"}"));
    assert_eq!(told.len(), 1);
    let begins = "c.yaml:4: receivers.otlp.protocols.grpc.endpoint: 0.0.0.0:4317 is reachable from other machines";
    assert!(told[0].starts_with(begins) && told[0].contains("`allow_unauthenticated: true`"), "{told:?}");
    for good_one in [
        "{endpoint: \"0.0.0.0:4317\", allow_unauthenticated: true}",
        "{endpoint: \":4317\", auth_token: t0ken}",
        "{endpoint: \"[::1]:4317\"}",
        "{endpoint: \"127.3.4.5:4317\"}",
    ] {
        good(&receiver(good_one));
    }
    for reachable in ["{endpoint: \":4317\"}", "{endpoint: \"[::]:4317\"}", "{endpoint: \"192.0.2.1:4317\"}"] {
        assert_eq!(faults(&receiver(reachable)).len(), 1, "{reachable}");
    }
    let sql = |inner: &str| {
        with(&format!("connectors: {{performance: }}\nextensions:\n  sql: {inner}"))
            .replace("service:", "service:\n  extensions: [sql]")
    };
    assert_eq!(faults(&sql("{http: {endpoint: \"0.0.0.0:4380\"}, postgres: {endpoint: \"0.0.0.0:15432\"}}")).len(), 2);
    assert_eq!(
        faults(&sql("{http: {endpoint: \"0.0.0.0:4380\"}, password: x}")).len(),
        1,
        "a password is for Postgres"
    );
    good(&sql("{http: {endpoint: \"0.0.0.0:4380\"}, auth_token: x}"));
    good(&sql("{http: {endpoint: \"0.0.0.0:4380\"}, allow_unauthenticated: true}"));
    let config =
        good(&sql("{postgres: {endpoint: \"0.0.0.0:15432\"}, user: me, password: x, timeout: 5s, rows_max: 7}"));
    assert_eq!((config.sql.http, config.sql.user.as_str(), config.sql.limits.rows_max), (None, "me", Some(7)));
}

#[test]
fn an_empty_secret_does_not_switch_the_check_off() {
    let told = faults_with(&receiver("{auth_token: \"${env:EMPTY}\"}"), &|_| Some(String::new()));
    assert_eq!(told, ["c.yaml:4: receivers.otlp.protocols.grpc.auth_token: expected a secret, found nothing"]);
}

#[test]
fn the_same_port_twice_is_a_fault() {
    let text = receiver("{endpoint: \"127.0.0.1:4380\"}\n      http: {endpoint: \"127.0.0.1:4380\"}");
    assert_eq!(
        faults(&text),
        [
            "c.yaml: extensions.sql.http: 127.0.0.1:4380 is already used by receivers.otlp.protocols.grpc.endpoint on line 4; \
             expected another port",
            "c.yaml:5: receivers.otlp.protocols.http.endpoint: 127.0.0.1:4380 is already used by \
             receivers.otlp.protocols.grpc.endpoint on line 4; expected another port",
        ]
    );
    good(&receiver("{endpoint: \"127.0.0.1:0\"}\n      http: {endpoint: \"127.0.0.1:0\"}"));
}

#[test]
fn an_exporter_that_sends_to_an_own_receiver_is_a_fault() {
    let text = receiver("")
        .replace("{debug: }", "{otlp_grpc: {endpoint: \"localhost:4317\"}}")
        .replace("[debug]", "[otlp_grpc]");
    assert_eq!(
        faults(&text),
        [
            "c.yaml:8: exporters.otlp_grpc.endpoint: \"localhost:4317\" is receivers.otlp.protocols.grpc.endpoint itself, which would be a loop; expected another target"
        ]
    );
}

#[test]
fn variables_are_filled_in() {
    let environment = |name: &str| match name {
        "PORT" => Some("5317".to_owned()),
        "MIB" => Some("8".to_owned()),
        "TOKEN" => Some("0123".to_owned()),
        _ => None,
    };
    let text = receiver(
        "{endpoint: \"127.0.0.1:${env:PORT}\", max_recv_msg_size_mib: \"${MIB}\", auth_token: \"${env:TOKEN}\"}",
    );
    let config = parse(FILE, &text, &environment).unwrap_or_else(|faults| panic!("{faults}"));
    let (endpoint, settings) = config.receivers[0].grpc.as_ref().expect("grpc");
    assert_eq!((endpoint.address.port(), settings.max_recv_msg_size_bytes), (5317, 8 << 20));
    assert_eq!(settings.auth_token.as_ref().map(Secret::reveal), Some("0123"), "nothing of a token is lost");
    let text = receiver("{endpoint: \"127.0.0.1:${env:ABSENT:-6317}\", auth_token: \"a$$b$c\"}");
    let config = parse(FILE, &text, &environment).unwrap_or_else(|faults| panic!("{faults}"));
    let (endpoint, settings) = config.receivers[0].grpc.as_ref().expect("grpc");
    assert_eq!((endpoint.address.port(), settings.auth_token.as_ref().map(Secret::reveal)), (6317, Some("a$b$c")));
    let told = faults(&receiver("{endpoint: \"${env:ABSENT}\", max_recv_msg_size_mib: \"${vault:x}\"}"));
    assert_eq!(
        told,
        [
            "c.yaml:4: receivers.otlp.protocols.grpc.endpoint: the environment variable ABSENT is not set; set it, or \
             write `${env:ABSENT:-default}`",
            "c.yaml:4: receivers.otlp.protocols.grpc.max_recv_msg_size_mib: expected `${env:NAME}` or `${file:PATH}`, \
             found `${vault:…}`",
        ]
    );
}

#[test]
fn paths_that_are_not_there_are_faults() {
    let told = faults(&performance("pipelines: /nowhere/pipelines\nschemas: Cargo.toml"));
    assert_eq!(
        told,
        [
            "c.yaml:3: connectors.performance.pipelines: expected a folder of SQL files, found \"/nowhere/pipelines\", \
             which does not exist",
            "c.yaml:4: connectors.performance.schemas: expected a folder of YAML files, found \"Cargo.toml\", which is \
             something else",
        ]
    );
    let told = faults_with("", &|_| None);
    assert_eq!(told, ["c.yaml:1: service: is missing"]);
    let told = load(Some(Path::new("/nowhere.yaml")), &|_| None).expect_err("is not there").to_string();
    assert!(told.starts_with("/nowhere.yaml: cannot be read: "), "{told}");
}

#[test]
fn what_a_listener_lets_in_has_bounds_that_can_be_set() {
    let config = good(&receiver("{read_timeout: 5s, connections_max: 7}"));
    let door = config.receivers[0].grpc.as_ref().expect("grpc").1.door;
    assert_eq!((door.read_timeout, door.connections_max), (Duration::from_secs(5), 7));
    // Disables the timeout in a Collector.
    let config = good(&receiver("{read_timeout: 0s}"));
    assert_eq!(config.receivers[0].grpc.as_ref().expect("grpc").1.door.read_timeout, Duration::from_secs(30));
    let told = faults(&receiver("{connections_max: 0}"));
    assert!(told.len() == 1 && told[0].contains("connections_max"), "{told:?}");
    let store = "extensions: {store: {resends: {memory: 5MiB}}}\nconnectors: {performance: }";
    let config = good(&with(store).replace("service:", "service:\n  extensions: [store]"));
    assert_eq!(config.ingest.dedup_bytes_max, 5 << 20);
}
