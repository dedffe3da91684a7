//! `spanwise backup`.

use super::copy::{checksum, copy, sync_folder};
use super::manifest::{LOG, Listed, Manifest, STATE};
use super::progress::Progress;
use crate::log::SegmentFiles;
use crate::state::State;
use anyhow::{Context as _, bail};
use std::fs::{DirBuilder, File};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

/// Copies the data directory `store` to the new or empty directory `to`. A server may be using it.
///
/// # Errors
/// Returns an error if there is nothing to copy, `to` is not empty, or anything cannot be read or written. Files copied
/// until then stay there, without the manifest that would make them a backup.
pub(crate) async fn backup(store: &Path, to: &Path, progress: Progress) -> anyhow::Result<Manifest> {
    let database = store.join(STATE);
    if !database.is_file() {
        bail!("{}: there is no {STATE}, so no Spanwise has ever run in this folder", store.display());
    }
    make_empty(to)?;
    let mut log = SegmentFiles::open(&store.join(LOG))?;
    State::snapshot(&database, &to.join(STATE)).await?;
    log.refresh()?;
    let target = to.to_owned();
    tokio::task::spawn_blocking(move || copy_all(log, &target, progress)).await?
}

/// Creates a directory that only its owner can read, because telemetry is confidential.
fn make_empty(to: &Path) -> anyhow::Result<()> {
    let shown = to.display();
    if to.exists() {
        let mut entries = std::fs::read_dir(to).with_context(|| format!("{shown}: expected a folder"))?;
        if entries.next().is_some() {
            bail!("{shown}: the folder is not empty; name a new one for each backup");
        }
    } else {
        DirBuilder::new().recursive(true).mode(0o700).create(to).with_context(|| format!("cannot create {shown}"))?;
    }
    std::fs::create_dir(to.join(LOG)).with_context(|| format!("cannot write {shown}"))
}

fn copy_all(log: SegmentFiles, to: &Path, mut progress: Progress) -> anyhow::Result<Manifest> {
    let state = to.join(STATE);
    let failed = |path: &Path| path.display().to_string();
    let mut file = File::open(&state).with_context(|| failed(&state))?;
    let bytes = file.metadata().with_context(|| failed(&state))?.len();
    let segments = log.whole()?;
    progress.expect(bytes + segments.files.iter().map(|segment| segment.bytes).sum::<u64>());
    // SQLite leaves syncing the copy to the caller.
    file.sync_all().with_context(|| failed(&state))?;
    let sha256 = checksum(&mut file, bytes, &mut progress).with_context(|| failed(&state))?;
    let mut files = vec![Listed { path: STATE.to_owned(), bytes, sha256 }];
    for mut segment in segments.files {
        let path = format!("{LOG}/{}", segment.name);
        let target = to.join(&path);
        let sha256 = copy(&mut segment.file, &target, segment.bytes, &mut progress).with_context(|| failed(&target))?;
        files.push(Listed { path, bytes: segment.bytes, sha256 });
    }
    let manifest = Manifest::new(segments.newest, files);
    sync_folder(&to.join(LOG)).with_context(|| failed(to))?;
    manifest.write(to)?;
    sync_folder(to).with_context(|| failed(to))?;
    Ok(manifest)
}
