//! `to_char` of numbers.

use crate::engine::postgres::values::number::{self, number_text, rescaled};
use datafusion::common::{Result, exec_err};

/// Maximum length of a pattern.
const PATTERN_MAX: usize = 256;

/// Position of the sign in a pattern.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sign {
    /// Before the first digit: a space or a minus.
    Plain,
    /// `S`: plus or minus, before or after the number.
    Before,
    Behind,
    /// `MI`, `SG`: at the position in the pattern.
    Placed,
    /// `PR`: in angle brackets.
    Brackets,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Part {
    Nine,
    Zero,
    Comma,
    Point,
    Minus,
    Plus,
    Either,
    Ordinal(bool),
    Other(char),
}

struct Pattern {
    parts: Vec<Part>,
    sign: Sign,
    fills: bool,
    /// Number of digits before and after the point.
    before: usize,
    behind: usize,
    /// Number of digits after `V`.
    shifted: Option<usize>,
    scientific: bool,
    roman: Option<bool>,
}

/// Returns `st`, `nd`, `rd` or `th`.
pub(super) fn ordinal(digits: &str) -> &'static str {
    let (last, tens) = (digits.chars().last(), digits.chars().rev().nth(1));
    match (last, tens) {
        (_, Some('1')) => "th",
        (Some('1'), _) => "st",
        (Some('2'), _) => "nd",
        (Some('3'), _) => "rd",
        _ => "th",
    }
}

fn read(text: &str) -> Result<Pattern> {
    if text.len() > PATTERN_MAX {
        return exec_err!("to_char: expected a pattern of at most {PATTERN_MAX} bytes");
    }
    let mut pattern = Pattern {
        parts: Vec::new(),
        sign: Sign::Plain,
        fills: false,
        before: 0,
        behind: 0,
        shifted: None,
        scientific: false,
        roman: None,
    };
    let (mut rest, mut behind) = (text, false);
    while let Some(c) = rest.chars().next() {
        let two = rest.get(..2).unwrap_or("").to_uppercase();
        let mut length = c.len_utf8();
        match (two.as_str(), c) {
            ("FM", _) => (pattern.fills, length) = (true, 2),
            ("MI", _) => (pattern.sign, length) = (sign_at(&mut pattern.parts, Part::Minus), 2),
            // The default position for a minus is kept.
            ("PL", _) => {
                pattern.parts.push(Part::Plus);
                length = 2;
            }
            ("SG", _) => (pattern.sign, length) = (sign_at(&mut pattern.parts, Part::Either), 2),
            ("PR", _) => (pattern.sign, length) = (Sign::Brackets, 2),
            ("RN", _) => (pattern.roman, length) = (Some(c.is_uppercase()), 2),
            ("TH", _) => {
                pattern.parts.push(Part::Ordinal(c.is_uppercase()));
                length = 2;
            }
            ("EE", _) if rest.to_uppercase().starts_with("EEEE") => (pattern.scientific, length) = (true, 4),
            (_, '9' | '0') => {
                pattern.parts.push(if c == '9' { Part::Nine } else { Part::Zero });
                let count = match &mut pattern.shifted {
                    Some(shifted) => shifted,
                    None if behind => &mut pattern.behind,
                    None => &mut pattern.before,
                };
                *count += 1;
            }
            (_, '.' | 'D' | 'd') if !behind => {
                behind = true;
                pattern.parts.push(Part::Point);
            }
            (_, ',' | 'G' | 'g') => pattern.parts.push(Part::Comma),
            (_, 'S' | 's') => {
                let before = pattern.parts.iter().any(|part| matches!(part, Part::Nine | Part::Zero));
                pattern.sign = if before { Sign::Behind } else { Sign::Before };
            }
            (_, 'V' | 'v') => pattern.shifted = Some(0),
            // Currency symbols are not supported.
            (_, 'L' | 'l') => pattern.parts.push(Part::Other(' ')),
            (_, '"') => {
                let body = &rest[1..];
                let end = body.find('"').unwrap_or(body.len());
                pattern.parts.extend(body[..end].chars().map(Part::Other));
                length = (end + 2).min(rest.len());
            }
            (_, other) => pattern.parts.push(Part::Other(other)),
        }
        rest = &rest[length..];
    }
    Ok(pattern)
}

fn sign_at(parts: &mut Vec<Part>, part: Part) -> Sign {
    parts.push(part);
    Sign::Placed
}

/// Formats a double by a pattern.
pub(super) fn of_float(text: &str, value: f64) -> Result<String> {
    let pattern = read(text)?;
    if !value.is_finite() {
        return Ok(number::float_text(value));
    }
    if pattern.scientific {
        return Ok(scientific(&pattern, value));
    }
    if let Some((value, scale)) = number::of_float(value) {
        Ok(by(&pattern, value, scale))
    } else {
        exec_err!("to_char: {value} is too large")
    }
}

/// Formats a numeric by a pattern.
pub(super) fn filled(text: &str, value: i128, scale: i8) -> Result<String> {
    let pattern = read(text)?;
    if pattern.scientific {
        return Ok(scientific(&pattern, number::to_float(value, scale)));
    }
    Ok(by(&pattern, value, scale))
}

fn scientific(pattern: &Pattern, value: f64) -> String {
    let text = format!("{:.*e}", pattern.behind, value.abs());
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let sign = if exponent < 0 { '-' } else { '+' };
    let minus = match (value < 0.0, pattern.sign) {
        (true, _) => "-",
        (false, Sign::Before) => "+",
        (false, _) if pattern.fills => "",
        (false, _) => " ",
    };
    format!("{minus}{digits}e{sign}{:02}", exponent.abs())
}

