//! Functions of regular expressions, and `SIMILAR TO`.

use super::regular::{compiled, similar};
use crate::engine::postgres::call::Call;
use crate::engine::postgres::forms::{Form, Gives};
use crate::engine::postgres::function::Function;
use crate::engine::postgres::kinds::{Kind, list_of};
use arrow::array::{ArrayRef, ListArray, ListBuilder, StringBuilder};
use arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err};
use regex::{Captures, Regex};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use Kind::{Bool, Int4, Text};

/// Maximum number of compiled patterns per batch.
const PATTERNS_MAX: usize = 100;

pub(super) fn all() -> Vec<Function> {
    vec![
        Function::new("regexp_match", &MATCH),
        Function::new("regexp_all", &ALL),
        Function::new("regexp_replace", &REPLACE),
        Function::new("regexp_like", &LIKE),
        Function::new("regexp_count", &COUNT),
        Function::new("regexp_instr", &INSTR),
        Function::new("regexp_substr", &SUBSTR),
        Function::new("regexp_split_to_array", &SPLIT),
        Function::new("similar_to", &SIMILAR),
        Function::new("string_to_array", &TO_ARRAY),
    ]
}

/// Cache of compiled patterns for one batch.
#[derive(Default)]
struct Patterns(HashMap<(String, String), Rc<Regex>>);

impl Patterns {
    fn get(&mut self, pattern: &str, flags: &str) -> Result<Rc<Regex>> {
        let key = (pattern.to_owned(), flags.to_owned());
        if let Some(known) = self.0.get(&key) {
            return Ok(known.clone());
        }
        let compiled = Rc::new(compiled(pattern, flags)?);
        if self.0.len() >= PATTERNS_MAX {
            self.0.clear();
        }
        self.0.insert(key, compiled.clone());
        Ok(compiled)
    }
}

/// Returns the flags argument; empty if absent.
fn flags<'a>(call: &Call<'a>, at: usize, row: usize) -> Result<&'a str> {
    if call.has(at) { call.text(at, row) } else { Ok("") }
}

/// Returns the groups of a match, or the whole match if there are none.
fn groups(found: &Captures<'_>) -> Vec<Option<String>> {
    let of = |at: usize| found.get(at).map(|group| group.as_str().to_owned());
    if found.len() == 1 { vec![of(0)] } else { (1..found.len()).map(of).collect() }
}

fn to_lists(rows: Vec<Option<Vec<Option<String>>>>) -> ListArray {
    let mut lists = ListBuilder::new(StringBuilder::new());
    rows.into_iter().for_each(|row| lists.append_option(row));
    lists.finish()
}

static MATCH: [Form; 2] =
    [Form::of(&[Text, Text], Gives::Texts, first_match), Form::of(&[Text, Text, Text], Gives::Texts, first_match)];

fn first_match(call: &Call<'_>) -> Result<ArrayRef> {
    let mut patterns = Patterns::default();
    let rows = call.strict(|row| {
        let pattern = patterns.get(call.text(1, row)?, flags(call, 2, row)?)?;
        Ok(pattern.captures(call.text(0, row)?).as_ref().map(groups))
    })?;
    Ok(Arc::new(to_lists(rows)))
}

static ALL: [Form; 2] = [
    Form::of(&[Text, Text], Gives::By(|_| list_of(list_of(DataType::Utf8))), all_matches),
    Form::of(&[Text, Text, Text], Gives::By(|_| list_of(list_of(DataType::Utf8))), all_matches),
];

fn all_matches(call: &Call<'_>) -> Result<ArrayRef> {
    let mut patterns = Patterns::default();
    let rows = call.strict(|row| {
        let (text, flags) = (call.text(0, row)?, flags(call, 2, row)?);
        let pattern = patterns.get(call.text(1, row)?, flags)?;
        let most = if flags.contains('g') { usize::MAX } else { 1 };
        Ok(Some(pattern.captures_iter(text).take(most).map(|found| groups(&found)).collect::<Vec<_>>()))
    })?;
    let mut lists = ListBuilder::new(ListBuilder::new(StringBuilder::new()));
    for row in rows {
        match row {
            Some(matches) => {
                matches.into_iter().for_each(|found| lists.values().append_value(found));
                lists.append(true);
            }
            None => lists.append(false),
        }
    }
    Ok(Arc::new(lists.finish()))
}

static REPLACE: [Form; 5] = [
    Form::new(&[Text, Text, Text], Text, |call| replaced(call, None, None, 3)),
    Form::new(&[Text, Text, Text, Text], Text, |call| replaced(call, None, None, 3)),
    Form::new(&[Text, Text, Text, Int4], Text, |call| replaced(call, Some(3), None, 4)),
    Form::new(&[Text, Text, Text, Int4, Int4], Text, |call| replaced(call, Some(3), Some(4), 5)),
    Form::new(&[Text, Text, Text, Int4, Int4, Text], Text, |call| replaced(call, Some(3), Some(4), 5)),
];

