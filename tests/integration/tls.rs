//! TLS on every listener, with common clients: curl, telemetrygen, psql and Prometheus.

use crate::support::certificates::{Authority, Issued, serial, shown_serial};
use crate::support::config::Setup;
use crate::support::peers::Prometheus;
use crate::support::process::{Process, run};
use crate::support::server::{SPANWISE, Server};
use crate::support::{peer, until};
use serde_json::Value;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

const WITHIN: Duration = Duration::from_secs(20);
const TRACES: u64 = 50;

fn settings(issued: &Issued, more: &str) -> String {
    format!("cert_file: {:?}, key_file: {:?}{more}", issued.certificate.display(), issued.key.display())
}

/// Runs curl; returns its output, or its error if it cannot connect.
fn curl(url: &str, arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new("curl");
    let output = command.args(["-sS", "--noproxy", "*", "-m", "20", url]).args(arguments).output().expect("curl runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

fn psql(port: u16, parameters: &str) -> Command {
    let mut command = Command::new("psql");
    command.arg(format!("host=127.0.0.1 port={port} user=spanwise dbname=spanwise connect_timeout=20 {parameters}"));
    command.args(["-X", "-At"]).env("PGPASSWORD", "geheim").env("HOME", "/nonexistent");
    command
}

fn asked(command: &mut Command) -> Result<String, String> {
    let output = command.args(["-c", "SELECT 6 * 7"]).output().expect("psql runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

struct Shown<'a> {
    authority: &'a str,
    client: &'a Issued,
}

impl Shown<'_> {
    /// Arguments for curl.
    fn to_curl(&self) -> Vec<&str> {
        let [certificate, key] = [&self.client.certificate, &self.client.key].map(|path| path.to_str().expect("text"));
        vec!["--cacert", self.authority, "--cert", certificate, "--key", key]
    }

    /// Connection settings for libpq.
    fn to_psql(&self) -> String {
        let Issued { certificate, key } = self.client;
        let authority = self.authority;
        format!(
            "sslmode=verify-full sslrootcert={authority} sslcert={} sslkey={}",
            certificate.display(),
            key.display()
        )
    }
}

async fn telemetrygen(port: u16, shown: &Shown<'_>, more: &[&str], folder: &Path) {
    let Issued { certificate, key } = shown.client;
    let mut command = Command::new(peer("SPANWISE_TELEMETRYGEN"));
    command.args(["traces", "--traces", &TRACES.to_string(), "--rate", "1000", "--ca-cert", shown.authority, "--mtls"]);
    command.arg("--client-cert").arg(certificate).arg("--client-key").arg(key);
    command.args(["--otlp-endpoint", &format!("127.0.0.1:{port}")]).args(more);
    run("telemetrygen", &mut command, folder, Duration::from_mins(1)).await;
}

/// Each listener accepts only clients with a certificate of the authority.
#[tokio::test(flavor = "multi_thread")]
async fn every_listener_asks_for_a_certificate_of_its_client() {
    let folder = tempfile::tempdir().expect("a folder");
    let (ours, others) = (Authority::new(folder.path(), "ours"), Authority::new(folder.path(), "others"));
    let (own, client, stranger) = (ours.issue("server"), ours.issue("client"), others.issue("stranger"));
    let authority = ours.certificate().to_str().expect("text");
    let more = format!(", client_ca_file: {authority:?}, min_version: \"1.3\"");
    let server = Server::start(Setup::default().tls(&settings(&own, &more)).sql("password: geheim")).await;
    let (ports, shown) = (server.ports, Shown { authority, client: &client });
    let strange = Shown { authority, client: &stranger };

    telemetrygen(ports.grpc, &shown, &[], folder.path()).await;
    telemetrygen(ports.http, &shown, &["--otlp-http"], folder.path()).await;
    // Each trace of telemetrygen has two spans.
    let expected = (4 * TRACES).to_string();
    let sql = format!("https://127.0.0.1:{}/v1/sql", ports.sql);
    until("both senders' spans", WITHIN, || async {
        let mut arguments = shown.to_curl();
        arguments.extend(["-H", "content-type: text/plain", "-d", "SELECT count(*) AS n FROM spans"]);
        let answer = curl(&sql, &arguments)?;
        if answer.contains(&format!("\"n\":{expected}}}")) { Ok(()) } else { Err(answer) }
    })
    .await;

    println!("{:<10} {:<14} {:<9} {:<10} {:<8} TLS 1.2", "listener", "our client", "no cert", "stranger", "plain");
    for (what, port, path) in [
        ("OTLP/gRPC", ports.grpc, ""),
        ("OTLP/HTTP", ports.http, "v1/traces"),
        ("SQL", ports.sql, "v1/status"),
        ("scrape", ports.scrape, "metrics"),
    ] {
        let url = format!("https://127.0.0.1:{port}/{path}");
        let found = [
            curl(&url, &shown.to_curl()),
            curl(&url, &["--cacert", authority]),
            curl(&url, &strange.to_curl()),
            curl(&format!("http://127.0.0.1:{port}/{path}"), &[]),
            curl(&url, &[shown.to_curl(), vec!["--tls-max", "1.2"]].concat()),
        ];
        println!("{what:<10} {}", found.each_ref().map(|one| if one.is_ok() { "taken" } else { "refused" }).join(" "));
        assert!(found[0].is_ok(), "{what}: {:?}", found[0]);
        found[1..].iter().for_each(|one| assert!(one.is_err(), "{what}: {found:?}"));
    }
    let postgres = |parameters: &str| asked(&mut psql(ports.postgres, parameters));
    let found = [
        postgres(&shown.to_psql()),
        postgres(&format!("sslmode=verify-full sslrootcert={authority} sslcert=/nonexistent")),
        postgres(&strange.to_psql()),
        postgres("sslmode=disable"),
        postgres(&format!("{} ssl_max_protocol_version=TLSv1.2", shown.to_psql())),
    ];
    println!(
        "{:<10} {}",
        "Postgres",
        found.each_ref().map(|one| if one.is_ok() { "taken" } else { "refused" }).join(" ")
    );
    assert_eq!(found[0], Ok("42".to_owned()));
    found[1..].iter().for_each(|one| assert!(one.is_err(), "{found:?}"));
    assert!(found[3].as_ref().is_err_and(|said| said.contains("sslmode=require")), "{:?}", found[3]);
    assert!(server.log().contains("the TLS handshake with 127.0.0.1:"), "{}", server.log());

    let endpoint = format!("https://127.0.0.1:{}", ports.sql);
    let own = |arguments: &[&str]| {
        let all = [&["sql", "--endpoint", &endpoint], arguments, &["SELECT count(*) AS n FROM spans"]].concat();
        Command::new(SPANWISE).args(all).output().expect("spanwise runs")
    };
    let Issued { certificate, key } = &client;
    let [file, key_file] = [certificate, key].map(|path| path.to_str().expect("text"));
    let answered = own(&["--ca-file", authority, "--cert-file", file, "--key-file", key_file]);
    assert!(String::from_utf8_lossy(&answered.stdout).contains(&expected), "{answered:?}");
    assert!(!own(&["--ca-file", authority]).status.success(), "without a certificate");

    let tls = format!("ca_file: {authority:?}, cert_file: {:?}, key_file: {:?}", certificate.display(), key.display());
    let prometheus = Prometheus::scraping_tls(ports.scrape, &tls).await;
    until("Prometheus to have scraped", WITHIN, || async {
        let calls = prometheus.value("sum(traces_span_metrics_calls_total)").await?;
        if calls.to_string() == expected { Ok(()) } else { Err(calls.to_string()) }
    })
    .await;
}

/// A psql session that stays connected.
struct Session {
    child: Child,
    input: ChildStdin,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Session {
    fn open(command: &mut Command) -> Session {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("psql runs");
        let (input, output) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
        Session { child, input, lines: BufReader::new(output).lines() }
    }

    fn ask(&mut self, statement: &str) -> String {
        writeln!(self.input, "{statement};").expect("psql reads");
        self.lines.next().expect("psql answers").expect("text")
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Certificates are replaced under load: SIGHUP loads a valid pair and ignores an invalid one, and no connection is dropped.
#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_reloaded_and_connections_stay() {
    let folder = tempfile::tempdir().expect("a folder");
    let authority = Authority::new(folder.path(), "ours");
    let (first, second, third) = (authority.issue("first"), authority.issue("second"), authority.issue("third"));
    let used = Issued { certificate: folder.path().join("used.pem"), key: folder.path().join("used.key") };
    let place = |of: &Issued, key_of: &Issued| {
        std::fs::copy(&of.certificate, &used.certificate).expect("copied");
        std::fs::copy(&key_of.key, &used.key).expect("copied");
    };
    place(&first, &first);
    let server = Server::start(Setup::default().tls(&settings(&used, ""))).await;
    let ports = server.ports;
    let https = [ports.grpc, ports.http, ports.sql, ports.scrape];
    let trusted = authority.certificate().display().to_string();
    let encrypted = format!("sslmode=verify-full sslrootcert={trusted}");
    let mut session = Session::open(&mut psql(ports.postgres, &encrypted));
    assert_eq!(session.ask("SELECT 1"), "1");
    let mut command = Command::new(peer("SPANWISE_TELEMETRYGEN"));
    command.args(["traces", "--duration", "8s", "--rate", "200", "--ca-cert", &trusted]);
    command.args(["--otlp-endpoint", &format!("127.0.0.1:{}", ports.grpc)]);
    let mut sender = Process::start("telemetrygen", &mut command, folder.path());
    let count = "SELECT count(*) FROM spans";
    until("spans to come", WITHIN, || async {
        let found = asked_for(ports.postgres, &encrypted, count)?;
        if found == "0" { Err(found) } else { Ok(()) }
    })
    .await;

    let shows = async |certificate: &Path, what: &str| {
        let expected = serial(certificate);
        until(what, WITHIN, || async {
            let shown = https.map(|port| shown_serial(port).unwrap_or_default());
            if shown.iter().all(|one| *one == expected) { Ok(()) } else { Err(format!("{shown:?}, not {expected}")) }
        })
        .await;
    };
    let logged = async |message: &str, times: usize| {
        until(message, WITHIN, || async {
            let log = server.log();
            if log.matches(message).count() >= times { Ok(()) } else { Err(log) }
        })
        .await;
    };
    shows(&first.certificate, "the first certificate").await;
    place(&second, &second);
    server.signal("HUP");
    shows(&second.certificate, "the second certificate").await;
    logged("certificate and key reloaded; the certificate is valid until 20", 5).await;

    place(&third, &second);
    server.signal("HUP");
    logged("used.key: the key does not belong to the certificate; not reloaded", 5).await;
    std::fs::write(&used.certificate, "no certificate").expect("written");
    server.signal("HUP");
    logged("tls.cert_file: ", 5).await;
    logged("expected certificates in PEM form, found none; not reloaded: the certificate and key from before stay", 5)
        .await;
    shows(&second.certificate, "still the second certificate").await;
    assert_eq!(session.ask("SELECT 2"), "2", "a session of before goes on");

    assert!(sender.wait(Duration::from_mins(1)).await.success(), "{}", sender.text());
    let text = sender.text();
    // Its last line: `traces generated {"worker": 0, "traces": 1596}`.
    let sent = text.rsplit_once("\"traces\": ").and_then(|(_, rest)| rest.split('}').next());
    let sent: u64 = sent.and_then(|number| number.trim().parse().ok()).unwrap_or_else(|| panic!("{text}"));
    until("every span", WITHIN, || async {
        let found = asked_for(ports.postgres, &encrypted, count)?;
        if found == (2 * sent).to_string() { Ok(()) } else { Err(format!("{found} of {}", 2 * sent)) }
    })
    .await;
    println!("reloaded under load: {} spans sent and found; a psql session went on", 2 * sent);
}

fn asked_for(port: u16, parameters: &str, statement: &str) -> Result<String, String> {
    let output = psql(port, parameters).args(["-c", statement]).output().map_err(|error| error.to_string())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

/// Certificates are reloaded periodically with `reload_interval`.
#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_reloaded_in_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let authority = Authority::new(folder.path(), "ours");
    let (used, next) = (authority.issue("used"), authority.issue("next"));
    let server = Server::start(Setup::default().tls(&settings(&used, ", reload_interval: 200ms"))).await;
    let before = serial(&used.certificate);
    assert_eq!(shown_serial(server.ports.http), Ok(before.clone()));
    // The pair is not replaced atomically: a reload between the two copies must not break anything.
    std::fs::copy(&next.certificate, &used.certificate).expect("copied");
    std::fs::copy(&next.key, &used.key).expect("copied");
    let after = serial(&used.certificate);
    assert_ne!(before, after);
    until("the new certificate", WITHIN, || async {
        let shown = shown_serial(server.ports.http)?;
        if shown == after { Ok(()) } else { Err(shown) }
    })
    .await;
}

/// Returns the faults, then the notes, that `spanwise check` reports for receivers with these `tls` settings, one per line,
/// such as `0: tls.cert_file: …` for the first receiver.
fn check_of(folder: &Path, address: &str, all: &[&str]) -> (Vec<String>, Vec<String>) {
    let config = folder.join("otel-config.yaml");
    let mut text = String::from("exporters: {debug: }\nreceivers:\n");
    for (number, tls) in all.iter().enumerate() {
        let port = 4317 + 100 * number;
        let _ = writeln!(
            text,
            "  otlp/{number}: {{protocols: {{grpc: {{endpoint: \"{address}:{port}\", tls: {{{tls}}}}}}}}}"
        );
    }
    let ids: Vec<String> = (0..all.len()).map(|number| format!("otlp/{number}")).collect();
    let _ =
        writeln!(text, "service: {{pipelines: {{traces: {{receivers: [{}], exporters: [debug]}}}}}}", ids.join(", "));
    std::fs::write(&config, text).expect("written");
    let output = Command::new(SPANWISE).arg("check").arg("--json").arg("--config").arg(&config).output();
    let output = output.expect("spanwise runs");
    let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let short = |told: String| told.replace("receivers.otlp/", "").replace("protocols.grpc.", "");
    let faults = answer["faults"].as_array().expect("faults").iter().map(|fault| {
        let [key, message] = ["key", "message"].map(|name| fault[name].as_str().unwrap_or_default());
        short(format!("{key}: {message}"))
    });
    let notes = answer["notes"].as_array().expect("notes").iter().filter_map(Value::as_str);
    let notes = notes.filter(|note| note.contains(".tls."));
    (faults.collect(), notes.map(|note| short(note.to_owned())).collect())
}

/// `spanwise check` reports an invalid certificate at its key.
#[test]
fn what_cannot_be_used_is_a_fault_with_file_and_reason() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    let authority = Authority::new(at, "ours");
    let (good, other, expired) =
        (authority.issue("good"), authority.issue("other"), authority.issue_expired("expired"));
    let mixed = Issued { certificate: good.certificate.clone(), key: other.key.clone() };
    let swapped = Issued { certificate: good.key.clone(), key: good.certificate.clone() };
    let absent = Issued { certificate: at.join("absent.pem"), key: good.key.clone() };
    let garbage = at.join("garbage.pem");
    std::fs::write(&garbage, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").expect("written");
    let unreadable = Issued { certificate: garbage.clone(), key: good.key.clone() };
    let locked = at.join("locked.key");
    let mut encrypt = Command::new("openssl");
    encrypt.args(["pkcs8", "-topk8", "-passout", "pass:x", "-in"]).arg(&good.key).arg("-out").arg(&locked);
    assert!(encrypt.status().expect("openssl").success());
    let encrypted = Issued { certificate: good.certificate.clone(), key: locked };
    let alone = format!("cert_file: {:?}", good.certificate.display());
    let cases = [
        (settings(&absent, ""), "cert_file", "which does not exist"),
        (settings(&mixed, ""), "key_file", "other.key: the key does not belong to the certificate"),
        (settings(&swapped, ""), "cert_file", "good.key: expected certificates in PEM form, found a private key"),
        (settings(&unreadable, ""), "cert_file", "garbage.pem: "),
        (
            settings(&encrypted, ""),
            "key_file",
            "locked.key: expected a private key in PEM form, found an encrypted one",
        ),
        (alone, "key_file", "expected the key of the certificate of this listener in PEM form, found none"),
        (
            settings(&good, &format!(", client_ca_file: {:?}", good.key.display())),
            "client_ca_file",
            "found a private key",
        ),
        (settings(&good, ", max_version: \"1.1\""), "max_version", "expected 1.2 or 1.3"),
        (settings(&good, ", min_version: \"1.3\", max_version: 1.2"), "max_version", "not below min_version"),
        (settings(&good, ", cipher_suites: [X]"), "cipher_suites", "is not supported yet"),
        (settings(&good, ", cert: x"), "cert", "unknown key"),
    ];
    let all: Vec<&str> = cases.iter().map(|(tls, ..)| tls.as_str()).collect();
    let (found, _) = check_of(at, "127.0.0.1", &all);
    assert_eq!(found.len(), cases.len(), "{found:#?}");
    for (number, ((tls, key, reason), told)) in cases.iter().zip(&found).enumerate() {
        let path = format!("{number}.tls.{key}: ");
        assert!(told.starts_with(&path) && told.contains(reason), "{tls}: {told}");
        println!("{told}");
    }

    let within = |path: &Path| std::fs::read_to_string(path).expect("text").replace('\n', "\\n");
    let embedded = format!("cert_pem: \"{}\", key_pem: \"{}\"", within(&good.certificate), within(&good.key));
    let (found, notes) = check_of(
        at,
        "127.0.0.1",
        &[
            &settings(&expired, ""),
            &settings(&good, ", min_version: \"1.0\""),
            &settings(&good, ", include_system_ca_certs_pool: true"),
            &embedded,
        ],
    );
    assert_eq!(found, Vec::<String>::new());
    for (note, expected) in notes.iter().zip([
        "0.tls.cert_file: the certificate expired on 20",
        "1.tls.min_version: is ignored: 1.2 is the oldest",
        "2.tls.include_system_ca_certs_pool: has no effect here",
    ]) {
        assert!(note.contains(expected), "{notes:#?}");
        println!("note: {note}");
    }
    assert_eq!(notes.len(), 3, "{notes:#?}");

    // Only clients that must present a certificate are authenticated.
    let asking = settings(&good, &format!(", client_ca_file: {:?}", authority.certificate().display()));
    let (found, _) = check_of(at, "0.0.0.0", &[&settings(&good, ""), &asking]);
    assert!(
        found.len() == 1 && found[0].starts_with("0.endpoint: ") && found[0].contains("tls.client_ca_file"),
        "{found:?}"
    );
}
