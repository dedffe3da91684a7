//! Durable copies of files with checksums.

use super::progress::Progress;
use crate::model::hex::hex;
use ring::digest::{Context, SHA256};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;

const CHUNK_BYTES: usize = 1 << 20;

/// Passes the first `bytes` of a file to `write` and to the checksum.
fn pass(
    from: &mut File,
    bytes: u64,
    progress: &mut Progress,
    mut write: impl FnMut(&[u8]) -> std::io::Result<()>,
) -> std::io::Result<String> {
    let (mut digest, mut left) = (Context::new(&SHA256), bytes);
    let mut chunk = vec![0; CHUNK_BYTES];
    while left > 0 {
        let most = usize::try_from(left).unwrap_or(CHUNK_BYTES).min(CHUNK_BYTES);
        let read = from.read(&mut chunk[..most])?;
        if read == 0 {
            return Err(std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "the file is truncated"));
        }
        write(&chunk[..read])?;
        digest.update(&chunk[..read]);
        left -= read as u64;
        progress.add(read as u64);
    }
    Ok(hex(digest.finish().as_ref()))
}

/// Copies the first `bytes` of a file durably to a new one and returns the checksum.
pub(super) fn copy(from: &mut File, to: &Path, bytes: u64, progress: &mut Progress) -> std::io::Result<String> {
    let mut target = File::create_new(to)?;
    let checksum = pass(from, bytes, progress, |chunk| target.write_all(chunk))?;
    target.sync_all()?;
    Ok(checksum)
}

/// Returns the checksum of the first `bytes` of a file.
pub(super) fn checksum(from: &mut File, bytes: u64, progress: &mut Progress) -> std::io::Result<String> {
    pass(from, bytes, progress, |_| Ok(()))
}

/// Makes the names in a directory durable.
pub(super) fn sync_folder(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}
