//! Rounding functions, and functions of a numeric's scale.

use crate::engine::postgres::call::Call;
use crate::engine::postgres::forms::{Form, Given, Gives};
use crate::engine::postgres::function::Function;
use crate::engine::postgres::kinds::{DIGITS, Kind};
use crate::engine::postgres::values::{casts, number};
use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err};

use Kind::{Float8, Int4, Int8, Numeric};

pub(super) fn all() -> Vec<Function> {
    vec![
        Function::new("ceil", &CEIL),
        Function::new("ceiling", &CEIL),
        Function::new("floor", &FLOOR),
        Function::new("round", &ROUND),
        Function::new("trunc", &TRUNC),
        Function::new("scale", &SCALE_OF),
        Function::new("trim_scale", &TRIM_SCALE),
    ]
}

static CEIL: [Form; 2] = [
    Form::new(&[Float8], Float8, |call| call.to_floats(|row| Ok(Some(call.float(0, row)?.ceil())))),
    Form::of(&[Numeric], Gives::By(whole), |call| whole_numbers(call, 1)),
];

static FLOOR: [Form; 2] = [
    Form::new(&[Float8], Float8, |call| call.to_floats(|row| Ok(Some(call.float(0, row)?.floor())))),
    Form::of(&[Numeric], Gives::By(whole), |call| whole_numbers(call, -1)),
];

/// Returns the type of a numeric with scale 0.
pub(super) fn whole(_given: &Given<'_>) -> DataType {
    DataType::Decimal128(DIGITS, 0)
}

/// Rounds to the next integer above or below.
fn whole_numbers(call: &Call<'_>, towards: i128) -> Result<ArrayRef> {
    let by = number::power_of_ten(call.scale(0).unsigned_abs().into()).ok_or_else(number::too_many_digits)?;
    call.to_numbers(0, |row| {
        let value = call.number(0, row)?;
        let below = value.div_euclid(by);
        Ok(Some(if towards > 0 && value.rem_euclid(by) != 0 { below + 1 } else { below }))
    })
}

static ROUND: [Form; 5] = [
    Form::new(&[Float8], Float8, |call| call.to_floats(|row| Ok(Some(call.float(0, row)?.round_ties_even())))),
    Form::of(&[Numeric], Gives::By(whole), |call| {
        call.to_numbers(0, |row| rescale(call.number(0, row)?, call.scale(0), 0))
    }),
    Form::of(&[Numeric, Int4], Gives::By(to_digits), |call| digits(call, number::rescaled)),
    Form::of(&[Int8, Int4], Gives::By(to_digits), |call| digits(&of_bigints(call)?.call(call), number::rescaled)),
    // PostgreSQL has no such form for doubles, but means of durations are often rounded.
    Form::new(&[Float8, Int4], Float8, |call| {
        call.to_floats(|row| {
            let (value, places) = (call.float(0, row)?, call.int(1, row)?);
            Ok(Some(match number::of_float(value).zip(i8::try_from(places).ok()) {
                Some(((exact, scale), places)) if (0..scale).contains(&places) => {
                    number::rescaled(exact, scale, places).map_or(value, |exact| number::to_float(exact, places))
                }
                Some((_, places)) if places < 0 => {
                    let by = 10_f64.powi((-places).into());
                    (value / by).round() * by
                }
                _ => value,
            }))
        })
    }),
];

static TRUNC: [Form; 4] = [
    Form::new(&[Float8], Float8, |call| call.to_floats(|row| Ok(Some(call.float(0, row)?.trunc())))),
    Form::of(&[Numeric], Gives::By(whole), |call| {
        call.to_numbers(0, |row| Ok(cut(call.number(0, row)?, call.scale(0), 0)))
    }),
    Form::of(&[Numeric, Int4], Gives::By(to_digits), |call| digits(call, cut)),
    Form::of(&[Int8, Int4], Gives::By(to_digits), |call| digits(&of_bigints(call)?.call(call), cut)),
];

fn rescale(value: i128, from: i8, to: i8) -> Result<Option<i128>> {
    number::rescaled(value, from, to).map(Some).ok_or_else(number::too_many_digits)
}

/// Truncates a numeric to a scale.
fn cut(value: i128, from: i8, to: i8) -> Option<i128> {
    if to >= from {
        return number::rescaled(value, from, to);
    }
    Some(number::power_of_ten(u32::from(from.abs_diff(to))).map_or(0, |by| value / by))
}

/// Arguments of which the first was cast from bigint to numeric.
struct Numbers([ArrayRef; 2]);

impl Numbers {
    fn call<'a>(&'a self, call: &'a Call<'_>) -> Call<'a> {
        Call { args: &self.0, rows: call.rows, zone: call.zone, gives: call.gives.clone(), exact: call.exact }
    }
}

fn of_bigints(call: &Call<'_>) -> Result<Numbers> {
    let number = casts::cast(&call.args[0], &DataType::Decimal128(DIGITS, 0), call.zone)?;
    Ok(Numbers([number, call.args[1].clone()]))
}

/// Returns the requested scale, if it is a constant.
fn to_digits(given: &Given<'_>) -> DataType {
    let scale = given.int(1).map_or(given.scale(0), |digits| i8::try_from(digits.clamp(0, 30)).unwrap_or(0));
    DataType::Decimal128(DIGITS, scale)
}

fn digits(call: &Call<'_>, of: fn(i128, i8, i8) -> Option<i128>) -> Result<ArrayRef> {
    let DataType::Decimal128(_, scale) = call.gives else { return exec_err!("round: expected a number") };
    call.to_numbers(scale, |row| {
        let places = i8::try_from(call.int(1, row)?.clamp(-38, 30)).unwrap_or(0);
        let rounded = of(call.number(0, row)?, call.scale(0), places);
        // Zeros replace the digits before the point.
        let rounded = rounded.and_then(|value| {
            if places < 0 {
                value.checked_mul(number::power_of_ten(places.unsigned_abs().into())?)
            } else {
                Some(value)
            }
        });
        let value = rounded.and_then(|value| number::rescaled(value, places.max(0), scale));
        value.map(Some).ok_or_else(number::too_many_digits)
    })
}

static SCALE_OF: [Form; 1] = [Form::new(&[Numeric], Int4, |call| call.to_ints(|_| Ok(Some(call.scale(0).into()))))];

static TRIM_SCALE: [Form; 1] = [Form::of(&[Numeric], Gives::Trimmed, |call| {
    let mut scale = call.scale(0);
    if !call.exact || call.is_null(0, 0) {
        return Ok(call.args[0].clone());
    }
    let mut value = call.number(0, 0)?;
    while scale > 0 && value % 10 == 0 {
        (value, scale) = (value / 10, scale - 1);
    }
    call.to_numbers(scale, |_| Ok(Some(value)))
})];
