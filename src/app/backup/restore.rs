//! `spanwise restore`.

use super::copy::{checksum, copy, sync_folder};
use super::manifest::{LOG, Listed, Manifest, STATE};
use super::progress::Progress;
use crate::app::folder::{self, STAGING};
use crate::state::State;
use anyhow::{Context as _, bail};
use std::fs::File;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::{Path, PathBuf};

/// Restores the backup in `from` to the data directory `store`, which no server may be using.
///
/// # Errors
/// Returns an error if the backup is damaged, incomplete or too new, if `store` is not empty and `force` is not set, or if
/// anything cannot be read or written. The contents of `store` stay untouched until the whole backup has been copied and
/// verified.
pub(crate) async fn restore(from: &Path, store: &Path, force: bool, progress: Progress) -> anyhow::Result<Manifest> {
    let manifest = Manifest::read(from)?;
    let shown = store.display().to_string();
    std::fs::create_dir_all(store).with_context(|| format!("cannot create {shown}"))?;
    let lock = folder::lock(store)?;
    let staging = store.join(STAGING);
    let is_unfinished = staging.exists();
    if !force && !is_unfinished && !held(store)?.is_empty() {
        bail!("{shown}: the folder contains data of Spanwise; --force deletes it and restores the backup");
    }
    if is_unfinished {
        std::fs::remove_dir_all(&staging).with_context(|| staging.display().to_string())?;
    }
    std::fs::create_dir_all(staging.join(LOG)).with_context(|| staging.display().to_string())?;
    let copied = {
        let (from, staging, manifest) = (from.to_owned(), staging.clone(), manifest.clone());
        tokio::task::spawn_blocking(move || copy_all(&manifest, &from, &staging, progress)).await?
    };
    let checked = match copied {
        Ok(()) => State::check(&staging.join(STATE)).await.map_err(anyhow::Error::from),
        Err(error) => Err(error),
    };
    if let Err(error) = checked {
        // Nothing has been changed yet.
        std::fs::remove_dir_all(&staging).with_context(|| staging.display().to_string())?;
        return Err(error);
    }
    put_in_place(store, &staging).with_context(|| shown.clone())?;
    drop(lock);
    Ok(manifest)
}

/// Returns the files that Spanwise keeps in a directory.
fn held(store: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut held = Vec::new();
    for name in [STATE, "state.sqlite-wal", "state.sqlite-shm"] {
        let path = store.join(name);
        if path.exists() {
            held.push(path);
        }
    }
    let log = store.join(LOG);
    if log.is_dir() && std::fs::read_dir(&log).with_context(|| log.display().to_string())?.next().is_some() {
        held.push(log);
    }
    Ok(held)
}

fn copy_all(manifest: &Manifest, from: &Path, staging: &Path, mut progress: Progress) -> anyhow::Result<()> {
    progress.expect(2 * manifest.bytes());
    // All damaged files are reported at once.
    let faults: Vec<String> =
        manifest.files.iter().filter_map(|file| fault(file, &from.join(&file.path), &mut progress)).collect();
    if !faults.is_empty() {
        bail!("the backup is damaged:\n{}", faults.join("\n"));
    }
    for file in &manifest.files {
        let (source, target) = (from.join(&file.path), staging.join(&file.path));
        let copied = File::open(&source).and_then(|mut source| copy(&mut source, &target, file.bytes, &mut progress));
        let found = copied.with_context(|| format!("{} to {}", source.display(), target.display()))?;
        if found != file.sha256 {
            bail!("{}: changed while being read", source.display());
        }
    }
    sync_folder(&staging.join(LOG)).and_then(|()| sync_folder(staging)).with_context(|| staging.display().to_string())
}

/// Returns the fault of a file of the backup, if any.
fn fault(listed: &Listed, path: &Path, progress: &mut Progress) -> Option<String> {
    let shown = path.display();
    let found = File::open(path).and_then(|mut file| {
        let bytes = file.metadata()?.len();
        if bytes != listed.bytes {
            return Ok(Err(format!("{shown}: has {bytes} bytes, expected {}", listed.bytes)));
        }
        Ok(Ok(checksum(&mut file, bytes, progress)?))
    });
    match found {
        Ok(Ok(sha256)) if sha256 == listed.sha256 => None,
        Ok(Ok(_)) => Some(format!("{shown}: checksum mismatch")),
        Ok(Err(message)) => Some(message),
        Err(error) => Some(format!("{shown}: {error}")),
    }
}

/// Deletes the old contents and moves the copied files into place. If this is interrupted, the staging directory still
/// exists, and a server reports it instead of starting with incomplete data.
fn put_in_place(store: &Path, staging: &Path) -> anyhow::Result<()> {
    for path in held(store)? {
        if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) }
            .with_context(|| path.display().to_string())?;
    }
    let log = store.join(LOG);
    if log.is_dir() {
        std::fs::remove_dir(&log).with_context(|| log.display().to_string())?;
    }
    // The directory belongs to the user of the server, but root may run the restore.
    let owner = std::fs::metadata(store)?;
    own(&staging.join(STATE), &owner)?;
    own(&staging.join(LOG), &owner)?;
    for entry in std::fs::read_dir(staging.join(LOG))? {
        own(&entry?.path(), &owner)?;
    }
    own(&store.join("lock"), &owner)?;
    std::fs::rename(staging.join(STATE), store.join(STATE))?;
    std::fs::rename(staging.join(LOG), &log)?;
    sync_folder(store)?;
    std::fs::remove_dir(staging)?;
    Ok(sync_folder(store)?)
}

fn own(path: &Path, owner: &std::fs::Metadata) -> std::io::Result<()> {
    let found = std::fs::metadata(path)?;
    if (found.uid(), found.gid()) == (owner.uid(), owner.gid()) {
        return Ok(());
    }
    chown(path, Some(owner.uid()), Some(owner.gid()))
}
