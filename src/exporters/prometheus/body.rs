//! The body of an answer: as it is, or compressed piece by piece, so that the text is never held whole.

use flate2::write::GzEncoder;
use std::io::{self, Write as _};

/// How much is compressed at a time.
const PIECE_BYTES: usize = 64 << 10;

/// What has been printed so far.
pub(super) struct Body {
    /// What is printed next is added here.
    pub(super) out: Vec<u8>,
    encoder: Option<GzEncoder<Vec<u8>>>,
}

impl Body {
    pub(super) fn new(with_gzip: bool) -> Body {
        let encoder = with_gzip.then(|| GzEncoder::new(Vec::new(), flate2::Compression::fast()));
        Body { out: Vec::with_capacity(PIECE_BYTES), encoder }
    }

    /// A whole series or family has been printed: compresses what there is, if it is enough.
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

    /// All of it.
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
