//! The function `format('…%s…', …)`.

use super::strings::{all_texts, identifier, quoted};
use crate::engine::postgres::forms::{Form, Gives};
use crate::engine::postgres::function::Function;
use crate::engine::postgres::kinds::Kind;
use arrow::array::{Array as _, StringArray};
use datafusion::common::{Result, exec_err};
use std::iter::Peekable;
use std::str::Chars;
use std::sync::Arc;

/// Maximum width of a field.
const WIDTH_MAX: usize = 10_000;

pub(super) fn all() -> Vec<Function> {
    vec![Function::new("format", &FORMAT)]
}

static FORMAT: [Form; 1] = [Form::any(&[Kind::Text], Kind::Any, Gives::Kind(Kind::Text), |call| {
    let all = all_texts(call)?;
    let mut rows = Vec::with_capacity(call.rows);
    for row in 0..call.rows {
        let values: Vec<Option<&str>> = all.iter().map(|texts| texts.is_valid(row).then(|| texts.value(row))).collect();
        let text = match values.split_first() {
            Some((Some(pattern), values)) => Some(filled(pattern, values)?),
            _ => None,
        };
        rows.push(text);
    }
    Ok(Arc::new(StringArray::from(rows)))
})];

fn number(rest: &mut Peekable<Chars<'_>>) -> Option<usize> {
    let mut digits = String::new();
    while let Some(digit) = rest.next_if(char::is_ascii_digit) {
        digits.push(digit);
    }
    digits.parse().ok()
}

fn filled(pattern: &str, values: &[Option<&str>]) -> Result<String> {
    let (mut text, mut next, mut rest) = (String::new(), 0, pattern.chars().peekable());
    while let Some(c) = rest.next() {
        if c != '%' {
            text.push(c);
            continue;
        }
        if rest.next_if_eq(&'%').is_some() {
            text.push('%');
            continue;
        }
        let mut width = None;
        if let Some(first) = number(&mut rest) {
            if rest.next_if_eq(&'$').is_some() {
                if first == 0 {
                    return exec_err!("format specifies argument 0, but arguments are numbered from 1");
                }
                next = first - 1;
            } else {
                width = Some(first);
            }
        }
        let is_left = rest.next_if_eq(&'-').is_some();
        if width.is_none() {
            width = number(&mut rest);
        }
        let Some(value) = values.get(next) else { return exec_err!("too few arguments for format()") };
        next += 1;
        let value = match (rest.next(), value) {
            (Some('s'), value) => value.unwrap_or_default().to_owned(),
            (Some('I'), Some(value)) => identifier(value),
            (Some('I'), None) => return exec_err!("null values cannot be formatted as an SQL identifier"),
            (Some('L'), value) => value.map_or_else(|| "NULL".to_owned(), quoted),
            (Some(other), _) => return exec_err!("unrecognized format() type specifier {other:?}"),
            (None, _) => return exec_err!("unterminated format() type specifier"),
        };
        let width = width.unwrap_or(0).min(WIDTH_MAX);
        let fill = " ".repeat(width.saturating_sub(value.chars().count()));
        text.push_str(&if is_left { value + &fill } else { fill + &value });
    }
    Ok(text)
}
