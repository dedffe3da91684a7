//! The data directory: the log, the state, and the lock of the process that uses them.

use super::config::Config;
use super::frames::FrameLog;
use crate::delivery::cursor_name;
use crate::engine;
use crate::ingest::Attached;
use crate::log::{Committed, Log};
use crate::model::frame::Position;
use crate::model::unix_time;
use crate::state::State;
use anyhow::Context as _;
use std::fs::File;
use std::path::Path;
use std::time::SystemTime;
use tokio::sync::mpsc::UnboundedReceiver;

/// Directory of the files of a restore until it is complete. A server does not start while it exists.
pub(super) const STAGING: &str = "restoring";

/// What is opened before any listener.
pub(super) struct Opened {
    pub(super) log: FrameLog,
    pub(super) committed: UnboundedReceiver<Committed<Attached>>,
    pub(super) state: State,
    /// Held for the lifetime of the process: two processes in one directory would corrupt the log.
    pub(super) lock: File,
}

pub(super) async fn open(config: &Config) -> anyhow::Result<Opened> {
    let folder = &config.store.directory;
    std::fs::create_dir_all(folder)
        .with_context(|| format!("extensions.store.directory: cannot create {}", folder.display()))?;
    let lock = lock(folder)?;
    let staging = folder.join(STAGING);
    anyhow::ensure!(
        !staging.exists(),
        "{}: a restore into this folder was not finished; run `spanwise restore` again",
        staging.display()
    );
    let (log, committed, recovery) = Log::open(config.log.clone())?;
    if recovery.truncated_bytes > 0 {
        let bytes = recovery.truncated_bytes;
        tracing::warn!(bytes, "truncated an unfinished frame of the log, which was not acknowledged");
    }
    if recovery.damaged_frames > 0 {
        let places = recovery.damaged_frames;
        tracing::error!(places, "the log is damaged: the data there is lost, and may have been acknowledged");
    }
    let state = State::open(&folder.join("state.sqlite")).await?;
    fit_cursors(&state, &cursors(config), log.newest()).await?;
    begin_readers(config, &state).await?;
    Ok(Opened { log, committed, state, lock })
}

/// Stores when new readers begin, before anything is received: they get everything received afterwards, even if the process is
/// killed before they have read anything.
async fn begin_readers(config: &Config, state: &State) -> anyhow::Result<()> {
    let now = unix_time::nanos(SystemTime::now());
    let of_each = config
        .targets
        .iter()
        .flat_map(|target| target.feeds.iter().map(move |feed| (cursor_name(&target.delivery.id, feed.signal), now)));
    Ok(state.begin_readers(&of_each.collect::<Vec<_>>()).await?)
}

/// Moves cursors after the end of the log back to it. This happens if a log was deleted or restored from a copy; new frames
/// would count as read.
async fn fit_cursors(state: &State, names: &[String], newest: Position) -> anyhow::Result<()> {
    for name in names {
        let cursor = state.cursor(name).await?;
        if cursor > newest {
            tracing::warn!(
                name,
                cursor = cursor.0,
                newest = newest.0,
                "the log ends before this reader's cursor: it continues at the end of the log"
            );
            let mut txn = state.begin().await?;
            txn.set_cursor(name, newest).await?;
            txn.commit().await?;
        }
    }
    Ok(())
}

/// Locks the directory for this process, as long as the file is open.
///
/// # Errors
/// Returns an error if another process has locked it.
pub(super) fn lock(folder: &Path) -> anyhow::Result<File> {
    let path = folder.join("lock");
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.with_context(|| format!("{} cannot be opened", path.display()))?;
    file.try_lock().with_context(|| {
        format!(
            "{}: another Spanwise uses this folder; stop it, or set another extensions.store.directory",
            folder.display()
        )
    })?;
    Ok(file)
}

/// Returns the cursors that keep segments of the log from deletion.
pub(super) fn cursors(config: &Config) -> Vec<String> {
    let exporters = config.targets.iter().flat_map(crate::exporters::exporter_type::ExporterSettings::cursor_names);
    std::iter::once(engine::CURSOR.to_owned()).chain(exporters).collect()
}
