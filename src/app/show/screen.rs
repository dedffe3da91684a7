//! A part of the terminal that is redrawn in place.

use super::block::{Block, Detail};
use super::terminal::print;
use super::text::cut;
use std::io;

/// Number of findings that keep their details before every other one has a line.
const DETAILED_LEAST: usize = 3;

/// Contents of the screen, from top to bottom.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Lines at the top.
    pub head: String,
    /// Lines at the top if there is little room.
    pub head_short: String,
    /// Findings.
    pub findings: Vec<Block>,
    /// Lines at the bottom.
    pub foot: String,
}

impl Frame {
    /// Returns the full contents.
    #[must_use]
    pub fn whole(&self) -> String {
        let findings: String = self.findings.iter().map(Block::whole).collect();
        format!("{}{findings}{}", self.head, self.foot)
    }

    /// Returns what fits into the given columns and lines. First the head is shortened, then the findings lose their details
    /// from the last to the first, then the last ones are only counted: the first ones are the worst and keep their details.
    /// Wider lines would be wrapped by the terminal, and more lines would scroll the head away.
    fn fit(&self, columns: usize, lines: usize) -> String {
        let foot: Vec<String> = self.foot.lines().map(|line| cut(line, columns)).collect();
        let head = |text: &str| text.lines().map(|line| cut(line, columns)).collect::<Vec<_>>();
        let whole: Vec<Vec<String>> = self.findings.iter().map(|block| block.lines(columns, Detail::All)).collect();
        let needed: usize = whole.iter().map(Vec::len).sum();
        let mut shown = head(&self.head);
        if shown.len() + needed + foot.len() > lines && !self.head_short.is_empty() {
            shown = head(&self.head_short);
        }
        let room = lines.saturating_sub(shown.len() + foot.len());
        shown.extend(self.findings_in(columns, room));
        shown.truncate(lines.saturating_sub(foot.len()));
        shown.extend(foot);
        shown.truncate(lines);
        shown.push(String::new());
        shown.join("\n")
    }

    /// Returns the findings within `room` lines.
    fn findings_in(&self, columns: usize, room: usize) -> Vec<String> {
        let mut shown: Vec<Vec<String>> = Vec::new();
        let mut used = 0;
        // One line is reserved for the count of hidden findings.
        let is_last = |number: usize| number + 1 == self.findings.len();
        for (number, block) in self.findings.iter().enumerate() {
            let left = room.saturating_sub(used + usize::from(!is_last(number)));
            let least = if number < DETAILED_LEAST { Detail::All } else { Detail::Title };
            let lines = block.lines(columns, least);
            let lines = if lines.len() > left { block.lines(columns, Detail::Title) } else { lines };
            if lines.len() > left {
                break;
            }
            used += lines.len();
            shown.push(lines);
        }
        let hidden = self.findings.len() - shown.len();
        if hidden > 0 && room > 0 {
            used += 1;
        }
        // The remaining room goes to findings without details: first the facts, then the advice, from the first to the last.
        for detail in [Detail::Facts, Detail::All] {
            for (lines, block) in shown.iter_mut().zip(&self.findings) {
                let more = block.lines(columns, detail);
                if more.len() > lines.len() && used + more.len() - lines.len() <= room {
                    used += more.len() - lines.len();
                    *lines = more;
                }
            }
        }
        let mut all = shown.concat();
        if hidden > 0 && room > 0 {
            all.push(cut(&format!("… and {hidden} more"), columns));
        }
        all
    }
}

/// Redraws over the previous contents.
#[derive(Debug, Default)]
pub struct Screen {
    last: Option<(Frame, Option<(usize, usize)>)>,
}

impl Screen {
    /// Draws what fits, from the top of the terminal; does nothing if it is unchanged.
    ///
    /// # Errors
    /// Returns an error if writing to the terminal fails.
    pub fn draw(&mut self, frame: Frame) -> io::Result<()> {
        let size = terminal_size::terminal_size()
            .map(|(columns, lines)| (usize::from(columns.0), usize::from(lines.0)))
            .filter(|(columns, lines)| *columns > 0 && *lines > 0);
        let now = Some((frame, size));
        if self.last == now {
            return Ok(());
        }
        // The first draw and a resize clear everything. Otherwise each line is overwritten and its rest cleared, then
        // everything below, which does not flicker.
        let is_same = matches!(&self.last, Some((_, before)) if *before == size);
        let begin = if is_same { "\u{1b}[H" } else { "\u{1b}[2J\u{1b}[H" };
        let text = match &now {
            // The last line is for the cursor.
            Some((frame, Some((columns, lines)))) => frame.fit(*columns, lines.saturating_sub(1)),
            Some((frame, None)) => frame.whole(),
            None => String::new(),
        };
        self.last = now;
        print(&format!("{begin}{}\u{1b}[J", text.replace('\n', "\u{1b}[K\n")))
    }
}

