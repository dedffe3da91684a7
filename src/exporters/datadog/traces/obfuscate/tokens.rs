//! Splits SQL statements into tokens like the Agent does for an unknown database.

use crate::exporters::datadog::traces::normalize::is_letter;

/// Kind of a token. Operators and punctuation of one character stand for themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Sign(char),
    Id,
    /// A double-quoted string, which may be an identifier.
    Quoted,
    /// A value: a literal, a variable, a parameter.
    Value,
    /// A named parameter, which is kept.
    Named,
    Comment,
    Operator,
    As,
    Savepoint,
    /// Starts a statement within a statement.
    Command,
    /// Another keyword.
    Word,
    /// Removed by a filter.
    Dropped,
    Groupable,
    GroupableParenthesis,
    Bracketed,
    End,
}

/// A statement that cannot be parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unreadable;

type Token = Result<(Kind, String), Unreadable>;

/// Reads tokens one by one.
pub(super) struct Tokens {
    text: Vec<char>,
    /// Start of the token.
    begin: usize,
    /// Number of characters read, including the current one.
    read: usize,
    /// The current character; `None` at the end.
    current: Option<char>,
    /// Number of open braces.
    braces: u32,
    /// Whether a backslash is an ordinary character.
    literal_escapes: bool,
    /// Whether there was any escape.
    pub(super) escapes: bool,
}

impl Tokens {
    pub(super) fn new(text: &str, literal_escapes: bool) -> Tokens {
        let text: Vec<char> = text.chars().collect();
        let mut tokens = Tokens { text, begin: 0, read: 0, current: None, braces: 0, literal_escapes, escapes: false };
        tokens.advance();
        tokens
    }

    fn advance(&mut self) {
        self.current = self.text.get(self.read).copied();
        self.read += usize::from(self.current.is_some());
    }

    /// Returns the characters read since the last call, without the current one.
    fn taken(&mut self) -> String {
        let end = self.read - usize::from(self.current.is_some() && self.read > self.begin);
        let taken = self.text[self.begin..end].iter().collect();
        self.begin = end;
        taken
    }

    fn is(&self, letter: char) -> bool {
        self.current == Some(letter)
    }

    fn digit(&self) -> bool {
        self.current.is_some_and(|letter| letter.is_ascii_digit())
    }

    fn letter(&self) -> bool {
        self.current.is_some_and(|letter| leads(letter) || letter == '#')
    }

    /// Returns an operator of several characters, after skipping its last one.
    #[allow(clippy::unnecessary_wraps, reason = "one of the ways that a token can end")]
    fn operator(&mut self, text: &str) -> Token {
        self.advance();
        Ok((Kind::Operator, text.to_owned()))
    }

    /// Returns the next token.
    pub(super) fn next(&mut self) -> Token {
        // Skips a NUL like the Agent, which takes it for the beginning, except at the actual beginning.
        if self.is('\0') && self.read > 1 {
            self.advance();
        }
        while self.current.is_some_and(char::is_whitespace) {
            self.advance();
        }
        self.taken();
        let first = self.begin == 0;
        let Some(sign) = self.current else { return Ok((Kind::End, String::new())) };
        if leads(sign) {
            return Ok(self.identifier());
        }
        if sign.is_ascii_digit() {
            return self.number(false);
        }
        self.advance();
        self.sign(sign, first)
    }

    /// Reads a token that begins with a symbol, which was already skipped.
    fn sign(&mut self, sign: char, first: bool) -> Token {
        match sign {
            ':' if self.is(':') => self.operator("::"),
            ':' if self.is(']') || self.is('$') || self.is('=') || self.current.is_some_and(char::is_whitespace) => {
                self.plain(sign)
            }
            ':' => self.named(),
            '~' if self.is('*') => {
                self.advance();
                Ok((Kind::Sign('~'), "~*".to_owned()))
            }
            '.' if self.digit() => self.number(true),
            '/' if self.is('/') => Ok(self.line_comment()),
            '/' if self.is('*') => self.comment(),
            '~' | '?' | '=' | ',' | ';' | '(' | ')' | '+' | '*' | '&' | '|' | '^' | ']' | '[' | '.' | '/' => {
                self.plain(sign)
            }
            '-' => self.minus(),
            '#' => Ok(self.line_comment()),
            '<' | '>' | '!' => self.comparison(sign),
            '\'' => self.string(sign, Kind::Value),
            '"' => self.string(sign, Kind::Quoted),
            '`' => self.string(sign, Kind::Id),
            '%' => self.percent(),
            '$' => self.dollar(),
            '{' if first || self.braces > 0 => {
                self.braces += 1;
                self.plain(sign)
            }
            '{' => self.escape_sequence(),
            '}' if self.braces > 0 => {
                self.braces -= 1;
                self.plain(sign)
            }
            _ => Err(Unreadable),
        }
    }

    /// Returns a single symbol.
    #[allow(clippy::unnecessary_wraps, reason = "one of the ways that a token can end")]
    fn plain(&mut self, sign: char) -> Token {
        Ok((Kind::Sign(sign), self.taken()))
    }

    fn identifier(&mut self) -> (Kind, String) {
        self.advance();
        while self.letter() || self.digit() || self.current.is_some_and(|letter| ".*$".contains(letter)) {
            self.advance();
        }
        let word = self.taken();
        let kind = match word.to_uppercase().as_str() {
            "NULL" | "TRUE" | "FALSE" => Kind::Value,
            "SAVEPOINT" => Kind::Savepoint,
            "AS" => Kind::As,
            "SELECT" | "UPDATE" | "DELETE" => Kind::Command,
            "LIMIT" | "ALTER" | "CREATE" | "GRANT" | "REVOKE" | "COMMIT" | "BEGIN" | "TRUNCATE" | "DROP" | "FROM"
            | "INSERT" | "INTO" | "JOIN" => Kind::Word,
            _ => Kind::Id,
        };
        (kind, word)
    }

