//! The manifest of a backup.

use anyhow::{Context as _, bail, ensure};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::Write as _;
use std::path::Path;

/// Format version of backups written by this program, and the newest one that it reads.
const FORMAT: u64 = 1;
/// File name of the state database, in the data directory and in a backup.
pub(super) const STATE: &str = "state.sqlite";
/// Directory of the log segments.
pub(super) const LOG: &str = "log";
/// File name of the manifest.
pub(super) const FILE: &str = "backup.json";

/// The files of a backup. The manifest is written last: a backup without it is incomplete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// Format version.
    format: u64,
    /// Version of Spanwise that created it.
    spanwise: String,
    /// Creation time.
    pub(super) made: String,
    /// The newest frame of its log.
    pub(crate) position: u64,
    /// All files.
    pub(super) files: Vec<Listed>,
}

/// A file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Listed {
    /// Path relative to the backup directory, with `/`.
    pub(super) path: String,
    /// Size in bytes.
    pub(super) bytes: u64,
    /// SHA-256 checksum.
    pub(super) sha256: String,
}

impl Manifest {
    pub(super) fn new(position: u64, files: Vec<Listed>) -> Manifest {
        let made = humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string();
        Manifest { format: FORMAT, spanwise: env!("CARGO_PKG_VERSION").to_owned(), made, position, files }
    }

    /// Returns the size of all files in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// Returns the number of files.
    pub(crate) fn count(&self) -> usize {
        self.files.len()
    }

    /// Writes the manifest durably into the directory.
    pub(super) fn write(&self, folder: &Path) -> anyhow::Result<()> {
        let path = folder.join(FILE);
        let mut file = File::create_new(&path).with_context(|| path.display().to_string())?;
        let text = serde_json::to_string_pretty(self)?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).with_context(|| path.display().to_string())
    }

    /// Reads the manifest and checks that this program supports it.
    pub(super) fn read(folder: &Path) -> anyhow::Result<Manifest> {
        let path = folder.join(FILE);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                bail!("{}: there is no {FILE}, so this is not a backup, or an unfinished one", folder.display())
            }
            Err(error) => return Err(error).with_context(|| path.display().to_string()),
        };
        let damaged = || format!("{}: the backup is damaged", path.display());
        let value: serde_json::Value = serde_json::from_str(&text).with_context(damaged)?;
        let format = value.get("format").and_then(serde_json::Value::as_u64).with_context(damaged)?;
        if format > FORMAT {
            let by = value.get("spanwise").and_then(serde_json::Value::as_str).unwrap_or("a newer version");
            bail!(
                "{}: the backup has format {format}, written by Spanwise {by}; this program \
                 reads up to {FORMAT}: use a newer program",
                path.display()
            );
        }
        let manifest: Manifest = serde_json::from_value(value).with_context(damaged)?;
        for file in &manifest.files {
            ensure!(is_ours(&file.path), "{}: names a file that is not part of a backup: {:?}", damaged(), file.path);
        }
        ensure!(manifest.files.iter().any(|file| file.path == STATE), "{}: it has no {STATE}", damaged());
        Ok(manifest)
    }
}

/// Returns whether a path is one that [`super::backup`] writes: nothing outside the directory may be read or written.
fn is_ours(path: &str) -> bool {
    let segment = |name: &str| {
        let stem = name.strip_suffix(".log").unwrap_or_default();
        stem.len() == 20 && stem.bytes().all(|byte| byte.is_ascii_digit())
    };
    path == STATE || path.split_once('/').is_some_and(|(folder, name)| folder == LOG && segment(name))
}
