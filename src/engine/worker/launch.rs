//! Starts and ends workers, and determines why they died.

#[cfg(test)]
use super::dialect::Dialect;
use parking_lot::Mutex;
use rustix::process::{Pid, setpriority_process};
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, Stdio};
#[cfg(test)]
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Hidden command of this program that runs a worker.
pub const COMMAND: &str = "query-worker";
/// Nice value of a worker with a long query: others get ten times as much CPU under contention.
const LONG_NICE: i32 = 10;
/// Signal of `abort`: out of memory or stack overflow.
const SIGABRT: i32 = 6;
const SIGKILL: i32 = 9;
/// How long a worker that has closed its socket may take to exit, and how often this is checked.
const LAST_STEPS: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_millis(1);
/// Maximum number of bytes read from a worker's stderr.
const SAID_BYTES_MAX: u64 = 4096;

/// How workers are started.
#[derive(Clone)]
pub enum Launch {
    /// As processes of this program.
    Process,
    /// As threads of this process, for tests: they cannot be killed.
    #[cfg(test)]
    Thread(Arc<dyn Fn() -> Vec<Arc<dyn Dialect>> + Send + Sync>),
}

impl std::fmt::Debug for Launch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Launch")
    }
}

impl Default for Launch {
    #[cfg(not(test))]
    fn default() -> Self {
        Launch::Process
    }

    #[cfg(test)]
    fn default() -> Self {
        Launch::Thread(Arc::new(|| vec![Arc::new(super::dialect::Plain) as Arc<dyn Dialect>]))
    }
}

/// Cause of a worker's end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Death {
    /// Out of memory.
    #[error("it ran out of memory")]
    Memory,
    /// Stack overflow: the statement nests too deep.
    #[error("its stack overflowed")]
    Stack,
    /// Killed by the system or a user.
    #[error("it was killed by signal 9 (SIGKILL), as the system does where memory runs out")]
    Killed,
    /// Ended by another signal.
    #[error("it was ended by signal {signal}{}", quoted(.said))]
    Signal {
        /// Number of the signal.
        signal: i32,
        /// Its last output.
        said: String,
    },
    /// Exited by itself.
    #[error("it ended with exit status {code}{}", quoted(.said))]
    Exit {
        /// Exit status.
        code: i32,
        /// Its last output.
        said: String,
    },
    /// Could not be waited for, or does not exit although it has closed its socket.
    #[error("{0}")]
    Unknown(String),
}

fn quoted(said: &str) -> String {
    if said.is_empty() { String::new() } else { format!(": {said}") }
}

/// A started worker.
pub(super) enum Started {
    Process(Mutex<Child>),
    #[cfg(test)]
    Thread,
}

impl Launch {
    /// Starts a worker with a limit of `memory_bytes` for its plans; it takes about a millisecond until it runs.
    pub(super) fn start(&self, memory_bytes: usize) -> io::Result<(Started, UnixStream)> {
        let (ours, theirs) = UnixStream::pair()?;
        match self {
            Launch::Process => {
                let mut command = Command::new(program());
                command.arg0("spanwise").arg(COMMAND).arg("--memory").arg(memory_bytes.to_string());
                // The allocator keeps address space that it no longer uses, which would count as used.
                command.env_clear().env("_RJEM_MALLOC_CONF", "retain:false");
                // In a separate process group, so that Ctrl-C in a terminal only reaches the server.
                command.stdin(OwnedFd::from(theirs)).stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0);
                Ok((Started::Process(Mutex::new(command.spawn()?)), ours))
            }
            #[cfg(test)]
            Launch::Thread(dialects) => {
                let dialects = dialects();
                let serving = move || super::serve(theirs, dialects, memory_bytes, || Ok(()));
                std::thread::Builder::new().name("worker".to_owned()).spawn(serving)?;
                Ok((Started::Thread, ours))
            }
        }
    }
}

