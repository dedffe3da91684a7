//! Decompression with a limit: a decompression bomb costs no more than the limit.

use super::inflight::InflightPermit;
use super::refusal::Refusal;
use bytes::Bytes;
use std::io::Read;

/// A body that could not be inflated.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum InflateError {
    /// Larger than the limit after decompression.
    TooLarge,
    /// Not valid in the compression of its header.
    Broken(String),
    /// An unsupported compression.
    Unknown,
    /// The memory limit is reached.
    Refused(Refusal),
}

/// Compressions by their HTTP and gRPC names.
pub(super) const KNOWN: [&str; 4] = ["identity", "gzip", "zstd", "deflate"];

/// Bytes inflated at a time.
const CHUNK_BYTES: usize = 64 << 10;

/// Inflates `body`, which has its permit, according to the header `encoding`; the inflated bytes replace it in the permit.
pub(super) fn inflate(
    encoding: &str,
    body: Bytes,
    limit: usize,
    room: &mut InflightPermit,
) -> Result<Bytes, InflateError> {
    let compressed = body.len();
    let plain = match encoding.trim().to_ascii_lowercase().as_str() {
        "" | "identity" => return if compressed > limit { Err(InflateError::TooLarge) } else { Ok(body) },
        "gzip" | "x-gzip" => read(flate2::read::MultiGzDecoder::new(&body[..]), limit, room)?,
        "deflate" => read(flate2::read::ZlibDecoder::new(&body[..]), limit, room)?,
        "zstd" => {
            let decoder =
                zstd::Decoder::with_buffer(&body[..]).map_err(|error| InflateError::Broken(error.to_string()))?;
            read(decoder, limit, room)?
        }
        _ => return Err(InflateError::Unknown),
    };
    room.give_back(compressed);
    Ok(plain)
}

fn read(mut decoder: impl Read, limit: usize, room: &mut InflightPermit) -> Result<Bytes, InflateError> {
    let mut plain = Vec::new();
    loop {
        let read = decoder.by_ref().take(CHUNK_BYTES as u64).read_to_end(&mut plain);
        let read = read.map_err(|error| InflateError::Broken(error.to_string()))?;
        if read == 0 {
            return Ok(plain.into());
        }
        if plain.len() > limit {
            return Err(InflateError::TooLarge);
        }
        room.take(read).map_err(InflateError::Refused)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn inflate(encoding: &str, body: Bytes, limit: usize) -> Result<Bytes, InflateError> {
        super::inflate(encoding, body, limit, &mut InflightPermit::new(Arc::default(), usize::MAX))
    }

    fn gzip(plain: &[u8]) -> Bytes {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap().into()
    }

    #[test]
    fn what_just_fits_is_taken_and_one_byte_more_is_not() {
        assert_eq!(inflate("gzip", gzip(&[7; 1000]), 1000), Ok(Bytes::from(vec![7; 1000])));
        assert_eq!(inflate("gzip", gzip(&[7; 1001]), 1000), Err(InflateError::TooLarge));
        assert_eq!(inflate("", Bytes::from(vec![7; 1001]), 1000), Err(InflateError::TooLarge));
    }

    #[test]
    fn what_is_inflated_takes_room_while_it_grows() {
        let taken = Arc::<AtomicUsize>::default();
        let (bomb, limit) = (gzip(&vec![0; 10 << 20]), 20 << 20);
        let mut held = InflightPermit::new(taken.clone(), 1 << 20);
        held.take(1).unwrap();
        let mut room = InflightPermit::new(taken.clone(), 1 << 20);
        assert!(matches!(super::inflate("gzip", bomb.clone(), limit, &mut room), Err(InflateError::Refused(_))));
        // At most one chunk more than the limit.
        assert!(taken.load(Ordering::Relaxed) <= (1 << 20) + CHUNK_BYTES);
        drop((held, room));
        let mut alone = InflightPermit::new(taken.clone(), 1 << 20);
        alone.take(bomb.len()).unwrap();
        assert_eq!(super::inflate("gzip", bomb, limit, &mut alone).unwrap().len(), 10 << 20);
        assert_eq!(taken.load(Ordering::Relaxed), 10 << 20);
    }

    #[test]
    fn garbage_and_unknown_compressions_are_told_apart() {
        assert!(matches!(inflate("gzip", Bytes::from_static(b"no gzip"), 1000), Err(InflateError::Broken(_))));
        assert_eq!(inflate("br", Bytes::new(), 1000), Err(InflateError::Unknown));
        let cut = gzip(&[7; 1000]);
        assert!(matches!(inflate("gzip", cut.slice(..cut.len() - 4), 1000), Err(InflateError::Broken(_))));
    }
}
