//! Terminal output: findings, rows, and a screen that is redrawn in place.

mod block;
mod changes;
mod findings;
mod rows;
mod screen;
mod terminal;
mod text;

pub use block::Block;
pub use changes::{Change, Changes};
pub use findings::{blocks, chosen, findings, page, summary};
pub use rows::rows;
pub use screen::{Frame, Screen};
pub use terminal::print;

use std::io::{self, IsTerminal as _};

/// Returns whether standard output is a terminal and colours are allowed.
#[must_use]
pub fn colour_on_stdout() -> bool {
    io::stdout().is_terminal() && colour_wanted()
}

/// Returns whether standard error is a terminal and colours are allowed.
#[must_use]
pub fn colour_on_stderr() -> bool {
    io::stderr().is_terminal() && colour_wanted()
}

/// Follows <https://no-color.org>.
fn colour_wanted() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

#[cfg(test)]
mod tests;