fn by(pattern: &Pattern, value: i128, scale: i8) -> String {
    if let Some(upper) = pattern.roman {
        let whole = rescaled(value, scale, 0).unwrap_or(0);
        let roman = roman(whole).unwrap_or_else(|| "###############".to_owned());
        let roman = if upper { roman } else { roman.to_lowercase() };
        return if pattern.fills { roman } else { format!("{roman:>15}") };
    }
    let (value, before) = if let Some(shifted) = pattern.shifted {
        let places = i8::try_from(shifted).unwrap_or(0);
        (rescaled(value, scale, places).unwrap_or(value), pattern.before + shifted)
    } else {
        let places = i8::try_from(pattern.behind).unwrap_or(0);
        (rescaled(value, scale, places).unwrap_or(value), pattern.before)
    };
    let behind = if pattern.shifted.is_some() { 0 } else { i8::try_from(pattern.behind).unwrap_or(0) };
    let text = number_text(value.abs(), behind);
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let whole = if whole == "0" && before > 0 && (behind > 0 || pattern.before == 0) { "" } else { whole };
    let overflows = whole.len() > before;
    laid_out(pattern, value < 0, (whole, fraction, before), overflows)
}

/// Writes the digits to the positions of the pattern.
fn laid_out(
    pattern: &Pattern,
    negative: bool,
    (whole, fraction, before): (&str, &str, usize),
    overflows: bool,
) -> String {
    let zero_from = {
        let mut at = 0;
        let mut zero = None;
        for part in &pattern.parts {
            match part {
                Part::Point => break,
                Part::Zero => {
                    zero.get_or_insert(at);
                    at += 1;
                }
                Part::Nine => at += 1,
                _ => {}
            }
        }
        zero
    };
    // After the point, FM keeps digits up to the pattern's last 0.
    let kept = {
        let places: Vec<&Part> = pattern
            .parts
            .iter()
            .skip_while(|part| **part != Part::Point)
            .filter(|part| matches!(part, Part::Nine | Part::Zero))
            .collect();
        let asked = places.iter().rposition(|part| **part == Part::Zero).map_or(0, |at| at + 1);
        fraction.trim_end_matches('0').len().max(asked)
    };
    let (mut body, mut at, mut behind, mut begun, mut sign_place) = (String::new(), 0, None::<usize>, false, None);
    for part in &pattern.parts {
        match part {
            Part::Nine | Part::Zero => {
                if let Some(place) = &mut behind {
                    if overflows {
                        body.push('#');
                    } else if !pattern.fills || *place < kept {
                        body.push_str(fraction.get(*place..=*place).unwrap_or("0"));
                    }
                    *place += 1;
                } else {
                    let digit = (whole.len() + at).checked_sub(before).and_then(|place| whole.get(place..=place));
                    let zero = zero_from.is_some_and(|from| at >= from);
                    at += 1;
                    if overflows || digit.is_some() || zero {
                        if !begun {
                            (begun, sign_place) = (true, Some(body.len()));
                        }
                        body.push_str(if overflows { "#" } else { digit.unwrap_or("0") });
                    } else if !pattern.fills {
                        body.push(' ');
                    }
                }
            }
            Part::Comma if begun => body.push(','),
            Part::Comma if !pattern.fills => body.push(' '),
            Part::Point => {
                behind = Some(0);
                sign_place.get_or_insert(body.len());
                begun = true;
                body.push('.');
            }
            Part::Minus => match (negative, pattern.fills) {
                (true, _) => body.push('-'),
                (false, false) => body.push(' '),
                (false, true) => {}
            },
            Part::Plus => match (negative, pattern.fills) {
                (false, _) => body.push('+'),
                (true, false) => body.push(' '),
                (true, true) => {}
            },
            Part::Either => body.push(if negative { '-' } else { '+' }),
            Part::Ordinal(upper) if !negative && behind.is_none() => {
                let end = ordinal(if whole.is_empty() { "0" } else { whole });
                body.push_str(&if *upper { end.to_uppercase() } else { end.to_owned() });
            }
            Part::Comma | Part::Ordinal(_) => {}
            Part::Other(c) => body.push(*c),
        }
    }
    signed(pattern, body, negative, sign_place.unwrap_or(0))
}

fn signed(pattern: &Pattern, mut body: String, negative: bool, place: usize) -> String {
    let (minus, blank) = ('-', if pattern.fills { "" } else { " " });
    match (pattern.sign, negative) {
        (Sign::Plain | Sign::Before, true) => body.insert(place, minus),
        (Sign::Before, false) => body.insert(place, '+'),
        (Sign::Plain, false) => body.insert_str(place, blank),
        (Sign::Behind, _) => body.push(if negative { minus } else { '+' }),
        (Sign::Placed, true) if !pattern.parts.iter().any(|part| matches!(part, Part::Minus | Part::Either)) => {
            body.insert(place, minus);
        }
        (Sign::Placed, _) => {}
        (Sign::Brackets, true) => {
            body.insert(place, '<');
            body.push('>');
        }
        (Sign::Brackets, false) => {
            body.insert_str(place, blank);
            body.push_str(blank);
        }
    }
    body
}

fn roman(mut value: i128) -> Option<String> {
    if !(1..4000).contains(&value) {
        return None;
    }
    let steps = [
        (1000, "M"),
        (900, "CM"),
        (500, "D"),
        (400, "CD"),
        (100, "C"),
        (90, "XC"),
        (50, "L"),
        (40, "XL"),
        (10, "X"),
        (9, "IX"),
        (5, "V"),
        (4, "IV"),
        (1, "I"),
    ];
    let mut text = String::new();
    for (step, letters) in steps {
        while value >= step {
            text.push_str(letters);
            value -= step;
        }
    }
    Some(text)
}
