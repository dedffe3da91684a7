//! Parses the files of `src/` for references: the declared modules, the defined items, and the paths used. Test code is
//! excluded.

use std::collections::BTreeSet;
use std::path::Path;

/// A file of `src/`.
pub(super) struct File {
    /// Path below `src/`.
    pub(super) place: String,
    /// Module path, such as `["engine", "worker"]` for `engine/worker/mod.rs`.
    pub(super) module: Vec<String>,
    /// Declared modules.
    pub(super) children: BTreeSet<String>,
    /// Defined items.
    pub(super) items: BTreeSet<String>,
    /// Imports and re-exports.
    pub(super) imports: Vec<Import>,
    /// Paths outside of imports.
    pub(super) mentions: Vec<Mention>,
    /// All words outside of imports.
    pub(super) words: BTreeSet<String>,
    /// Modules declared for tests.
    pub(super) tests: BTreeSet<String>,
}

/// One name imported by a `use`.
pub(super) struct Import {
    /// Name in this file.
    pub(super) name: String,
    /// Imported path.
    pub(super) path: Vec<String>,
    /// Whether other files may import it from here.
    pub(super) is_public: bool,
    pub(super) line: usize,
}

/// A path such as `super::table::rows`.
pub(super) struct Mention {
    pub(super) path: Vec<String>,
    pub(super) line: usize,
}

impl File {
    /// Parses a file, given its path below `src/`.
    pub(super) fn read(place: &Path, text: &str) -> File {
        let mut module: Vec<String> =
            place.with_extension("").iter().map(|part| part.to_string_lossy().into()).collect();
        if module.last().is_some_and(|last| last == "mod" || last == "lib") {
            module.pop();
        }
        let (tokens, tests) = without_tests(&tokens(text));
        let mut file = File {
            place: place.display().to_string(),
            module,
            children: BTreeSet::new(),
            items: BTreeSet::new(),
            imports: Vec::new(),
            mentions: Vec::new(),
            words: BTreeSet::new(),
            tests,
        };
        Reader { tokens: &tokens, at: 0, depth: 0, inline: Vec::new() }.read(&mut file);
        file
    }
}

#[derive(Clone, PartialEq, Eq)]
struct Token {
    text: String,
    line: usize,
}

fn is_word(text: &str) -> bool {
    text.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

/// Splits into words, `::` and single characters, without comments and literals.
fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let (mut found, mut at, mut line) = (Vec::new(), 0, 1);
    while at < chars.len() {
        let begin = at;
        at = match chars[at] {
            '/' if chars.get(at + 1) == Some(&'/') => line_end(&chars, at),
            '/' if chars.get(at + 1) == Some(&'*') => comment_end(&chars, at),
            '"' => string_end(&chars, at),
            'r' | 'b' if literal_end(&chars, at).is_some() => literal_end(&chars, at).unwrap_or(at + 1),
            '\'' => char_end(&chars, at),
            first if first.is_alphanumeric() || first == '_' => {
                let length = chars[at..].iter().take_while(|c| c.is_alphanumeric() || **c == '_').count();
                found.push(Token { text: chars[at..at + length].iter().collect(), line });
                at + length
            }
            ':' if chars.get(at + 1) == Some(&':') => {
                found.push(Token { text: "::".to_owned(), line });
                at + 2
            }
            space if space.is_whitespace() => at + 1,
            sign => {
                found.push(Token { text: sign.to_string(), line });
                at + 1
            }
        };
        line += chars[begin..at.min(chars.len())].iter().filter(|c| **c == '\n').count();
    }
    found
}

fn line_end(chars: &[char], at: usize) -> usize {
    chars[at..].iter().position(|c| *c == '\n').map_or(chars.len(), |length| at + length)
}

