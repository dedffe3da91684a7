//! The query workers of a server, as its operating system shows them.

use crate::support::server::Server;
use crate::support::until;
use std::process::Command;
use std::time::Duration;

/// Returns the live child processes of the server.
pub(super) fn workers(server: &Server) -> Vec<u32> {
    let id = server.process_id();
    let threads = std::fs::read_dir(format!("/proc/{id}/task")).expect("it runs").filter_map(Result::ok);
    let children = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
    let all: Vec<u32> =
        children.flat_map(|ids| ids.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<_>>()).collect();
    all.into_iter().filter(|id| runs(*id)).collect()
}

/// Returns whether a thread of the process runs or is still ending. A process that has ended is a zombie until its parent
/// has waited for it.
pub(super) fn runs(id: u32) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().filter_map(Result::ok);
    threads.filter_map(|thread| state(&thread)).any(|state| !matches!(state, 'Z' | 'X'))
}

/// Waits until killed workers have ended. A query that meets one before fails with it.
pub(super) async fn ended(killed: &[u32]) {
    until("the killed workers to end", Duration::from_secs(10), || {
        let left: Vec<&u32> = killed.iter().filter(|id| runs(**id)).collect();
        std::future::ready(if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) })
    })
    .await;
}

/// Returns the state of a thread, as in `ps`.
pub(super) fn state(thread: &std::fs::DirEntry) -> Option<char> {
    let stat = std::fs::read_to_string(thread.path().join("stat")).ok()?;
    stat.rsplit_once(')')?.1.trim_start().chars().next()
}

/// Returns whether a thread of the process is running or runnable.
pub(super) fn computes(id: u32) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().filter_map(Result::ok);
    threads.filter_map(|thread| state(&thread)).any(|state| state == 'R')
}

pub(super) fn kill(worker: u32) {
    let _gone = Command::new("kill").args(["-KILL", &worker.to_string()]).status();
}

/// Returns whether the process has a thread with the low priority of long queries.
pub(super) fn is_last(id: u32) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().filter_map(Result::ok);
    let nice = |thread: std::fs::DirEntry| {
        let stat = std::fs::read_to_string(thread.path().join("stat")).ok()?;
        // After the name, the state is field 3 and the nice value field 19.
        stat.rsplit_once(')')?.1.split_whitespace().nth(16)?.parse::<i32>().ok()
    };
    threads.filter_map(nice).any(|nice| nice == 10)
}
