//! Terminal output: plain text, and colours by meaning.

use std::io::{self, Write as _};

/// Writes to standard output. A closed pipe (`| head`) is not an error.
///
/// # Errors
/// Returns an error if writing fails for another reason.
pub fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome,
    }
}

/// Replaces control characters in external text by spaces, because a terminal would interpret them.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

/// Colours by meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Bad,
    Worrying,
    Good,
    Faint,
    Strong,
}

pub(super) fn toned(text: &str, tone: Tone, colour: bool) -> String {
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