    fn minus(&mut self) -> Token {
        if self.is('-') {
            return Ok(self.line_comment());
        }
        // The Agent reads `->` as a number too.
        if self.digit() || self.is('>') {
            return self.number(false);
        }
        if self.is('.') {
            self.advance();
            if self.digit() {
                return self.number(true);
            }
            self.current = Some('.');
        }
        self.plain('-')
    }

    fn comparison(&mut self, sign: char) -> Token {
        match (sign, self.current) {
            ('<', Some('>')) => self.operator("<>"),
            ('<', Some('=')) => {
                self.advance();
                if self.is('>') { self.operator("<=>") } else { Ok((Kind::Operator, "<=".to_owned())) }
            }
            ('>', Some('=')) => self.operator(">="),
            ('!', Some('=')) => self.operator("!="),
            ('!', Some('~')) => {
                self.advance();
                if self.is('*') { self.operator("!~*") } else { Ok((Kind::Operator, "!~".to_owned())) }
            }
            ('!', next) => {
                let follows = |next: char| "(`'\"+-".contains(next) || next.is_whitespace() || next.is_ascii_digit();
                if next.is_some_and(follows) || self.letter() {
                    Ok((Kind::Operator, self.taken()))
                } else {
                    Err(Unreadable)
                }
            }
            _ => self.plain(sign),
        }
    }

    fn percent(&mut self) -> Token {
        if self.is('(') {
            self.advance();
            while self.current.is_some_and(|letter| letter != ')') {
                self.advance();
            }
            self.advance();
            if !self.letter() {
                return Err(Unreadable);
            }
        } else if !self.letter() {
            return self.plain('%');
        }
        self.advance();
        Ok((Kind::Value, self.taken()))
    }

    fn dollar(&mut self) -> Token {
        if self.is('?') {
            self.advance();
            return Ok((Kind::Value, self.taken()));
        }
        if self.digit() { self.number(false) } else { self.dollar_quoted() }
    }

    /// Reads a string between `$tag$` and `$tag$`.
    fn dollar_quoted(&mut self) -> Token {
        let (_, tag) = self.string('$', Kind::Value)?;
        let delimiter = if tag == "$$" { tag } else { format!("${tag}$") }.into_bytes();
        let mut got = 0;
        while got < delimiter.len() {
            let Some(letter) = self.current else { return Err(Unreadable) };
            self.advance();
            // Compares only the last byte, as in the Agent.
            got = if u32::from(letter) & 0xff == u32::from(delimiter[got]) { got + 1 } else { 0 };
        }
        Ok((Kind::Value, String::new()))
    }

    fn escape_sequence(&mut self) -> Token {
        while self.current.is_some_and(|letter| letter != '}') {
            self.advance();
        }
        if self.current.is_none() {
            return Err(Unreadable);
        }
        self.advance();
        Ok((Kind::Value, self.taken()))
    }

    fn named(&mut self) -> Token {
        if !self.letter() && !self.digit() {
            return Err(Unreadable);
        }
        while self.letter() || self.digit() || self.is('.') {
            self.advance();
        }
        Ok((Kind::Named, self.taken()))
    }

    fn digits(&mut self, base: u32) {
        while self.current.is_some_and(|letter| letter.is_digit(base)) {
            self.advance();
        }
    }

    fn number(&mut self, fraction: bool) -> Token {
        let hexadecimal = !fraction && self.is('0') && {
            self.advance();
            self.is('x') || self.is('X')
        };
        if hexadecimal {
            self.advance();
            self.digits(16);
        } else {
            self.digits(10);
            if !fraction && self.is('.') {
                self.advance();
                self.digits(10);
            }
            if self.is('e') || self.is('E') {
                self.advance();
                if self.is('+') || self.is('-') {
                    self.advance();
                }
                self.digits(10);
            }
        }
        let text = self.taken();
        if text.is_empty() { Err(Unreadable) } else { Ok((Kind::Value, text)) }
    }

    fn string(&mut self, delimiter: char, kind: Kind) -> Token {
        let mut text = String::new();
        loop {
            let mut letter = self.current;
            self.advance();
            if letter == Some(delimiter) {
                if !self.is(delimiter) {
                    break;
                }
                self.advance();
            } else if letter == Some('\\') {
                self.escapes = true;
                if !self.literal_escapes {
                    letter = self.current;
                    self.advance();
                }
            }
            text.push(letter.ok_or(Unreadable)?);
        }
        if text.chars().all(char::is_whitespace) {
            text = format!("{delimiter}{delimiter}");
        }
        Ok((kind, text))
    }

    fn line_comment(&mut self) -> (Kind, String) {
        // Skips the second character of `--` and `//`; after `#` any character, as in the Agent.
        self.advance();
        while self.current.is_some_and(|letter| letter != '\n') {
            self.advance();
        }
        self.advance();
        (Kind::Comment, self.taken())
    }

    fn comment(&mut self) -> Token {
        self.advance();
        loop {
            match self.current {
                None => return Err(Unreadable),
                Some('*') => {
                    self.advance();
                    if self.is('/') {
                        self.advance();
                        return Ok((Kind::Comment, self.taken()));
                    }
                }
                Some(_) => self.advance(),
            }
        }
    }
}

fn leads(letter: char) -> bool {
    letter == '_' || letter == '@' || is_letter(letter)
}
