//! Layer 2: admission and decoding. It does not know who reads after it.

pub mod decode;
