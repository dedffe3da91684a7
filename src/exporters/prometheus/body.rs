//! Response body, plain or compressed piece by piece, so that the whole text is never in memory.

use flate2::write::GzEncoder;
use std::io::{self, Write as _};

/// Bytes per compression step.
const PIECE_BYTES: usize = 64 << 10;

/// The output so far.
pub(super) struct Body {
    /// Buffer that new output is appended to.
    pub(super) out: Vec<u8>,
    encoder: Option<GzEncoder<Vec<u8>>>,
}

impl Body {
    pub(super) fn new(with_gzip: bool) -> Body {
        let encoder = with_gzip.then(|| GzEncoder::new(Vec::new(), flate2::Compression::fast()));
        Body { out: Vec::with_capacity(PIECE_BYTES), encoder }
    }

    /// Compresses the buffer if it is large enough. Called after each complete series or family.
    ///
    /// # Errors
    /// Those of the encoder.
    pub(super) fn step(&mut self) -> io::Result<()> {
        if let Some(encoder) = self.encoder.as_mut().filter(|_| self.out.len() >= PIECE_BYTES) {
            encoder.write_all(&self.out)?;
            self.out.clear();
        }
        Ok(())
    }

    /// Returns the complete body.
    ///
    /// # Errors
    /// Those of the encoder.
    pub(super) fn finish(self) -> io::Result<Vec<u8>> {
        match self.encoder {
            Some(mut encoder) => {
                encoder.write_all(&self.out)?;
                encoder.finish()
            }
            None => Ok(self.out),
        }
    }
}
