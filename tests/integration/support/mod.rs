//! What the tests share: processes on free ports, waiting, and telemetry of our own making.

pub mod otlp;
pub mod peers;
pub mod server;
pub mod webhook;

use std::future::Future;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A port that nobody listens on.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A program that `tests/run` brought; its place stands in a variable.
pub fn peer(variable: &str) -> String {
    std::env::var(variable)
        .unwrap_or_else(|_| panic!("{variable} is not set: run the tests by tests/run, or eval \"$(tests/run --env)\""))
}

/// Waits until `probe` gives something; at the deadline tells what was seen last.
pub async fn until<T, E, F>(what: &str, longest: Duration, mut probe: impl FnMut() -> F) -> T
where
    F: Future<Output = Result<T, E>>,
    E: std::fmt::Debug,
{
    let began = Instant::now();
    loop {
        match probe().await {
            Ok(found) => return found,
            Err(seen) if began.elapsed() > longest => panic!("{what}: not within {longest:?}; last seen: {seen:?}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

/// A process that ends with the test.
pub struct Process(pub Child);

impl Process {
    pub fn start(command: &mut Command, log: &Path) -> Process {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
        command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Process(child)
    }

    /// Sends a signal by its name: `TERM`, `KILL`, `HUP`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.0.id().to_string()]).status().unwrap();
        assert!(status.success(), "kill -{name}");
    }

    /// Waits for the end.
    pub async fn ended(&mut self, longest: Duration) -> std::process::ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status;
            }
            assert!(began.elapsed() < longest, "the process has not ended within {longest:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _it_may_have_ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// What a program prints, off the test's thread.
pub async fn output(mut command: Command) -> std::process::Output {
    tokio::task::spawn_blocking(move || {
        command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"))
    })
    .await
    .unwrap()
}

/// Standard output of a program that must go well.
pub async fn stdout(command: Command) -> String {
    let shown = format!("{command:?}");
    let output = output(command).await;
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{shown}: {}: {told}", output.status);
    String::from_utf8(output.stdout).unwrap()
}
