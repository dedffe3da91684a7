//! Reads messages from JSON, field by field, in order.
//!
//! A value that does not fit its field is a fault. It invalidates everything up to the nearest boundary set by
//! [`Reader::kept`], [`Reader::part`] or [`Reader::items`]: a field, an attribute, an event, an item. Each fault is reported
//! with its path, what was expected and what was found.

use super::super::rejects::Faults;
use super::scan::{Read, Scan, Token};
use std::borrow::Cow;
use std::fmt::Write as _;

mod scalars;

/// Maximum number of characters of a sender's text in a fault.
const FOUND_CHARS_MAX: usize = 60;

const OBJECT: &str = "an object";
const LIST: &str = "a list";

/// Reads one field of a message by its name in lowerCamelCase; must consume exactly one value.
pub(super) type Fields<'a, T> = fn(&mut Reader<'a>, &mut T, &str) -> Read<()>;

enum Part<'a> {
    Key(Cow<'a, str>),
    Index(usize),
}

/// State at the start of a metric, for undoing its items.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    items: u32,
    refused: usize,
}

/// Reads a body into a request.
pub(super) struct Reader<'a> {
    scan: Scan<'a>,
    /// Path of the current value.
    path: Vec<Part<'a>>,
    /// The first fault within the current boundary; its text is empty if it would not be reported.
    fault: Option<String>,
    faults: Faults,
    /// Number of items so far.
    items: u32,
    /// Remaining nesting levels for values.
    room: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str, room: usize) -> Reader<'a> {
        Reader { scan: Scan::of(text), path: Vec::new(), fault: None, faults: Faults::default(), items: 0, room }
    }

    /// Reads the body, which is one object. Faults of the body as a whole are returned as text.
    pub(super) fn body<T: Default>(&mut self, fields: Fields<'a, T>) -> Read<Result<T, String>> {
        let mut request = T::default();
        if self.scan.peek() != Some(b'{') {
            let token = self.scan.token()?;
            return Ok(Err(format!("the body: expected {OBJECT}, found {}", found(&token))));
        }
        self.message(&mut request, fields)?;
        if self.scan.peek().is_some() {
            return self.scan.broken("nothing after the object");
        }
        // No item could be read.
        Ok(match self.faults.first_dropped().filter(|_| self.items == 0) {
            Some(fault) => Err(fault.to_owned()),
            None => Ok(request),
        })
    }

    pub(super) fn into_faults(self) -> Faults {
        self.faults
    }

    // Boundaries of faults.

    /// Runs `read` and returns the first fault that it found, if any.
    fn bounded(&mut self, read: impl FnOnce(&mut Self) -> Read<()>) -> Read<Option<String>> {
        let around = self.fault.take();
        read(self)?;
        Ok(std::mem::replace(&mut self.fault, around))
    }

    /// Runs `read`; a fault drops only what it reads.
    pub(super) fn kept(&mut self, read: impl FnOnce(&mut Self) -> Read<()>) -> Read<()> {
        if let Some(fault) = self.bounded(read)? {
            self.faults.dropped(fault);
        }
        Ok(())
    }

    /// Reads a list of optional entries: one with a fault is dropped.
    pub(super) fn parts<T: Default>(&mut self, into: &mut Vec<T>, fields: Fields<'a, T>) -> Read<()> {
        self.kept(|reader| {
            reader.objects(|reader| {
                let mut part = T::default();
                match reader.bounded(|reader| reader.message(&mut part, fields))? {
                    Some(fault) => reader.faults.dropped(fault),
                    None => into.push(part),
                }
                Ok(())
            })
        })
    }

    /// Reads an optional field, which is dropped if it has a fault.
    pub(super) fn part<T: Default>(&mut self, into: &mut Option<T>, fields: Fields<'a, T>) -> Read<()> {
        let mut part = None;
        match self.bounded(|reader| reader.optional(&mut part, fields))? {
            Some(fault) => self.faults.dropped(fault),
            None => *into = part.or(into.take()),
        }
        Ok(())
    }

    /// Reads a list of item containers; a fault of a container itself costs no item.
    pub(super) fn containers<T: Default>(&mut self, into: &mut Vec<T>, fields: Fields<'a, T>) -> Read<()> {
        self.kept(|reader| {
            reader.objects(|reader| {
                let mut container = T::default();
                reader.kept(|reader| reader.message(&mut container, fields))?;
                into.push(container);
                Ok(())
            })
        })
    }

    /// Reads a list of items. One with a fault is kept, because items are identified by number, and is rejected.
    pub(super) fn items<T: Default>(&mut self, into: &mut Vec<T>, fields: Fields<'a, T>) -> Read<()> {
        self.kept(|reader| {
            reader.objects(|reader| {
                let mut item = T::default();
                if let Some(fault) = reader.bounded(|reader| reader.message(&mut item, fields))? {
                    reader.faults.refused(reader.items, fault);
                }
                reader.count();
                into.push(item);
                Ok(())
            })
        })
    }

    /// Reads a list of groups of items; a fault of the group itself rejects all its items. `is_item` returns whether a group
    /// counts as an item.
    pub(super) fn groups<T: Default>(
        &mut self,
        into: &mut Vec<T>,
        fields: fn(&mut Reader<'a>, &mut T, Mark, &str) -> Read<()>,
        is_item: fn(&T) -> bool,
    ) -> Read<()> {
        self.kept(|reader| {
            reader.objects(|reader| {
                let mut group = T::default();
                let mark = Mark { items: reader.items, refused: reader.faults.refused_count() };
                let fault =
                    reader.bounded(|reader| reader.object(|reader, key| fields(reader, &mut group, mark, key)))?;
                if is_item(&group) {
                    reader.count();
                }
                if let Some(fault) = fault {
                    reader.faults.forget_refused(mark.refused);
                    (mark.items..reader.items).for_each(|item| reader.faults.refused(item, fault.clone()));
                }
                into.push(group);
                Ok(())
            })
        })
    }

    /// Discards the items since a mark, because the next ones replace them.
    pub(super) fn rewind(&mut self, mark: Mark) {
        self.items = mark.items;
        self.faults.forget_refused(mark.refused);
    }

    const fn count(&mut self) {
        self.items = self.items.saturating_add(1);
    }

    // Objects and lists.

    /// Returns whether the next value is an object.
    pub(super) fn is_object(&mut self) -> bool {
        self.scan.peek() == Some(b'{')
    }

    /// Reads each field of an object by its name in lowerCamelCase; `read` must consume one value. Null has no fields.
    fn object(&mut self, mut read: impl FnMut(&mut Self, &str) -> Read<()>) -> Read<()> {
        if !self.scan.takes(b'{') {
            return self.scalar(OBJECT, |_| None::<()>).map(drop);
        }
        if self.scan.takes(b'}') {
            return Ok(());
        }
        loop {
            if self.scan.peek() != Some(b'"') {
                return self.scan.broken("a key in quotes");
            }
            let key = camel(self.scan.string()?);
            self.scan.needs(b':', "a colon")?;
            self.path.push(Part::Key(key.clone()));
            read(self, &key)?;
            self.path.pop();
            if self.scan.takes(b'}') {
                return Ok(());
            }
            self.scan.needs(b',', "a comma or the end of the object")?;
        }
    }

    /// Reads each entry of a list; `read` must consume one value. Null has no entries.
    fn entries(&mut self, mut read: impl FnMut(&mut Self) -> Read<()>) -> Read<()> {
        if !self.scan.takes(b'[') {
            return self.scalar(LIST, |_| None::<()>).map(drop);
        }
        if self.scan.takes(b']') {
            return Ok(());
        }
        for index in 0.. {
            self.path.push(Part::Index(index));
            read(self)?;
            self.path.pop();
            if self.scan.takes(b']') {
                return Ok(());
            }
            self.scan.needs(b',', "a comma or the end of the list")?;
        }
        Ok(())
    }

    /// Reads each entry of a list of objects; any other entry, also null, is a fault and is left out.
    fn objects(&mut self, mut read: impl FnMut(&mut Self) -> Read<()>) -> Read<()> {
        self.entries(|reader| {
            if reader.is_object() {
                return read(reader);
            }
            let token = reader.scan.token()?;
            reader.spoil(OBJECT, &token);
            Ok(())
        })
    }

    /// Reads the fields of a message.
    pub(super) fn message<T>(&mut self, into: &mut T, fields: Fields<'a, T>) -> Read<()> {
        self.object(|reader, key| fields(reader, into, key))
    }

    /// Reads a message that may be absent or null.
    pub(super) fn optional<T: Default>(&mut self, into: &mut Option<T>, fields: Fields<'a, T>) -> Read<()> {
        if self.is_object() {
            return self.message(into.insert(T::default()), fields);
        }
        self.object(|_, _| Ok(()))
    }

    /// Reads a list of messages; their faults belong to the enclosing boundary.
    pub(super) fn list<T: Default>(&mut self, into: &mut Vec<T>, fields: Fields<'a, T>) -> Read<()> {
        self.objects(|reader| {
            let mut entry = T::default();
            reader.message(&mut entry, fields)?;
            into.push(entry);
            Ok(())
        })
    }

    /// Reads a list of messages in which null is an empty message.
    pub(super) fn list_with_gaps<T: Default>(&mut self, into: &mut Vec<T>, fields: Fields<'a, T>) -> Read<()> {
        self.entries(|reader| {
            let mut entry = T::default();
            reader.message(&mut entry, fields)?;
            into.push(entry);
            Ok(())
        })
    }

    /// Reads a nested value of `cost` levels; exceeding the limit is a fault.
    pub(super) fn nested<T: Default>(
        &mut self,
        into: &mut Option<T>,
        cost: usize,
        expected: &str,
        fields: Fields<'a, T>,
    ) -> Read<()> {
        let Some(room) = self.room.checked_sub(cost) else {
            let token = self.scan.token()?;
            self.spoil(expected, &token);
            return Ok(());
        };
        let around = std::mem::replace(&mut self.room, room);
        self.optional(into, fields)?;
        self.room = around;
        Ok(())
    }

    /// Skips an unknown field.
    pub(super) fn pass(&mut self) -> Read<()> {
        self.scan.pass()
    }

    /// Records a fault at the current path, unless there is one already.
    fn spoil(&mut self, expected: &str, token: &Token<'_>) {
        if self.fault.is_some() {
            return;
        }
        let mut fault = String::new();
        if self.faults.wants_words() {
            for part in &self.path {
                let _ = match part {
                    Part::Key(key) if fault.is_empty() => write!(fault, "{key}"),
                    Part::Key(key) => write!(fault, ".{key}"),
                    Part::Index(index) => write!(fault, "[{index}]"),
                };
            }
            let _ = write!(fault, ": expected {expected}, found {}", found(token));
        }
        self.fault = Some(fault);
    }
}

