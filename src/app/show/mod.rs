//! What people see on a terminal: findings, rows, and a screen that is drawn again in place.

mod block;
mod changes;
mod findings;
mod rows;
mod screen;
mod text;

pub use block::Block;
pub use changes::{Change, Changes};
pub use findings::{blocks, chosen, findings, page, summary};
pub use rows::rows;
pub use screen::{Frame, Screen};

use std::io::{self, IsTerminal as _, Write as _};

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

/// Writes to standard output. A reader that has gone away (`| head`) is no fault.
///
/// # Errors
/// When it cannot be written for another reason.
pub fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome,
    }
}

/// Text that came from outside, without what a terminal would obey.
fn plain(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

/// Colours, by what they mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tone {
    Bad,
    Worrying,
    Good,
    Faint,
    Strong,
}

fn toned(text: &str, tone: Tone, colour: bool) -> String {
    if !colour {
        return text.to_owned();
    }
    let code = match tone {
        Tone::Bad => "31;1",
        Tone::Worrying => "33;1",
        Tone::Good => "32",
        Tone::Faint => "2",
        Tone::Strong => "1",
    };
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
}

#[cfg(test)]
mod tests;
