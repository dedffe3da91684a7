//! A part of the terminal that is drawn again in place.

use super::print;
use std::io;

/// What stands on the screen, from top to bottom.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Lines that come first.
    pub head: String,
    /// Findings, each a line that names it and lines that say more.
    pub findings: Vec<String>,
    /// Lines that come last.
    pub foot: String,
}

impl Frame {
    /// All of it.
    #[must_use]
    pub fn whole(&self) -> String {
        format!("{}{}{}", self.head, self.findings.concat(), self.foot)
    }

    /// As much as fits into so many columns and lines: first the findings lose what they say more, then those that do not
    /// fit are counted, then the head is cut. What is wider than the terminal would be wrapped, and what is higher would
    /// scroll the head away.
    fn fit(&self, columns: usize, lines: usize) -> String {
        let count = |text: &str| text.lines().count();
        let (head, foot) = (count(&self.head), count(&self.foot));
        let left = lines.saturating_sub(head + foot);
        let mut findings: Vec<&str> = self.findings.iter().map(String::as_str).collect();
        if findings.iter().map(|finding| count(finding)).sum::<usize>() > left {
            findings = findings.into_iter().map(|finding| finding.lines().next().unwrap_or_default()).collect();
        }
        let mut shown: Vec<String> = self.head.lines().map(|line| cut(line, columns)).collect();
        let hidden = if findings.iter().map(|finding| count(finding)).sum::<usize>() > left {
            findings.len() - left.saturating_sub(1).min(findings.len())
        } else {
            0
        };
        findings.truncate(findings.len() - hidden);
        shown.extend(findings.into_iter().flat_map(str::lines).map(|line| cut(line, columns)));
        if hidden > 0 {
            let last = lines.saturating_sub(foot + 1);
            shown.truncate(last);
            shown.push(cut(&format!("… and {hidden} more"), columns));
        }
        shown.extend(self.foot.lines().map(|line| cut(line, columns)));
        shown.truncate(lines);
        shown.push(String::new());
        shown.join("\n")
    }
}

/// Draws over what it drew before.
#[derive(Debug, Default)]
pub struct Screen {
    last: Option<(Frame, Option<(usize, usize)>)>,
}

impl Screen {
    /// Draws what fits, from the top of the terminal; nothing where it is what stands there already.
    ///
    /// # Errors
    /// When the terminal cannot be written.
    pub fn draw(&mut self, frame: Frame) -> io::Result<()> {
        let size = terminal_size::terminal_size()
            .map(|(columns, lines)| (usize::from(columns.0), usize::from(lines.0)))
            .filter(|(columns, lines)| *columns > 0 && *lines > 0);
        let now = Some((frame, size));
        if self.last == now {
            return Ok(());
        }
        // At first, and where the terminal has another size, everything is cleared. Later each line is overwritten and
        // its rest cleared, then what is below: that does not flicker.
        let is_same = matches!(&self.last, Some((_, before)) if *before == size);
        let begin = if is_same { "\u{1b}[H" } else { "\u{1b}[2J\u{1b}[H" };
        let text = match &now {
            // The cursor stands in the line below.
            Some((frame, Some((columns, lines)))) => frame.fit(*columns, lines.saturating_sub(1)),
            Some((frame, None)) => frame.whole(),
            None => String::new(),
        };
        self.last = now;
        print(&format!("{begin}{}\u{1b}[J", text.replace('\n', "\u{1b}[K\n")))
    }
}

/// A line in so many columns. What colours it takes none.
fn cut(line: &str, columns: usize) -> String {
    if visible(line) <= columns {
        return line.to_owned();
    }
    let (mut out, mut used, mut is_escape, mut coloured) = (String::new(), 0, false, false);
    for letter in line.chars() {
        let width = if is_escape || letter == '\u{1b}' { 0 } else { width(letter) };
        if used + width + 1 > columns {
            break;
        }
        coloured |= letter == '\u{1b}';
        is_escape = letter == '\u{1b}' || (is_escape && letter != 'm');
        used += width;
        out.push(letter);
    }
    if columns > 0 {
        out.push('…');
    }
    if coloured {
        out.push_str("\u{1b}[0m");
    }
    out
}

fn visible(line: &str) -> usize {
    let mut is_escape = false;
    let widths = line.chars().map(|letter| {
        let hidden = is_escape || letter == '\u{1b}';
        is_escape = letter == '\u{1b}' || (is_escape && letter != 'm');
        if hidden { 0 } else { width(letter) }
    });
    widths.sum()
}

/// Columns of a letter: those of East Asian scripts, and pictures, take two.
const fn width(letter: char) -> usize {
    match letter as u32 {
        0x1100..=0x115F
        | 0x2E80..=0xA4CF
        | 0xAC00..=0xD7A3
        | 0xF900..=0xFAFF
        | 0xFE30..=0xFE6F
        | 0xFF00..=0xFF60
        | 0xFFE0..=0xFFE6
        | 0x1F300..=0x1FAFF
        | 0x20000..=0x3FFFD => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(findings: usize) -> Frame {
        let one = |number| format!("● critical  finding {number}\n            facts\n            → advice\n");
        Frame { head: "a\nb\n".to_owned(), findings: (1..=findings).map(one).collect(), foot: "counted\n".to_owned() }
    }

    #[test]
    fn findings_are_shortened_then_counted_so_that_the_head_stays() {
        assert_eq!(frame(2).fit(80, 9), frame(2).whole());
        let short = "a\nb\n● critical  finding 1\n● critical  finding 2\ncounted\n";
        assert_eq!(frame(2).fit(80, 8), short);
        assert_eq!(frame(2).fit(80, 5), short);
        assert_eq!(frame(4).fit(80, 5), "a\nb\n● critical  finding 1\n… and 3 more\ncounted\n");
        for lines in 0..12 {
            assert!(frame(4).fit(80, lines).lines().count() <= lines, "{lines}");
        }
        assert_eq!(Frame { findings: Vec::new(), ..frame(0) }.fit(80, 5), "a\nb\ncounted\n");
    }

    #[test]
    fn lines_are_cut_to_the_width_without_their_colours() {
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdef", 5), "abcd…");
        assert_eq!(cut("日本語日本語", 7), "日本語…");
        let coloured = "\u{1b}[31;1m●\u{1b}[0m \u{1b}[1mfinding\u{1b}[0m";
        assert_eq!(cut(coloured, 9), coloured);
        assert_eq!(cut(coloured, 6), "\u{1b}[31;1m●\u{1b}[0m \u{1b}[1mfin…\u{1b}[0m");
        assert_eq!(cut("abc", 0), "");
    }
}
