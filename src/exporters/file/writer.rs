//! Writes requests to a file, each whole or not at all, and rotates it.

use super::settings::{FileSettings, Rotation};
use anyhow::{Context as _, ensure};
use chrono::{DateTime, NaiveDateTime, Utc};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Time in the name of a renamed file, as the Collector writes it.
const TIME: &str = "%Y-%m-%dT%H-%M-%S%.3f";
/// Bytes of a length.
const LENGTH: usize = 4;
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
        if let Some(folder) = settings.path.parent().filter(|_| settings.creates_folder) {
            std::fs::create_dir_all(folder)?;
        }
        let (mut file, has_lines) = (opened(&settings.path)?, settings.has_lines());
        let length = if has_lines { end_of_lines(&mut file)? } else { end_of_lengths(&mut file)? };
        if file.metadata()?.len() > length {
            file.set_len(length)?;
        }
        Ok(Writer { path: settings.path.clone(), has_lines, rotation: settings.rotation.clone(), file, length })
    }

    /// Appends a request and syncs it to disk.
    pub(super) fn write(&mut self, request: &[u8]) -> anyhow::Result<()> {
        let bytes = self.framed(request)?;
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
            let length = u32::try_from(request.len()).context("the request is longer than its length can tell")?;
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(request);
        }
        Ok(bytes)
    }

    /// Renames the file, begins a new one, and deletes renamed files beyond the limits.
    fn rotate(&mut self) -> anyhow::Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now_ms = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
        let mut backups = (now_ms..).map(|ms| backup(&self.path, ms));
        let backup = backups.find(|backup| !backup.exists()).context("no name is left for the renamed file")?;
        std::fs::rename(&self.path, &backup).with_context(|| format!("cannot be renamed to {}", backup.display()))?;
        self.file = opened(&self.path)?;
        self.length = 0;
        if let Some(rotation) = &self.rotation
            && let Err(error) = thin(&self.path, rotation, now_ms)
        {
            // Exporting goes on; the next rotation tries again.
            tracing::warn!(file = %self.path.display(), %error, "renamed files beyond the limit cannot be deleted");
        }
        Ok(())
    }
}

fn opened(path: &Path) -> anyhow::Result<File> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    ensure!(file.try_lock().is_ok(), "something else writes to it");
    Ok(file)
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

/// Deletes renamed files beyond the limits, oldest first.
fn thin(path: &Path, rotation: &Rotation, now_ms: i64) -> anyhow::Result<()> {
    let (before, after) = around(path);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut backups: Vec<(i64, PathBuf)> = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let time = name.strip_prefix(&before).and_then(|name| name.strip_suffix(&after));
        let time = time.and_then(|time| NaiveDateTime::parse_from_str(time, TIME).ok());
        backups.extend(time.map(|time| (time.and_utc().timestamp_millis(), entry.path())));
    }
    backups.sort_by(|a, b| b.cmp(a));
    let age_max_ms = i64::try_from(rotation.age_max.as_millis()).unwrap_or(i64::MAX);
    let is_old = |time: i64| age_max_ms > 0 && now_ms - time > age_max_ms;
    let is_beyond = |place: usize| rotation.backups_max > 0 && place >= rotation.backups_max;
    for (place, (time, backup)) in backups.iter().enumerate() {
        if is_beyond(place) || is_old(*time) {
            std::fs::remove_file(backup)?;
        }
    }
    Ok(())
}
