//! From running totals to what was added since the last point, for targets that take nothing else.

mod digest;
mod histogram;
pub mod marks;
mod points;
mod state;
mod steps;
mod to_delta;

#[cfg(test)]
mod tests;

pub use to_delta::{Initial, Rules, ToDelta};
