//! Decompression within a limit: a bomb costs no more than the limit.

use bytes::Bytes;
use std::io::Read;

/// A body that could not be inflated.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum InflateError {
    /// More than the limit, after decompression.
    TooLarge,
    /// Not what its header says.
    Broken(String),
    /// A compression that is not known.
    Unknown,
}

/// Compressions by their HTTP and gRPC names.
pub(super) const KNOWN: [&str; 4] = ["identity", "gzip", "zstd", "deflate"];

/// Inflates `body` as the header `encoding` says.
pub(super) fn inflate(encoding: &str, body: Bytes, limit: usize) -> Result<Bytes, InflateError> {
    let plain = match encoding.trim().to_ascii_lowercase().as_str() {
        "" | "identity" => body,
        "gzip" | "x-gzip" => read(flate2::read::MultiGzDecoder::new(&body[..]), body.len(), limit)?,
        "deflate" => read(flate2::read::ZlibDecoder::new(&body[..]), body.len(), limit)?,
        "zstd" => {
            let decoder =
                zstd::Decoder::with_buffer(&body[..]).map_err(|error| InflateError::Broken(error.to_string()))?;
            read(decoder, body.len(), limit)?
        }
        _ => return Err(InflateError::Unknown),
    };
    if plain.len() > limit { Err(InflateError::TooLarge) } else { Ok(plain) }
}

fn read(decoder: impl Read, compressed: usize, limit: usize) -> Result<Bytes, InflateError> {
    // Telemetry shrinks to about a sixth; a better guess would need the whole body read first.
    let mut plain = Vec::with_capacity((compressed * 6).min(limit + 1));
    // One byte more than allowed tells "too large" from "just fits".
    decoder.take(limit as u64 + 1).read_to_end(&mut plain).map_err(|error| InflateError::Broken(error.to_string()))?;
    if plain.len() > limit { Err(InflateError::TooLarge) } else { Ok(plain.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

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
    fn garbage_and_unknown_compressions_are_told_apart() {
        assert!(matches!(inflate("gzip", Bytes::from_static(b"no gzip"), 1000), Err(InflateError::Broken(_))));
        assert_eq!(inflate("br", Bytes::new(), 1000), Err(InflateError::Unknown));
        let cut = gzip(&[7; 1000]);
        assert!(matches!(inflate("gzip", cut.slice(..cut.len() - 4), 1000), Err(InflateError::Broken(_))));
    }
}
