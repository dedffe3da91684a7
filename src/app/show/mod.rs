//! What people see on a terminal: findings, rows, and a screen that is drawn again in place.

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

/// Whether standard output is a terminal that may be coloured.
#[must_use]
pub fn colour_on_stdout() -> bool {
    io::stdout().is_terminal() && colour_wanted()
}

/// Whether standard error is a terminal that may be coloured.
#[must_use]
pub fn colour_on_stderr() -> bool {
    io::stderr().is_terminal() && colour_wanted()
}

/// As <https://no-color.org> has it.
fn colour_wanted() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

#[cfg(test)]
mod tests;
