//! Text functions. Lengths are in characters, not bytes.

use crate::engine::postgres::call::Call;
use crate::engine::postgres::forms::{Form, Gives};
use crate::engine::postgres::function::Function;
use crate::engine::postgres::kinds::Kind;
use crate::engine::postgres::values::casts;
use crate::engine::postgres::values::write::{Booleans, texts};
use arrow::array::{Array as _, ArrayRef, StringArray};
use datafusion::common::{Result, exec_err};
use std::sync::Arc;

use Kind::{Any, Bool, Bytes, Int4, Int8, Text};

pub(super) fn all() -> Vec<Function> {
    vec![
        Function::new("length", &LENGTH),
        Function::new("char_length", &LENGTH),
        Function::new("character_length", &LENGTH),
        Function::new("octet_length", &OCTETS),
        Function::new("bit_length", &BITS),
        Function::new("left", &LEFT),
        Function::new("right", &RIGHT),
        substring("substring"),
        substring("substr"),
        position(),
        Function::new("strpos", &STRPOS),
        Function::new("split_part", &SPLIT_PART),
        Function::new("concat", &CONCAT),
        Function::new("concat_ws", &CONCAT_WS),
        Function::new("lpad", &LPAD),
        Function::new("rpad", &RPAD),
        Function::new("repeat", &REPEAT),
        Function::new("btrim", &BTRIM),
        Function::new("trim", &BTRIM),
        Function::new("ltrim", &LTRIM),
        Function::new("rtrim", &RTRIM),
        Function::new("initcap", &INITCAP),
        Function::new("quote_literal", &QUOTE_LITERAL),
        Function::new("quote_ident", &QUOTE_IDENT),
        Function::new("quote_nullable", &QUOTE_NULLABLE),
        Function::new("chr", &CHR),
        Function::new("ascii", &ASCII),
        Function::new("to_hex", &TO_HEX),
        Function::new("pg_typeof", &TYPEOF),
        starts_with(),
    ]
}

/// The functions `substring(text, from, for)` and `substring(text from pattern)`.
pub(in crate::engine::postgres) fn substring(name: &'static str) -> Function {
    Function::new(name, &SUBSTRING)
}

/// The function `position(part in text)`.
pub(in crate::engine::postgres) fn position() -> Function {
    Function::new("position", &POSITION)
}

/// The operator `^@`.
pub(in crate::engine::postgres) fn starts_with() -> Function {
    Function::new("starts_with", &STARTS_WITH)
}

fn count(length: usize) -> Result<Option<i32>> {
    i32::try_from(length).map(Some).or_else(|_| exec_err!("integer out of range"))
}

static LENGTH: [Form; 2] = [
    Form::new(&[Text], Int4, |call| call.to_ints(|row| count(call.text(0, row)?.chars().count()))),
    Form::new(&[Bytes], Int4, |call| call.to_ints(|row| count(bytes(call, row)?.len()))),
];
static OCTETS: [Form; 2] = [
    Form::new(&[Text], Int4, |call| call.to_ints(|row| count(call.text(0, row)?.len()))),
    Form::new(&[Bytes], Int4, |call| call.to_ints(|row| count(bytes(call, row)?.len()))),
];
static BITS: [Form; 1] = [Form::new(&[Text], Int4, |call| call.to_ints(|row| count(call.text(0, row)?.len() * 8)))];

fn bytes<'a>(call: &Call<'a>, row: usize) -> Result<&'a [u8]> {
    if let Some(array) = call.args.first().and_then(|array| array.as_any().downcast_ref::<arrow::array::BinaryArray>())
    {
        Ok(array.value(row))
    } else {
        exec_err!("expected bytea")
    }
}

/// Returns how many characters to take; if negative, all but that many.
fn taken(wanted: i64, length: usize) -> usize {
    let length = i64::try_from(length).unwrap_or(i64::MAX);
    let taken = if wanted < 0 { length.saturating_add(wanted) } else { wanted.min(length) };
    usize::try_from(taken.max(0)).unwrap_or(0)
}

static LEFT: [Form; 1] = [Form::new(&[Text, Int4], Text, |call| {
    call.to_texts(|row| {
        let text = call.text(0, row)?;
        let taken = taken(call.int(1, row)?, text.chars().count());
        Ok(Some(text.chars().take(taken).collect()))
    })
})];
static RIGHT: [Form; 1] = [Form::new(&[Text, Int4], Text, |call| {
    call.to_texts(|row| {
        let text = call.text(0, row)?;
        let length = text.chars().count();
        Ok(Some(text.chars().skip(length - taken(call.int(1, row)?, length)).collect()))
    })
})];

