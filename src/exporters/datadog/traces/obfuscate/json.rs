//! Obfuscates documents of `MongoDB`, Elasticsearch and `OpenSearch`: keys are kept, each value becomes `"?"`. Malformed JSON
//! ends in `...` where it stops being valid.

/// Role of a byte in the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Literal,
    Begin,
    AfterKey,
    AfterValue,
    Space,
    /// The document had already ended.
    Ended,
    Fault,
}

/// Position in a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Value,
    ValueOrEnd,
    Key,
    KeyOrEnd,
    EndOfValue,
    EndOfAll,
    Text,
    Escape,
    Hex(u8),
    Minus,
    Zero,
    Digits,
    Point,
    Fraction,
    Exponent,
    ExponentSign,
    ExponentDigits,
    Word(&'static [u8]),
    Fault,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inside {
    Key,
    Object,
    Array,
}

struct Scanner {
    at: At,
    inside: Vec<Inside>,
    ended: bool,
}

/// Returns a document without its values.
pub(super) fn obfuscate(document: &str) -> String {
    let mut scanner = Scanner { at: At::Value, inside: Vec::new(), ended: false };
    let mut out: Vec<u8> = Vec::with_capacity(document.len());
    // One for each open object (true) and array; the outermost is kept when it is closed, as in the Agent.
    let mut open: Vec<bool> = Vec::new();
    let (mut key, mut wiped) = (false, false);
    for byte in document.bytes() {
        match scanner.step(byte) {
            Role::Begin => {
                open.push(byte == b'{');
                (key, wiped) = (byte == b'{', false);
            }
            Role::AfterValue => {
                if matches!(byte, b'}' | b']') && open.len() > 1 {
                    open.pop();
                }
                (key, wiped) = (open.last().copied().unwrap_or(true), false);
            }
            Role::Literal if !key => {
                if !wiped {
                    out.extend_from_slice(b"\"?\"");
                    wiped = true;
                }
                continue;
            }
            Role::AfterKey => key = false,
            Role::Literal | Role::Ended => {}
            Role::Space => continue,
            Role::Fault => {
                out.extend_from_slice(b"...");
                return String::from_utf8_lossy(&out).into_owned();
            }
        }
        out.push(byte);
    }
    if !scanner.ends() {
        out.extend_from_slice(b"...");
    }
    String::from_utf8_lossy(&out).into_owned()
}

const fn space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

impl Scanner {
    /// Returns true if the document may end here.
    fn ends(&mut self) -> bool {
        self.at != At::Fault
            && (self.ended || {
                self.step(b' ');
                self.ended
            })
    }

    fn go(&mut self, at: At, role: Role) -> Role {
        self.at = at;
        role
    }

    /// Advances if the byte is valid.
    fn expect(&mut self, right: bool, at: At) -> Role {
        if right { self.go(at, Role::Literal) } else { self.go(At::Fault, Role::Fault) }
    }

    fn step(&mut self, byte: u8) -> Role {
        match self.at {
            At::Value | At::ValueOrEnd | At::Key | At::KeyOrEnd if space(byte) => Role::Space,
            At::ValueOrEnd if byte == b']' => self.end_of_value(byte),
            At::Value | At::ValueOrEnd => self.value(byte),
            At::KeyOrEnd if byte == b'}' => {
                self.set(Inside::Object);
                self.end_of_value(byte)
            }
            At::Key | At::KeyOrEnd => self.expect(byte == b'"', At::Text),
            At::EndOfValue => self.end_of_value(byte),
            At::EndOfAll if space(byte) => Role::Ended,
            At::EndOfAll => {
                *self = Scanner { at: At::Value, inside: Vec::new(), ended: false };
                self.step(byte)
            }
            At::Fault => Role::Fault,
            At::Text | At::Escape | At::Hex(_) => self.text(byte),
            At::Word(rest) => {
                let next = if rest.len() == 1 { At::EndOfValue } else { At::Word(&rest[1..]) };
                self.expect(byte == rest[0], next)
            }
            _ => self.number(byte),
        }
    }

    fn value(&mut self, byte: u8) -> Role {
        match byte {
            b'{' => {
                self.inside.push(Inside::Key);
                self.go(At::KeyOrEnd, Role::Begin)
            }
            b'[' => {
                self.inside.push(Inside::Array);
                self.go(At::ValueOrEnd, Role::Begin)
            }
            b'"' => self.go(At::Text, Role::Literal),
            b'-' => self.go(At::Minus, Role::Literal),
            b'0' => self.go(At::Zero, Role::Literal),
            b'1'..=b'9' => self.go(At::Digits, Role::Literal),
            b't' => self.go(At::Word(b"rue"), Role::Literal),
            b'f' => self.go(At::Word(b"alse"), Role::Literal),
            b'n' => self.go(At::Word(b"ull"), Role::Literal),
            _ => self.go(At::Fault, Role::Fault),
        }
    }

    fn set(&mut self, inside: Inside) {
        if let Some(last) = self.inside.last_mut() {
            *last = inside;
        }
    }

    fn end_of_value(&mut self, byte: u8) -> Role {
        let Some(inside) = self.inside.last().copied() else {
            self.ended = true;
            self.at = At::EndOfAll;
            return self.step(byte);
        };
        match (inside, byte) {
            (_, byte) if space(byte) => self.go(At::EndOfValue, Role::Space),
            (Inside::Key, b':') => {
                self.set(Inside::Object);
                self.go(At::Value, Role::AfterKey)
            }
            (Inside::Object, b',') => {
                self.set(Inside::Key);
                self.go(At::Key, Role::AfterValue)
            }
            (Inside::Array, b',') => self.go(At::Value, Role::AfterValue),
            (Inside::Object, b'}') | (Inside::Array, b']') => {
                self.inside.pop();
                self.ended = self.inside.is_empty();
                self.go(if self.ended { At::EndOfAll } else { At::EndOfValue }, Role::AfterValue)
            }
            _ => self.go(At::Fault, Role::Fault),
        }
    }

    fn text(&mut self, byte: u8) -> Role {
        match (self.at, byte) {
            (At::Text, b'"') => self.go(At::EndOfValue, Role::Literal),
            (At::Text, b'\\') => self.go(At::Escape, Role::Literal),
            (At::Text, byte) => self.expect(byte >= 0x20, At::Text),
            (At::Escape, b'u') => self.go(At::Hex(4), Role::Literal),
            (At::Hex(left), byte) => {
                self.expect(byte.is_ascii_hexdigit(), if left == 1 { At::Text } else { At::Hex(left - 1) })
            }
            (_, byte) => self.expect(br#"bfnrt\/""#.contains(&byte), At::Text),
        }
    }

    fn number(&mut self, byte: u8) -> Role {
        let digit = byte.is_ascii_digit();
        match (self.at, byte) {
            (At::Minus, b'0') => self.go(At::Zero, Role::Literal),
            (At::Minus, _) => self.expect(digit, At::Digits),
            (At::Digits, _) if digit => Role::Literal,
            (At::Zero | At::Digits, b'.') => self.go(At::Point, Role::Literal),
            (At::Zero | At::Digits | At::Fraction, b'e' | b'E') => self.go(At::Exponent, Role::Literal),
            (At::Point, _) => self.expect(digit, At::Fraction),
            (At::Exponent, b'+' | b'-') => self.go(At::ExponentSign, Role::Literal),
            (At::Exponent | At::ExponentSign, _) => self.expect(digit, At::ExponentDigits),
            (At::Fraction | At::ExponentDigits, _) if digit => Role::Literal,
            _ => self.end_of_value(byte),
        }
    }
}
