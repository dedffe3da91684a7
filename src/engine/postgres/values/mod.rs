//! Parses, formats and converts values as in `PostgreSQL`.

pub(crate) mod casts;
pub(crate) mod interval;
pub(crate) mod literals;
pub(crate) mod number;
pub(crate) mod stamp;
pub(crate) mod write;
