//! What a worker may not do: take more memory than it was given, write files, dump core, or come before the server.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io;

/// Memory of a worker besides that which the plan's operators account for: texts, plans, rows on their way.
const BESIDES_BYTES: u64 = 256 << 20;

/// Confines the process that calls it. To be called when everything is loaded and threads are there: what is in use by
/// then comes on top of `memory_bytes`.
///
/// # Errors
/// When the system refuses a limit.
pub fn confine(memory_bytes: u64) -> io::Result<()> {
    // What the system does not offer here (not Linux, a container that forbids it) is left out: the limits below are enough.
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

/// Bytes of private writable memory that the process has mapped, as the limit counts them.
fn data_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmData:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kb| kb * 1024)
}
