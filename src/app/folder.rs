//! The folder of everything that is kept: the log, the state, and the lock of the process that works in it.

use super::config::Config;
use super::frames::FrameLog;
use super::state_store::SqliteState;
use crate::delivery;
use crate::engine;
use crate::ingest::Attached;
use crate::log::{Committed, Log, Position};
use crate::store::State;
use anyhow::Context as _;
use std::fs::File;
use std::path::Path;
use tokio::sync::mpsc::UnboundedReceiver;

/// Where the files of a restore lie until all of them are there. A server does not start beside it.
pub(super) const STAGING: &str = "restoring";

/// What is opened before anything listens.
pub(super) struct Opened {
    pub(super) log: FrameLog,
    pub(super) committed: UnboundedReceiver<Committed<Attached>>,
    pub(super) state: State,
    /// Held as long as the process lives: two processes on one folder would tear each other's log.
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
    let readers = config.targets.iter().map(|target| (&target.delivery, target.feeds.as_slice()));
    delivery::begin(readers, &SqliteState(state.clone())).await?;
    Ok(Opened { log, committed, state, lock })
}

/// A log that was removed, or put back from a copy, ends before the cursors: what comes next would be taken for read.
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

/// Keeps the folder for this process, for as long as the file is open.
///
/// # Errors
/// When another process has it.
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

/// The cursors that hold segments of the log.
pub(super) fn cursors(config: &Config) -> Vec<String> {
    let exporters = config.targets.iter().flat_map(crate::exporters::kinds::ExporterSettings::cursor_names);
    std::iter::once(engine::CURSOR.to_owned()).chain(exporters).collect()
}