/// Converts a name to lowerCamelCase; the `snake_case` names of the proto files are accepted, too.
fn camel(key: Cow<'_, str>) -> Cow<'_, str> {
    if !key.contains('_') || key.contains(|letter: char| letter.is_ascii_uppercase()) {
        return key;
    }
    let mut out = String::with_capacity(key.len());
    let mut parts = key.split('_');
    out.extend(parts.next());
    for part in parts {
        match part.chars().next() {
            Some(first) if first.is_ascii_lowercase() => {
                out.push(first.to_ascii_uppercase());
                out.push_str(&part[1..]);
            }
            _ => {
                out.push('_');
                out.push_str(part);
            }
        }
    }
    Cow::Owned(out)
}

fn found(token: &Token<'_>) -> String {
    match token {
        Token::Null => "null".to_owned(),
        Token::Object => OBJECT.to_owned(),
        Token::List => LIST.to_owned(),
        Token::Text(text) => match text.char_indices().nth(FOUND_CHARS_MAX) {
            Some((end, _)) => format!("text {:?}…", &text[..end]),
            None => format!("text {text:?}"),
        },
        Token::Word(word) => match word.char_indices().nth(FOUND_CHARS_MAX) {
            Some((end, _)) => format!("{}…", &word[..end]),
            None => (*word).to_owned(),
        },
    }
}
