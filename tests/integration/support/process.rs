//! A child process that writes to a file and does not outlive its test.

use super::until;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// Environment variables that would override a child's configuration.
const FOREIGN: [&str; 8] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "SPANWISE_FAILPOINTS",
];

/// A running program; killed on drop.
pub(crate) struct Process {
    name: String,
    child: Child,
    output: PathBuf,
}

impl Process {
    /// Starts a program; stdout and stderr go to a file with its name in `folder`.
    pub(crate) fn start(name: &str, command: &mut Command, folder: &Path) -> Process {
        let output = (0..10_000).map(|n| folder.join(format!("{name}-{n}.out"))).find(|path| !path.exists());
        let output = output.expect("a number that no earlier process of the test has");
        let file = File::create(&output).expect("the test's own folder can be written");
        let again = file.try_clone().expect("a second handle");
        let child = cleaned(command).stdin(Stdio::null()).stdout(file).stderr(again).spawn();
        let child = child.unwrap_or_else(|error| panic!("{name}: {command:?} cannot be started: {error}"));
        Process { name: name.to_owned(), child, output }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns its output so far.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.output).unwrap_or_default()).into_owned()
    }

    /// Returns its exit status if it has ended.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be asked")
    }

    /// Kills it with SIGKILL, as in a crash.
    pub(crate) fn kill9(&mut self) {
        let _gone_already = self.child.kill();
        let _reaped = self.child.wait();
    }

    /// Sends a signal by name: `TERM`, `HUP`.
    pub(crate) fn signal(&self, signal: &str) {
        let status = Command::new("sh").args(["-c", &format!("kill -{signal} {}", self.id())]).status();
        assert!(status.is_ok_and(|status| status.success()), "{}: kill -{signal} failed", self.name);
    }

    /// Waits for its end.
    pub(crate) async fn wait(&mut self, within: Duration) -> ExitStatus {
        let what = format!("the end of {}", self.name);
        until(&what, within, || {
            let ended = self.ended().ok_or_else(|| format!("still running; {}", tail(&self.text(), 20)));
            std::future::ready(ended)
        })
        .await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill9();
        // The test harness shows this for failed tests only.
        if std::thread::panicking() {
            println!("--- the last of {}:\n{}", self.name, tail(&self.text(), 40));
        }
    }
}

/// Runs a program to its end, at most for `within`; returns stdout and stderr, which a failure also shows.
pub(crate) async fn run(name: &str, command: &mut Command, folder: &Path, within: Duration) -> String {
    let mut process = Process::start(name, command, folder);
    let status = process.wait(within).await;
    let text = process.text();
    assert!(status.success(), "{name} ended with {status}: {}", tail(&text, 40));
    text
}

/// Removes environment variables that would override the command's configuration.
fn cleaned(command: &mut Command) -> &mut Command {
    for name in FOREIGN {
        // Variables that the test set stay.
        if !command.get_envs().any(|(set, value)| set == name && value.is_some()) {
            command.env_remove(name);
        }
    }
    command
}

/// Returns the last lines of a text.
pub(crate) fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}
