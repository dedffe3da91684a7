//! A part of the terminal that is drawn again in place.

use super::print;
use std::io;

/// Draws over what it drew before.
#[derive(Debug, Default)]
pub struct Screen {
    last: Option<String>,
}

impl Screen {
    /// Draws `text`, from the top of the terminal; nothing where it is what stands there already.
    ///
    /// # Errors
    /// When the terminal cannot be written.
    pub fn draw(&mut self, text: &str) -> io::Result<()> {
        if self.last.as_deref() == Some(text) {
            return Ok(());
        }
        // The first time everything is cleared. Later each line is overwritten and its rest cleared, then what is below:
        // that does not flicker.
        let begin = if self.last.is_none() { "\u{1b}[2J\u{1b}[H" } else { "\u{1b}[H" };
        let lines = text.replace('\n', "\u{1b}[K\n");
        self.last = Some(text.to_owned());
        print(&format!("{begin}{lines}\u{1b}[J"))
    }
}