/// Returns the path of this program, even if its file was replaced after the start.
fn program() -> std::path::PathBuf {
    let linux = std::path::Path::new("/proc/self/exe");
    if linux.exists() { linux.to_owned() } else { std::env::current_exe().unwrap_or_else(|_| "spanwise".into()) }
}

impl Started {
    /// Kills the worker, which ends shortly afterwards.
    pub(super) fn kill(&self) {
        match self {
            Started::Process(child) => {
                // It may have ended already.
                let _ended = child.lock().kill();
            }
            #[cfg(test)]
            Started::Thread => {}
        }
    }

    /// Returns the id of its process.
    #[cfg_attr(not(test), expect(clippy::unnecessary_wraps, reason = "a worker of a unit test is a thread"))]
    pub(super) fn id(&self) -> Option<u32> {
        match self {
            Started::Process(child) => Some(child.lock().id()),
            #[cfg(test)]
            Started::Thread => None,
        }
    }

    /// Gives all of its threads the lowest priority. This cannot be undone.
    pub(super) fn put_last(&self) {
        let Some(id) = self.id() else { return };
        let Ok(threads) = std::fs::read_dir(format!("/proc/{id}/task")) else { return };
        for thread in threads.filter_map(Result::ok) {
            let thread = thread.file_name().to_str().and_then(|id| id.parse().ok()).and_then(Pid::from_raw);
            if let Some(thread) = thread {
                // Ignore a thread that has ended.
                let _ended = setpriority_process(Some(thread), LONG_NICE);
            }
        }
    }

    /// Waits for its end, and kills it if it does not end by itself. Returns the cause.
    pub(super) fn death(&self) -> Death {
        match self {
            Started::Process(child) => {
                let mut child = child.lock();
                let began = Instant::now();
                // Its socket closes shortly before the process ends; a kill in between would hide the cause.
                while matches!(child.try_wait(), Ok(None)) && began.elapsed() < LAST_STEPS {
                    std::thread::sleep(LOOK);
                }
                let lingers = matches!(child.try_wait(), Ok(None));
                let _ended = child.kill();
                let status = child.wait();
                let mut said = String::new();
                if let Some(stderr) = child.stderr.take() {
                    // The process has ended, so this does not block.
                    let _cut = stderr.take(SAID_BYTES_MAX).read_to_string(&mut said);
                }
                match status {
                    Ok(_) if lingers => Death::Unknown("it closed its socket and did not end".to_owned()),
                    Ok(status) => judged(status.signal(), status.code(), &said),
                    Err(error) => Death::Unknown(format!("its process could not be waited for: {error}")),
                }
            }
            #[cfg(test)]
            Started::Thread => Death::Unknown("its thread ended".to_owned()),
        }
    }
}

fn judged(signal: Option<i32>, code: Option<i32>, said: &str) -> Death {
    if said.contains("overflowed its stack") {
        return Death::Stack;
    }
    let said = said.trim();
    match (signal, code) {
        (Some(SIGABRT), _) if said.contains("memory allocation") => Death::Memory,
        (Some(SIGKILL), _) => Death::Killed,
        (Some(signal), _) => Death::Signal { signal, said: said.to_owned() },
        (None, code) => Death::Exit { code: code.unwrap_or_default(), said: said.to_owned() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_worker_died_of_is_known_by_its_signal_and_its_words() {
        let stack = "\nthread 'query' (12) has overflowed its stack\nfatal runtime error: stack overflow, aborting\n";
        assert_eq!(judged(Some(6), None, stack), Death::Stack);
        assert_eq!(judged(Some(6), None, "memory allocation of 1073741824 bytes failed"), Death::Memory);
        assert_eq!(judged(Some(9), None, ""), Death::Killed);
        assert_eq!(judged(Some(11), None, "").to_string(), "it was ended by signal 11");
        assert_eq!(judged(None, Some(2), "bad\n").to_string(), "it ended with exit status 2: bad");
    }
}
