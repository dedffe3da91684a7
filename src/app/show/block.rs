//! A finding on a terminal: a title line, and lines of details as far as there is room.

use super::terminal::{Tone, toned};
use super::text::{squeeze, wrap, wrap_parts};

/// Indentation of all lines after the first.
const INDENT: usize = 12;
/// Maximum number of lines of a title, of evidence and of advice.
const LINES_MAX: usize = 2;

/// Level of detail of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Detail {
    /// The title only.
    Title,
    /// The title and the facts.
    Facts,
    /// The title, the facts, the evidence and the advice.
    All,
}

/// A finding with its texts, not yet coloured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    pub(super) mark: &'static str,
    pub(super) word: &'static str,
    pub(super) tone: Tone,
    pub(super) title: String,
    pub(super) recovering: Option<String>,
    /// Value and limit first, then facts that may be on a separate line.
    pub(super) facts: Vec<String>,
    /// Evidence, one line each.
    pub(super) evidence: Vec<String>,
    pub(super) advice: Option<String>,
    pub(super) colour: bool,
}

impl Block {
    /// Returns all lines at full length.
    #[must_use]
    pub fn whole(&self) -> String {
        let lines = self.lines(usize::MAX, Detail::All);
        format!("{}\n", lines.join("\n"))
    }

    /// Returns the lines for a detail level and a number of columns. Facts are never cut, because they contain the limit.
    pub(super) fn lines(&self, columns: usize, detail: Detail) -> Vec<String> {
        let room = columns.saturating_sub(INDENT);
        let recovering = self.recovering.as_deref().map(|text| format!("({text})"));
        let whole = match &recovering {
            Some(text) => format!("{} {text}", self.title),
            None => self.title.clone(),
        };
        let titles = match detail {
            Detail::All => wrapped_title(&whole, room),
            Detail::Title | Detail::Facts => vec![squeeze(&whole, room)],
        };
        let mut lines = Vec::new();
        for (number, text) in titles.iter().enumerate() {
            let text = self.title_toned(text, recovering.as_deref());
            if number > 0 {
                lines.push(format!("{}{text}", " ".repeat(INDENT)));
                continue;
            }
            let [mark, word] = [self.mark.to_owned(), format!("{:<8}", self.word)];
            lines.push(format!("{} {}  {text}", self.tone(&mark, self.tone), self.tone(&word, self.tone)));
        }
        if detail == Detail::Title {
            return lines;
        }
        let mut more = wrap_parts(&self.facts, room);
        if detail == Detail::All {
            more.extend(self.evidence.iter().flat_map(|line| wrap(line, room, LINES_MAX)));
            more.extend(self.advice.iter().flat_map(|advice| wrap(&format!("→ {advice}"), room, LINES_MAX)));
        }
        lines.extend(more.iter().map(|line| format!("{}{}", " ".repeat(INDENT), self.tone(line, Tone::Faint))));
        lines
    }

    /// Colours a title line; a recovery note in it gets a colour of its own if it is not cut.
    fn title_toned(&self, text: &str, recovering: Option<&str>) -> String {
        match recovering.and_then(|recovering| Some((text.strip_suffix(recovering)?, recovering))) {
            Some((title, recovering)) => {
                let (text, space) = title.strip_suffix(' ').map_or((title, ""), |title| (title, " "));
                format!("{}{space}{}", self.tone(text, Tone::Strong), self.tone(recovering, Tone::Good))
            }
            None => self.tone(text, Tone::Strong),
        }
    }

    fn tone(&self, text: &str, tone: Tone) -> String {
        toned(text, tone, self.colour && !text.is_empty())
    }
}

/// Wraps a title to the maximum number of lines; a longer one is cut in the middle.
fn wrapped_title(title: &str, columns: usize) -> Vec<String> {
    let whole = wrap(title, columns, usize::MAX);
    if whole.is_empty() {
        return vec![String::new()];
    }
    if whole.len() <= LINES_MAX {
        return whole;
    }
    // The space lost at line breaks is only known after wrapping, so lengths are tried in turn.
    let shorter = (columns..columns * LINES_MAX).rev().map(|shown| wrap(&squeeze(title, shown), columns, usize::MAX));
    shorter.into_iter().find(|lines| lines.len() <= LINES_MAX).unwrap_or_else(|| vec![squeeze(title, columns)])
}
