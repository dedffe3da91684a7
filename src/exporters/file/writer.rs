//! Writes requests to a file, each whole or not at all, and rotates it.

use super::settings::{FileSettings, Rotation, folder};
use crate::model::unix_time::now_ms;
use anyhow::{Context as _, bail, ensure};
use chrono::{DateTime, NaiveDateTime, Utc};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Suffix of the time in the names of files that a Collector has renamed.
const BY_SIZE: &str = "-size";
/// Time in the name of a renamed file.
const TIME: &str = "%Y-%m-%dT%H-%M-%S%.3f";
/// Bytes of a length prefix.
const LENGTH: usize = 4;
/// First bytes of data compressed with zstd.
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// First byte of a request in protobuf: the tag of its list of resources.
const FIRST_FIELD: u8 = 0x0a;
/// Bytes read at a time to find the end of the last line.
const STEP: u64 = 64 << 10;

/// An open file.
pub(super) struct Writer {
    path: PathBuf,
    has_lines: bool,
    rotation: Option<Rotation>,
    file: File,
    /// Bytes of whole requests.
    length: u64,
}

impl Writer {
    /// Opens the file, and removes the request at its end that a crash left incomplete: it was not delivered, so it is written
    /// again.
    pub(super) fn open(settings: &FileSettings) -> anyhow::Result<Writer> {
        if settings.creates_folder {
            std::fs::create_dir_all(folder(&settings.path))?;
        }
        let is_new = !settings.path.exists();
        let (mut file, has_lines) = (opened(&settings.path)?, settings.has_lines());
        if is_new {
            sync_folder(&settings.path);
        }
        check_beginning(&mut file, settings)?;
        let length = if has_lines { end_of_lines(&mut file)? } else { end_of_lengths(&mut file)? };
        if file.metadata()?.len() > length {
            file.set_len(length)?;
        }
        Ok(Writer { path: settings.path.clone(), has_lines, rotation: settings.rotation.clone(), file, length })
    }

    /// Appends a request and syncs it to disk.
    pub(super) fn write(&mut self, request: &[u8]) -> anyhow::Result<()> {
        let bytes = self.framed(request)?;
        // Something else may have emptied it, as logrotate does.
        self.length = self.length.min(self.file.metadata()?.len());
        let is_full = |rotation: &Rotation| self.length > 0 && self.length + bytes.len() as u64 > rotation.bytes_max;
        if self.rotation.as_ref().is_some_and(is_full) {
            self.rotate()?;
        }
        let written = self.file.seek(SeekFrom::Start(self.length)).and_then(|_| self.file.write_all(&bytes));
        if let Err(error) = written.and_then(|()| self.file.sync_data()) {
            // The next attempt writes it again.
            if let Err(error) = self.file.set_len(self.length) {
                tracing::warn!(file = %self.path.display(), %error, "an incomplete request cannot be removed");
            }
            return Err(error.into());
        }
        self.length += bytes.len() as u64;
        Ok(())
    }

    fn framed(&self, request: &[u8]) -> anyhow::Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(request.len() + LENGTH);
        if self.has_lines {
            bytes.extend_from_slice(request);
            bytes.push(b'\n');
        } else {
            let length =
                u32::try_from(request.len()).context("the request is larger than 4 GiB, the maximum of this format")?;
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(request);
        }
        Ok(bytes)
    }

    /// Renames the file, begins a new one, and deletes renamed files beyond the limits.
    fn rotate(&mut self) -> anyhow::Result<()> {
        // Another one is there, or none, if an earlier attempt could not begin a new one.
        if self.is_own()? {
            self.rename()?;
        }
        self.file = opened(&self.path)?;
        self.length = 0;
        sync_folder(&self.path);
        if let Some(rotation) = &self.rotation
            && let Err(error) = thin(&self.path, rotation, now_ms())
        {
            // Exporting goes on; the next rotation tries again.
            tracing::warn!(file = %self.path.display(), %error, "renamed files beyond the limit cannot be deleted");
        }
        Ok(())
    }

    /// Returns whether the open file has the path.
    fn is_own(&self) -> anyhow::Result<bool> {
        let own = self.file.metadata()?;
        match std::fs::metadata(&self.path) {
            Ok(found) => Ok((found.dev(), found.ino()) == (own.dev(), own.ino())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn rename(&self) -> anyhow::Result<()> {
        let mut backups = (now_ms()..).map(|ms| backup(&self.path, ms));
        let backup = backups.find(|backup| !backup.exists()).context("no name is left for the renamed file")?;
        std::fs::rename(&self.path, &backup).with_context(|| format!("cannot be renamed to {}", backup.display()))
    }
}

/// Syncs the name of a new file, so that it is there after a crash. Not all file systems can.
fn sync_folder(path: &Path) {
    if let Err(error) = File::open(folder(path)).and_then(|folder| folder.sync_all()) {
        tracing::debug!(file = %path.display(), %error, "the folder cannot be synced");
    }
}

fn opened(path: &Path) -> anyhow::Result<File> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!("is locked by another exporter or process"),
        Err(TryLockError::Error(error)) => Err(error).context("cannot be locked"),
    }
}

