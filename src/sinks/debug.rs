//! What came in, as lines of the log.

use crate::model::signal::Signal;

/// How much is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Verbosity {
    /// A line a request.
    #[default]
    Basic,
    /// A line an item.
    Normal,
    /// Everything.
    Detailed,
}

/// A target that prints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DebugSettings {
    /// The exporter's id.
    pub id: String,
    /// How much is printed.
    pub verbosity: Verbosity,
    /// Signals that it gets.
    pub signals: Vec<Signal>,
}
