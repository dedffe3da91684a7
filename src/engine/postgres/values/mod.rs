//! Values as `PostgreSQL` reads, writes and converts them.

pub(crate) mod casts;
pub(crate) mod interval;
pub(crate) mod literals;
pub(crate) mod number;
pub(crate) mod stamp;
pub(crate) mod write;
