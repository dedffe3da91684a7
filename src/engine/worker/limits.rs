//! Limits of a worker: memory, no files, no core dumps, and a higher OOM score than the server.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io;

/// Memory of a worker in addition to that of the plan's operators: texts, plans, rows in transit.
const BESIDES_BYTES: u64 = 256 << 20;

/// Confines the calling process. Call it once everything is loaded and all threads exist: `memory_bytes` is in addition
/// to the memory in use at that time.
///
/// # Errors
/// Returns an error if the system rejects a limit.
pub fn confine(memory_bytes: u64) -> io::Result<()> {
    // Ignore what the system does not support (not Linux, a restricted container): the limits below are sufficient.
    let _not_offered = std::fs::write("/proc/self/oom_score_adj", "1000");
    let _not_offered = rustix::thread::set_no_new_privs(true);
    let _not_offered = std::env::set_current_dir("/");
    lower(Resource::Core, 0)?;
    lower(Resource::Fsize, 0)?;
    if let Some(used) = data_bytes() {
        lower(Resource::Data, used.saturating_add(memory_bytes).saturating_add(BESIDES_BYTES))?;
    }
    Ok(())
}

fn lower(resource: Resource, to: u64) -> io::Result<()> {
    let maximum = getrlimit(resource).maximum.map_or(to, |known| known.min(to));
    setrlimit(resource, Rlimit { current: Some(maximum), maximum: Some(maximum) })
        .map_err(|error| io::Error::from_raw_os_error(error.raw_os_error()))
}

/// Private writable memory of the process in bytes, as the limit counts it.
fn data_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmData:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kb| kb * 1024)
}