#[cfg(test)]
mod tests {
    use super::super::terminal::Tone;
    use super::*;

    fn block(number: usize) -> Block {
        Block {
            mark: "●",
            word: "critical",
            tone: Tone::Bad,
            title: format!("finding {number}"),
            recovering: None,
            facts: vec!["2 s, 20x the limit of 100 ms".to_owned(), "slow".to_owned()],
            evidence: Vec::new(),
            advice: Some("advice".to_owned()),
            colour: false,
        }
    }

    fn frame(findings: usize) -> Frame {
        Frame {
            head: "a\nb\nc\n".to_owned(),
            head_short: "a\n".to_owned(),
            findings: (1..=findings).map(block).collect(),
            foot: "counted\n".to_owned(),
        }
    }

    fn in_short(frame: &Frame, lines: usize) -> String {
        let word = |line: &str| match line.trim() {
            line if line.starts_with('●') => line.rsplit(' ').next().unwrap_or_default().to_owned(),
            line if line.starts_with("2 s") => "f".to_owned(),
            line if line.starts_with('→') => "a".to_owned(),
            line => line.replace(' ', "_"),
        };
        frame.fit(80, lines).lines().map(word).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_first_findings_keep_their_details() {
        assert_eq!(in_short(&frame(2), 10), "a b c 1 f a 2 f a counted");
        // The head is shortened first, then the last findings.
        assert_eq!(in_short(&frame(2), 9), "a 1 f a 2 f a counted");
        assert_eq!(in_short(&frame(2), 7), "a 1 f a 2 f counted");
        assert_eq!(in_short(&frame(2), 6), "a 1 f a 2 counted");
        assert_eq!(in_short(&frame(2), 5), "a 1 f 2 counted");
        assert_eq!(in_short(&frame(9), 17), "a 1 f a 2 f a 3 f a 4 5 6 7 8 9 counted");
        assert_eq!(in_short(&frame(9), 19), "a 1 f a 2 f a 3 f a 4 f 5 f 6 7 8 9 counted");
        assert_eq!(in_short(&frame(9), 14), "a 1 f a 2 f a 3 f a 4 5 …_and_4_more counted");
        assert_eq!(in_short(&frame(9), 5), "a 1 2 …_and_7_more counted");
        assert_eq!(in_short(&frame(9), 2), "a counted");
        for lines in 0..40 {
            assert!(frame(9).fit(80, lines).lines().count() <= lines, "{lines}");
        }
        assert_eq!(Frame { findings: Vec::new(), ..frame(0) }.fit(80, 5), "a\nb\nc\ncounted\n");
    }

    #[test]
    fn limits_are_never_cut() {
        let long = Block {
            title: "shop GET /recommendations: p95 is 2 s, over the budget recommendations of 100 ms".to_owned(),
            evidence: vec!["日本語".repeat(30)],
            advice: Some("An operation takes longer than the budget that you set for it. ".repeat(3)),
            ..block(1)
        };
        let frame = Frame { findings: vec![long; 3], ..frame(0) };
        for (columns, lines) in [(100, 29), (80, 23), (60, 20), (40, 30)] {
            let text = frame.fit(columns, lines);
            assert!(text.lines().all(|line| super::super::text::width(line) <= columns), "{text}");
            assert!(text.lines().count() <= lines);
            let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(flat.contains("2 s, 20x the limit of 100 ms"), "{text}");
        }
        for columns in [100, 80, 60, 50] {
            let title = frame.findings[0].lines(columns, Detail::All).into_iter().take(2).collect::<String>();
            assert!(title.contains("of 100 ms"), "{columns}: {title}");
        }
        // The end of a title is kept in a single line, too.
        assert!(frame.findings[0].lines(60, Detail::Title)[0].ends_with("of 100 ms"));
    }
}
