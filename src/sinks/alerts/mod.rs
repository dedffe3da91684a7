//! Findings to people.

mod settings;

pub use settings::{ChannelKind, ChannelSettings};
