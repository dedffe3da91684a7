//! Removes literals from SQL statements in the Agent's format: one `?` per list of values, no aliases and comments, one space
//! between tokens.

use super::tokens::{Kind, Tokens, Unreadable};

/// Sent instead of a statement that cannot be parsed.
const UNREADABLE: &str = "Non-parsable SQL query";

/// Returns a statement without its literals.
pub(super) fn obfuscate(statement: &str) -> String {
    let mut tokens = Tokens::new(statement, false);
    let mut written = write(&mut tokens);
    if written.is_err() && tokens.escapes {
        // Some databases have no escapes.
        written = write(&mut Tokens::new(statement, true));
    }
    written.unwrap_or_else(|_| UNREADABLE.to_owned())
}

fn write(tokens: &mut Tokens) -> Result<String, Unreadable> {
    let mut out = String::new();
    let mut last = Kind::End;
    let mut groups = Groups::default();
    loop {
        let (kind, text) = tokens.next()?;
        if kind == Kind::End {
            break;
        }
        let (kind, text) = discard(kind, text, last)?;
        let (kind, text) = replace(kind, text, last);
        let (kind, text) = groups.filter(kind, text, last);
        if let Some(text) = text {
            let joined = kind == Kind::Sign(',') || (kind == Kind::Sign('=') && last == Kind::Sign(':'));
            if !out.is_empty() && !joined {
                out.push(' ');
            }
            out.push_str(&text);
        }
        last = kind;
    }
    if out.is_empty() { Err(Unreadable) } else { Ok(out) }
}

/// A token and its output.
type Filtered = (Kind, Option<String>);

/// Drops comments, semicolons and aliases.
fn discard(kind: Kind, text: String, last: Kind) -> Result<Filtered, Unreadable> {
    Ok(match (last, kind) {
        (Kind::Bracketed, Kind::Id) | (Kind::As, Kind::Sign('[')) => (Kind::Bracketed, None),
        (Kind::Bracketed, kind) if kind != Kind::Sign(']') => return Err(Unreadable),
        (Kind::Bracketed | Kind::As, _) | (_, Kind::Comment) => (Kind::Dropped, None),
        (_, Kind::Sign(';')) => (Kind::Groupable, None),
        (_, Kind::As) => (Kind::As, None),
        _ => (kind, Some(text)),
    })
}

const fn groupable(kind: Kind) -> Kind {
    if matches!(kind, Kind::Sign('(')) { Kind::GroupableParenthesis } else { Kind::Groupable }
}

/// Replaces values with `?`.
fn replace(kind: Kind, text: Option<String>, last: Kind) -> Filtered {
    let value = matches!(kind, Kind::Value | Kind::Sign('?'));
    let assigned = last == Kind::Sign('=') && kind == Kind::Quoted;
    if value || assigned || last == Kind::Savepoint { (groupable(kind), Some("?".to_owned())) } else { (kind, text) }
}

/// Collapses several values, and several lists of values, into one.
#[derive(Debug, Default)]
struct Groups {
    values: usize,
    lists: usize,
}

impl Groups {
    fn filter(&mut self, kind: Kind, text: Option<String>, last: Kind) -> Filtered {
        let filtered = |kind| matches!(kind, Kind::Groupable | Kind::GroupableParenthesis);
        if (last == Kind::Sign('(') && filtered(kind)) || (kind == Kind::Sign('(') && self.lists > 0) {
            self.lists += 1;
        }
        if self.lists > 0 && last == Kind::GroupableParenthesis && matches!(kind, Kind::Command | Kind::Id) {
            *self = Groups::default();
            return (kind, Some(format!("( {}", text.unwrap_or_default())));
        }
        if filtered(kind) {
            self.values += 1;
            if self.values > 1 {
                return (groupable(kind), None);
            }
        } else if (self.values > 0 && matches!(kind, Kind::Sign(',' | '?'))) || self.lists > 1 {
            return (groupable(kind), None);
        } else if !matches!(kind, Kind::Sign(',' | '(' | ')')) {
            *self = Groups::default();
        }
        (kind, text)
    }
}