static SUBSTRING: [Form; 4] = [
    Form::new(&[Text, Int4], Text, |call| {
        call.to_texts(|row| {
            let begin = usize::try_from(call.int(1, row)?.saturating_sub(1).max(0)).unwrap_or(0);
            Ok(Some(call.text(0, row)?.chars().skip(begin).collect()))
        })
    }),
    Form::new(&[Text, Int4, Int4], Text, |call| {
        call.to_texts(|row| {
            let (begin, length) = (call.int(1, row)?, call.int(2, row)?);
            if length < 0 {
                return exec_err!("negative substring length not allowed");
            }
            let end = begin.saturating_add(length).max(1);
            let begin = begin.max(1);
            let (skip, take) =
                (usize::try_from(begin - 1).unwrap_or(0), usize::try_from((end - begin).max(0)).unwrap_or(0));
            Ok(Some(call.text(0, row)?.chars().skip(skip).take(take).collect()))
        })
    }),
    Form::new(&[Text, Text], Text, super::patterns::substring),
    Form::new(&[Text, Text, Text], Text, super::patterns::substring_similar),
];

fn place(text: &str, part: &str) -> Result<Option<i32>> {
    text.find(part).map_or(Ok(Some(0)), |at| count(text[..at].chars().count() + 1))
}

static POSITION: [Form; 1] =
    [Form::new(&[Text, Text], Int4, |call| call.to_ints(|row| place(call.text(0, row)?, call.text(1, row)?)))];
static STRPOS: [Form; 1] =
    [Form::new(&[Text, Text], Int4, |call| call.to_ints(|row| place(call.text(0, row)?, call.text(1, row)?)))];
static STARTS_WITH: [Form; 1] = [Form::new(&[Text, Text], Bool, |call| {
    call.to_bools(|row| Ok(Some(call.text(0, row)?.starts_with(call.text(1, row)?))))
})];

static SPLIT_PART: [Form; 1] = [Form::new(&[Text, Text, Int4], Text, |call| {
    call.to_texts(|row| {
        let (text, by, field) = (call.text(0, row)?, call.text(1, row)?, call.int(2, row)?);
        if field == 0 {
            return exec_err!("field position must not be zero");
        }
        let parts: Vec<&str> = if by.is_empty() { vec![text] } else { text.split(by).collect() };
        let length = i64::try_from(parts.len()).unwrap_or(i64::MAX);
        let at = if field > 0 { field - 1 } else { length + field };
        let part = usize::try_from(at).ok().and_then(|at| parts.get(at));
        Ok(Some(part.copied().unwrap_or_default().to_owned()))
    })
})];

/// Converts all arguments to texts; nulls stay null.
pub(super) fn all_texts(call: &Call<'_>) -> Result<Vec<StringArray>> {
    call.args.iter().map(|array| texts(array, None, call.zone, Booleans::Letters)).collect()
}

static CONCAT: [Form; 1] = [Form::any(&[], Any, Gives::Kind(Text), |call| {
    let all = all_texts(call)?;
    let of_row = |row: usize| {
        let parts = all.iter().filter(|texts| texts.is_valid(row)).map(|texts| texts.value(row));
        Some(parts.collect::<String>())
    };
    Ok(Arc::new((0..call.rows).map(of_row).collect::<StringArray>()))
})];
static CONCAT_WS: [Form; 1] = [Form::any(&[Text], Any, Gives::Kind(Text), |call| {
    let all = all_texts(call)?;
    let of_row = |row: usize| {
        let (by, rest) = all.split_first()?;
        let parts = rest.iter().filter(|texts| texts.is_valid(row)).map(|texts| texts.value(row));
        by.is_valid(row).then(|| parts.collect::<Vec<_>>().join(by.value(row)))
    };
    Ok(Arc::new((0..call.rows).map(of_row).collect::<StringArray>()))
})];

fn padded(call: &Call<'_>, is_left: bool) -> Result<ArrayRef> {
    call.to_texts(|row| {
        let (text, wanted) = (call.text(0, row)?, usize::try_from(call.int(1, row)?).unwrap_or(0));
        let fill = if call.has(2) { call.text(2, row)? } else { " " };
        let length = text.chars().count();
        if wanted <= length || fill.is_empty() {
            return Ok(Some(text.chars().take(wanted).collect()));
        }
        let fill: String = fill.chars().cycle().take(wanted - length).collect();
        Ok(Some(if is_left { fill + text } else { text.to_owned() + &fill }))
    })
}

static LPAD: [Form; 2] = [
    Form::new(&[Text, Int4], Text, |call| padded(call, true)),
    Form::new(&[Text, Int4, Text], Text, |call| padded(call, true)),
];
static RPAD: [Form; 2] = [
    Form::new(&[Text, Int4], Text, |call| padded(call, false)),
    Form::new(&[Text, Int4, Text], Text, |call| padded(call, false)),
];