/// Checks that the file begins as the format does, because what looks incomplete at its end is removed.
fn check_beginning(file: &mut File, settings: &FileSettings) -> anyhow::Result<()> {
    let (skipped, expected): (u64, &[u8]) = match settings {
        settings if settings.has_lines() => (0, b"{\"resource"),
        settings if settings.is_compressed => (LENGTH as u64, &ZSTD_MAGIC),
        _ => (LENGTH as u64, &[FIRST_FIELD]),
    };
    if file.metadata()?.len() == 0 {
        return Ok(());
    }
    file.seek(SeekFrom::Start(skipped))?;
    let mut found = Vec::new();
    file.take(expected.len() as u64).read_to_end(&mut found)?;
    ensure!(expected.starts_with(&found), "the file has data of another format; set another `path`");
    Ok(())
}

/// Returns the end of the last whole line.
fn end_of_lines(file: &mut File) -> anyhow::Result<u64> {
    let mut end = file.metadata()?.len();
    while end > 0 {
        let from = end.saturating_sub(STEP);
        let mut bytes = vec![0; usize::try_from(end - from)?];
        file.seek(SeekFrom::Start(from))?;
        file.read_exact(&mut bytes)?;
        if let Some(at) = bytes.iter().rposition(|byte| *byte == b'\n') {
            return Ok(from + at as u64 + 1);
        }
        end = from;
    }
    Ok(0)
}

/// Returns the end of the last whole request.
fn end_of_lengths(file: &mut File) -> anyhow::Result<u64> {
    let (all, mut end) = (file.metadata()?.len(), 0);
    loop {
        file.seek(SeekFrom::Start(end))?;
        let mut length = [0; LENGTH];
        match file.read_exact(&mut length) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(end),
            read => read?,
        }
        let next = end + LENGTH as u64 + u64::from(u32::from_be_bytes(length));
        if next > all {
            return Ok(end);
        }
        end = next;
    }
}

/// Returns the name of a file renamed at a time: `traces-2026-11-30T12-00-00.000.json`.
fn backup(path: &Path, unix_ms: i64) -> PathBuf {
    let time = DateTime::<Utc>::from_timestamp_millis(unix_ms).unwrap_or_default().format(TIME);
    let (before, after) = around(path);
    path.with_file_name(format!("{before}{time}{after}"))
}

/// Returns what stands before and after the time in the names of renamed files.
fn around(path: &Path) -> (String, String) {
    let text = |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
    let after = path.extension().map(|extension| format!(".{}", extension.to_string_lossy()));
    (format!("{}-", text(path.file_stem())), after.unwrap_or_default())
}

/// Deletes renamed files beyond the limits. Returns the last error, if any.
fn thin(path: &Path, rotation: &Rotation, now_ms: i64) -> anyhow::Result<()> {
    let (before, after) = around(path);
    let mut backups: Vec<(i64, PathBuf)> = Vec::new();
    for entry in std::fs::read_dir(folder(path))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let time = name.strip_prefix(&before).and_then(|name| name.strip_suffix(&after));
        let time = time.map(|time| time.strip_suffix(BY_SIZE).unwrap_or(time));
        let time = time.and_then(|time| NaiveDateTime::parse_from_str(time, TIME).ok());
        backups.extend(time.map(|time| (time.and_utc().timestamp_millis(), entry.path())));
    }
    backups.sort_by(|a, b| b.cmp(a));
    let age_max_ms = i64::try_from(rotation.age_max.as_millis()).unwrap_or(i64::MAX);
    let mut outcome = Ok(());
    let is_old = |time: i64| age_max_ms > 0 && now_ms - time > age_max_ms;
    let is_beyond = |place: usize| rotation.backups_max > 0 && place >= rotation.backups_max;
    for (place, (time, backup)) in backups.iter().enumerate() {
        if (is_beyond(place) || is_old(*time))
            && let Err(error) = std::fs::remove_file(backup)
            && error.kind() != ErrorKind::NotFound
        {
            outcome = Err(anyhow::Error::from(error).context(backup.display().to_string()));
        }
    }
    outcome
}