fn comment_end(chars: &[char], mut at: usize) -> usize {
    let mut depth = 0;
    while at < chars.len() {
        match chars.get(at..at + 2) {
            Some(['/', '*']) => (depth, at) = (depth + 1, at + 2),
            Some(['*', '/']) => {
                (depth, at) = (depth - 1, at + 2);
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    at
}

fn string_end(chars: &[char], mut at: usize) -> usize {
    at += 1;
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// Returns the end of `r"…"`, `r#"…"#`, `b"…"`, `br"…"` and `b'…'`.
fn literal_end(chars: &[char], mut at: usize) -> Option<usize> {
    if chars[at] == 'b' {
        at += 1;
        match chars.get(at) {
            Some('"') => return Some(string_end(chars, at)),
            Some('\'') => return Some(char_end(chars, at)),
            Some('r') => {}
            _ => return None,
        }
    }
    let hashes = chars[at + 1..].iter().take_while(|c| **c == '#').count();
    at += 1 + hashes;
    if chars.get(at) != Some(&'"') {
        return None;
    }
    let end: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
    let length = chars[at + 1..].windows(end.len()).position(|window| window == end)?;
    Some(at + 1 + length + end.len())
}

/// Returns the end of a character literal, or of the `'` of a lifetime.
fn char_end(chars: &[char], at: usize) -> usize {
    match (chars.get(at + 1), chars.get(at + 2)) {
        (Some('\\'), _) => chars[at + 3..].iter().position(|c| *c == '\'').map_or(at + 1, |length| at + 4 + length),
        (Some(_), Some('\'')) => at + 3,
        _ => at + 1,
    }
}

/// Removes each item after `#[cfg(test)]`; returns the names of removed modules, too.
fn without_tests(tokens: &[Token]) -> (Vec<Token>, BTreeSet<String>) {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let (mut kept, mut modules, mut at) = (Vec::new(), BTreeSet::new(), 0);
    while at < tokens.len() {
        let is_mark =
            tokens.len() >= at + MARK.len() && MARK.iter().zip(&tokens[at..]).all(|(mark, token)| *mark == token.text);
        if !is_mark {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        }
        let end = item_end(tokens, at + MARK.len());
        if let Some(place) = tokens[at..end].iter().position(|token| token.text == "mod") {
            modules.insert(tokens[at + place + 1].text.clone());
        }
        at = end;
    }
    (kept, modules)
}

/// Returns the end of the item that begins here: after its `;` or the brace that closes its body.
fn item_end(tokens: &[Token], begin: usize) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate().skip(begin) {
        match token.text.as_str() {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => {
                depth -= 1;
                if depth == 0 && token.text == "}" {
                    return at + 1;
                }
            }
            ";" if depth == 0 => return at + 1,
            _ => {}
        }
    }
    tokens.len()
}

struct Reader<'a> {
    tokens: &'a [Token],
    at: usize,
    depth: usize,
    /// Brace depths of the enclosing inline modules.
    inline: Vec<usize>,
}

impl Reader<'_> {
    fn text(&self, offset: usize) -> &str {
        self.tokens.get(self.at + offset).map_or("", |token| token.text.as_str())
    }

    fn read(mut self, file: &mut File) {
        while self.at < self.tokens.len() {
            match self.text(0) {
                "{" => self.depth += 1,
                "}" => {
                    self.depth = self.depth.saturating_sub(1);
                    self.inline.pop_if(|depth| *depth == self.depth);
                }
                "use" => {
                    self.import(file);
                    continue;
                }
                "mod" if self.text(2) == ";" => drop(file.children.insert(self.text(1).to_owned())),
                "mod" if self.text(2) == "{" => self.inline.push(self.depth),
                "fn" | "struct" | "enum" | "trait" | "type" | "const" | "static" | "union" if self.depth == 0 => {
                    file.items.insert(self.text(1).to_owned());
                }
                "macro_rules" => drop(file.items.insert(self.text(2).to_owned())),
                word if is_word(word) => {
                    file.words.insert(word.to_owned());
                    self.mention(file);
                    continue;
                }
                _ => {}
            }
            self.at += 1;
        }
    }

    /// Parses a word or a path.
    fn mention(&mut self, file: &mut File) {
        let line = self.tokens[self.at].line;
        let is_part = self.at > 0 && [".", "::"].contains(&self.tokens[self.at - 1].text.as_str());
        let mut path = vec![self.text(0).to_owned()];
        self.at += 1;
        while self.text(0) == "::" && is_word(self.text(1)) {
            path.push(self.text(1).to_owned());
            self.at += 2;
        }
        if path.len() > 1 && !is_part {
            file.words.extend(path.iter().cloned());
            file.mentions.push(Mention { path: self.in_file(path), line });
        }
    }

    /// Converts a path in an inline module, which has additional `super`, to the path as seen from the file.
    fn in_file(&self, mut path: Vec<String>) -> Vec<String> {
        for _ in &self.inline {
            if path.first().is_some_and(|first| first == "super") {
                path.remove(0);
            }
        }
        if !self.inline.is_empty()
            && path.first().is_some_and(|first| !["crate", "super", "self"].contains(&first.as_str()))
        {
            path.insert(0, "self".to_owned());
        }
        path
    }

    fn import(&mut self, file: &mut File) {
        let before = self.at.checked_sub(1).map(|at| self.tokens[at].text.as_str());
        let is_public = matches!(before, Some("pub" | ")"));
        self.at += 1;
        let mut found = Vec::new();
        self.tree(&mut Vec::new(), &mut found);
        for (name, path, line) in found {
            let path = self.in_file(path);
            file.imports.push(Import { name, path, is_public, line });
        }
    }

    /// Parses the tree after `use` or within its braces.
    fn tree(&mut self, path: &mut Vec<String>, found: &mut Vec<(String, Vec<String>, usize)>) {
        let (length, line) = (path.len(), self.tokens.get(self.at).map_or(0, |token| token.line));
        loop {
            match self.text(0) {
                "::" => self.at += 1,
                "{" => {
                    self.at += 1;
                    while !["}", ""].contains(&self.text(0)) {
                        self.tree(path, found);
                        if self.text(0) == "," {
                            self.at += 1;
                        }
                    }
                    self.at += 1;
                    break;
                }
                "*" => {
                    found.push(("*".to_owned(), path.clone(), line));
                    self.at += 1;
                    break;
                }
                word if is_word(word) => {
                    if word != "self" || path.is_empty() {
                        path.push(word.to_owned());
                    }
                    self.at += 1;
                    if self.text(0) == "as" {
                        found.push((self.text(1).to_owned(), path.clone(), line));
                        self.at += 2;
                        break;
                    }
                    if self.text(0) != "::" {
                        found.push((path.last().cloned().unwrap_or_default(), path.clone(), line));
                        break;
                    }
                }
                _ => break,
            }
        }
        path.truncate(length);
    }
}