fn replaced(call: &Call<'_>, start: Option<usize>, nth: Option<usize>, flags_at: usize) -> Result<ArrayRef> {
    let mut patterns = Patterns::default();
    call.to_texts(|row| {
        let (text, by, flags) = (call.text(0, row)?, call.text(2, row)?, flags(call, flags_at, row)?);
        let pattern = patterns.get(call.text(1, row)?, flags)?;
        let start = start.map_or(Ok(1), |at| call.int(at, row))?;
        let nth = match nth {
            Some(at) => call.int(at, row)?,
            None => i64::from(!flags.contains('g')),
        };
        if start < 1 || nth < 0 {
            return exec_err!(
                "regexp_replace: expected a start above zero, and a number of the match that is none below"
            );
        }
        let begin = text.char_indices().nth(usize::try_from(start - 1).unwrap_or(0)).map_or(text.len(), |(at, _)| at);
        let (mut out, mut last) = (text[..begin].to_owned(), begin);
        for (number, found) in (1..).zip(pattern.captures_iter(&text[begin..])) {
            let Some(whole) = found.get(0) else { continue };
            if nth == 0 || number == nth {
                out.push_str(&text[last..begin + whole.start()]);
                substituted(&mut out, by, &found);
                last = begin + whole.end();
            }
            if nth > 0 && number >= nth {
                break;
            }
        }
        out.push_str(&text[last..]);
        Ok(Some(out))
    })
}

/// Appends a replacement: `\1` is a group, `\&` the whole match.
fn substituted(out: &mut String, by: &str, found: &Captures<'_>) {
    let mut rest = by.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match rest.next() {
            Some('&') => out.push_str(found.get(0).map_or("", |group| group.as_str())),
            Some(digit) if digit.is_ascii_digit() => {
                let at = digit.to_digit(10).and_then(|digit| usize::try_from(digit).ok()).unwrap_or(0);
                out.push_str(found.get(at).map_or("", |group| group.as_str()));
            }
            Some('\\') | None => out.push('\\'),
            Some(other) => out.extend(['\\', other]),
        }
    }
}

static LIKE: [Form; 2] = [Form::new(&[Text, Text], Bool, matches), Form::new(&[Text, Text, Text], Bool, matches)];

fn matches(call: &Call<'_>) -> Result<ArrayRef> {
    let mut patterns = Patterns::default();
    call.to_bools(|row| {
        let pattern = patterns.get(call.text(1, row)?, flags(call, 2, row)?)?;
        Ok(Some(pattern.is_match(call.text(0, row)?)))
    })
}

static COUNT: [Form; 3] = [
    Form::new(&[Text, Text], Int4, counted),
    Form::new(&[Text, Text, Int4], Int4, counted),
    Form::new(&[Text, Text, Int4, Text], Int4, counted),
];

/// Returns the rest of a text from a character on, counted from 1.
fn from_character<'a>(call: &Call<'a>, at: usize, row: usize) -> Result<(&'a str, usize)> {
    let text = call.text(0, row)?;
    let start = if call.has(at) { call.int(at, row)? } else { 1 };
    let Some(skip) = usize::try_from(start).ok().and_then(|start| start.checked_sub(1)) else {
        return exec_err!("invalid value for parameter \"start\": {start}");
    };
    let begin = text.char_indices().nth(skip).map_or(text.len(), |(at, _)| at);
    Ok((&text[begin..], skip))
}

fn counted(call: &Call<'_>) -> Result<ArrayRef> {
    let mut patterns = Patterns::default();
    call.to_ints(|row| {
        let pattern = patterns.get(call.text(1, row)?, flags(call, 3, row)?)?;
        let (text, _) = from_character(call, 2, row)?;
        Ok(Some(i32::try_from(pattern.find_iter(text).count()).unwrap_or(i32::MAX)))
    })
}

static INSTR: [Form; 3] = [
    Form::new(&[Text, Text], Int4, placed),
    Form::new(&[Text, Text, Int4], Int4, placed),
    Form::new(&[Text, Text, Int4, Int4], Int4, placed),
];

fn placed(call: &Call<'_>) -> Result<ArrayRef> {
    let mut patterns = Patterns::default();
    call.to_ints(|row| {
        let pattern = patterns.get(call.text(1, row)?, "")?;
        let (text, skipped) = from_character(call, 2, row)?;
        let nth = if call.has(3) { usize::try_from(call.int(3, row)?.max(1)).unwrap_or(1) } else { 1 };
        let at = pattern.find_iter(text).nth(nth - 1).map(|found| text[..found.start()].chars().count() + skipped + 1);
        Ok(Some(i32::try_from(at.unwrap_or(0)).unwrap_or(i32::MAX)))
    })
}