static REPEAT: [Form; 1] = [Form::new(&[Text, Int4], Text, |call| {
    call.to_texts(|row| {
        let (text, times) = (call.text(0, row)?, usize::try_from(call.int(1, row)?).unwrap_or(0));
        // Rejects texts too long for Arrow; the memory limit of the worker applies to all others.
        if text.len().checked_mul(times).and_then(|length| i32::try_from(length).ok()).is_some() {
            Ok(Some(text.repeat(times)))
        } else {
            exec_err!("requested length too large")
        }
    })
})];

fn trimmed(call: &Call<'_>, (begin, end): (bool, bool)) -> Result<ArrayRef> {
    call.to_texts(|row| {
        let set: Vec<char> = if call.has(1) { call.text(1, row)?.chars().collect() } else { vec![' '] };
        let mut text = call.text(0, row)?;
        if begin {
            text = text.trim_start_matches(|c| set.contains(&c));
        }
        if end {
            text = text.trim_end_matches(|c| set.contains(&c));
        }
        Ok(Some(text.to_owned()))
    })
}

static BTRIM: [Form; 2] = [
    Form::new(&[Text], Text, |call| trimmed(call, (true, true))),
    Form::new(&[Text, Text], Text, |call| trimmed(call, (true, true))),
];
static LTRIM: [Form; 2] = [
    Form::new(&[Text], Text, |call| trimmed(call, (true, false))),
    Form::new(&[Text, Text], Text, |call| trimmed(call, (true, false))),
];
static RTRIM: [Form; 2] = [
    Form::new(&[Text], Text, |call| trimmed(call, (false, true))),
    Form::new(&[Text, Text], Text, |call| trimmed(call, (false, true))),
];

static INITCAP: [Form; 1] = [Form::new(&[Text], Text, |call| {
    call.to_texts(|row| {
        let mut within = false;
        let of = |c: char| {
            let begins = !within;
            within = c.is_alphanumeric();
            if begins { c.to_uppercase().collect::<String>() } else { c.to_lowercase().collect() }
        };
        Ok(Some(call.text(0, row)?.chars().map(of).collect()))
    })
})];

/// Quotes a literal: `'it''s'`.
pub(super) fn quoted(text: &str) -> String {
    let body = text.replace('\'', "''");
    if text.contains('\\') { format!("E'{}'", body.replace('\\', "\\\\")) } else { format!("'{body}'") }
}

/// Quotes a name if necessary: `"a b"`.
pub(super) fn identifier(text: &str) -> String {
    let begins = text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    let plain = begins && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    let reserved = ["select", "from", "where", "table", "user", "order", "group", "all", "and", "or", "not", "case"];
    if plain && !reserved.contains(&text) { text.to_owned() } else { format!("\"{}\"", text.replace('"', "\"\"")) }
}

static QUOTE_LITERAL: [Form; 1] =
    [Form::new(&[Text], Text, |call| call.to_texts(|row| Ok(Some(quoted(call.text(0, row)?)))))];
static QUOTE_IDENT: [Form; 1] =
    [Form::new(&[Text], Text, |call| call.to_texts(|row| Ok(Some(identifier(call.text(0, row)?)))))];
static QUOTE_NULLABLE: [Form; 1] = [Form::new(&[Text], Text, |call| {
    let texts = call.texts(0)?;
    let quoted = texts.iter().map(|text| Some(text.map_or_else(|| "NULL".to_owned(), quoted)));
    Ok(Arc::new(quoted.collect::<StringArray>()))
})];

static CHR: [Form; 1] = [Form::new(&[Int8], Text, |call| {
    call.to_texts(|row| {
        let code = call.int(0, row)?;
        if let Some(c) = u32::try_from(code).ok().filter(|code| *code > 0).and_then(char::from_u32) {
            Ok(Some(c.to_string()))
        } else {
            exec_err!("requested character not valid: {code}")
        }
    })
})];
static ASCII: [Form; 1] = [Form::new(&[Text], Int4, |call| {
    call.to_ints(|row| Ok(Some(call.text(0, row)?.chars().next().map_or(0, |c| u32::from(c).cast_signed()))))
})];
static TYPEOF: [Form; 1] = [Form::new(&[Any], Text, |call| {
    let name = casts::name_of(call.args[0].data_type());
    Ok(Arc::new(StringArray::from(vec![name; call.rows])))
})];
static TO_HEX: [Form; 2] = [
    Form::new(&[Int4], Text, |call| {
        call.to_texts(|row| {
            let value = i32::try_from(call.int(0, row)?).unwrap_or(0);
            Ok(Some(format!("{:x}", value.cast_unsigned())))
        })
    }),
    Form::new(&[Int8], Text, |call| call.to_texts(|row| Ok(Some(format!("{:x}", call.int(0, row)?))))),
];