static SUBSTR: [Form; 3] = [
    Form::new(&[Text, Text], Text, cut_out),
    Form::new(&[Text, Text, Int4], Text, cut_out),
    Form::new(&[Text, Text, Int4, Int4], Text, cut_out),
];

fn cut_out(call: &Call<'_>) -> Result<ArrayRef> {
    let mut patterns = Patterns::default();
    call.to_texts(|row| {
        let pattern = patterns.get(call.text(1, row)?, "")?;
        let (text, _) = from_character(call, 2, row)?;
        let nth = if call.has(3) { usize::try_from(call.int(3, row)?.max(1)).unwrap_or(1) } else { 1 };
        Ok(pattern.find_iter(text).nth(nth - 1).map(|found| found.as_str().to_owned()))
    })
}

/// Implements `substring(text from pattern)`: the first group, or the whole match.
pub(super) fn substring(call: &Call<'_>) -> Result<ArrayRef> {
    let mut patterns = Patterns::default();
    call.to_texts(|row| {
        let pattern = patterns.get(call.text(1, row)?, "")?;
        let found = pattern.captures(call.text(0, row)?);
        Ok(found.and_then(|found| groups(&found).into_iter().next().flatten()))
    })
}

/// Implements `substring(text from pattern for escape)`: the part between two escaped quotes.
pub(super) fn substring_similar(call: &Call<'_>) -> Result<ArrayRef> {
    let mut patterns = Patterns::default();
    call.to_texts(|row| {
        let (pattern, escape) = (call.text(1, row)?, call.text(2, row)?);
        let mark = format!("{escape}\"");
        let parts: Vec<&str> = pattern.split(&mark).collect();
        let of = |part: &str| similar(part, escape.chars().next());
        let pattern = match parts.as_slice() {
            [before, middle, after] => format!("^(?:{})({})(?:{})$", of(before), of(middle), of(after)),
            _ => format!("^({})$", of(pattern)),
        };
        let found = patterns.get(&pattern, "")?;
        Ok(found.captures(call.text(0, row)?).and_then(|found| found.get(1).map(|group| group.as_str().to_owned())))
    })
}

static SPLIT: [Form; 2] =
    [Form::of(&[Text, Text], Gives::Texts, split), Form::of(&[Text, Text, Text], Gives::Texts, split)];

fn split(call: &Call<'_>) -> Result<ArrayRef> {
    let mut patterns = Patterns::default();
    let rows = call.strict(|row| {
        let (text, pattern) = (call.text(0, row)?, patterns.get(call.text(1, row)?, flags(call, 2, row)?)?);
        let (mut parts, mut last) = (Vec::new(), 0);
        for found in pattern.find_iter(text) {
            // An empty match at either end does not split.
            if found.is_empty() && (found.start() == 0 || found.start() == text.len()) {
                continue;
            }
            parts.push(Some(text[last..found.start()].to_owned()));
            last = found.end();
        }
        parts.push(Some(text[last..].to_owned()));
        Ok(Some(parts))
    })?;
    Ok(Arc::new(to_lists(rows)))
}

static SIMILAR: [Form; 2] =
    [Form::new(&[Text, Text], Bool, is_similar), Form::new(&[Text, Text, Text], Bool, is_similar)];

fn is_similar(call: &Call<'_>) -> Result<ArrayRef> {
    let mut patterns = Patterns::default();
    call.to_bools(|row| {
        let escape = if call.has(2) { call.text(2, row)?.chars().next() } else { Some('\\') };
        let pattern = format!("^(?:{})$", similar(call.text(1, row)?, escape));
        Ok(Some(patterns.get(&pattern, "")?.is_match(call.text(0, row)?)))
    })
}

static TO_ARRAY: [Form; 2] =
    [Form::of(&[Text, Text], Gives::Texts, to_array), Form::of(&[Text, Text, Text], Gives::Texts, to_array)];

fn to_array(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, by) = (call.texts(0)?, call.texts(1)?);
    let nulls = if call.has(2) { Some(call.texts(2)?) } else { None };
    let of_row = |row: usize| {
        let text = (!call.is_null(0, row)).then(|| texts.value(row))?;
        let parts: Vec<String> = match (text, (!call.is_null(1, row)).then(|| by.value(row))) {
            ("", _) => Vec::new(),
            (text, None) => text.chars().map(String::from).collect(),
            (text, Some("")) => vec![text.to_owned()],
            (text, Some(by)) => text.split(by).map(str::to_owned).collect(),
        };
        let null = nulls.filter(|_| !call.is_null(2, row)).map(|nulls| nulls.value(row));
        Some(parts.into_iter().map(|part| Some(part).filter(|part| Some(part.as_str()) != null)).collect::<Vec<_>>())
    };
    Ok(Arc::new(to_lists((0..call.rows).map(of_row).collect())))
}
