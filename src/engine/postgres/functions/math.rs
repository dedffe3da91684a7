//! Functions of numbers.

use crate::engine::postgres::function::{Call, Form, Function, Given, Gives};
use crate::engine::postgres::kinds::{DIGITS, Kind};
use crate::engine::postgres::operators::modulo;
use crate::engine::postgres::values::{casts, number};
use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{Result, exec_err};

use Kind::{Float8, Int2, Int4, Int8, Numeric};

/// Digits after the point of roots, logarithms and powers of numbers.
const ROOT_SCALE: i8 = 16;

pub(super) fn all() -> Vec<Function> {
    vec![
        Function::new("abs", &ABS).carrying_scale(),
        Function::new("ceil", &CEIL),
        Function::new("ceiling", &CEIL),
        Function::new("floor", &FLOOR),
        Function::new("round", &ROUND),
        Function::new("trunc", &TRUNC),
        Function::new("sign", &SIGN),
        Function::new("sqrt", &SQRT),
        Function::new("cbrt", &CBRT),
        Function::new("exp", &EXP),
        Function::new("ln", &LN),
        Function::new("log", &LOG),
        Function::new("log10", &LOG10),
        power("power"),
        power("pow"),
        modulo("mod"),
        Function::new("div", &DIV),
        Function::new("gcd", &GCD),
        Function::new("lcm", &LCM),
        Function::new("degrees", &DEGREES),
        Function::new("radians", &RADIANS),
        Function::new("factorial", &FACTORIAL),
        Function::new("width_bucket", &WIDTH_BUCKET),
        Function::new("scale", &SCALE_OF),
        Function::new("trim_scale", &TRIM_SCALE),
    ]
}

/// `^` and `power`.
pub(in crate::engine::postgres) fn power(name: &'static str) -> Function {
    Function::new(name, &POWER)
}

static ABS: [Form; 5] = [
    Form::new(&[Int4], Int4, abs_ints),
    Form::new(&[Int2], Int2, abs_ints),
    Form::new(&[Int8], Int8, abs_ints),
    Form::new(&[Float8], Float8, |call| call.to_floats(|row| Ok(Some(call.float(0, row)?.abs())))),
    Form::of(&[Numeric], Gives::Like(0), |call| {
        call.to_numbers(call.scale(0), |row| Ok(Some(call.number(0, row)?.abs())))
    }),
];

fn abs_ints(call: &Call<'_>) -> Result<ArrayRef> {
    let values = call.to::<Int64Type>(|row| {
        let value = call.int(0, row)?.checked_abs();
        value.map(Some).ok_or_else(|| number::out_of_range("bigint"))
    })?;
    casts::cast(&values, &call.gives, call.zone)
}

static CEIL: [Form; 2] = [
    Form::new(&[Float8], Float8, |call| call.to_floats(|row| Ok(Some(call.float(0, row)?.ceil())))),
    Form::of(&[Numeric], Gives::By(whole), |call| whole_numbers(call, 1)),
];

static FLOOR: [Form; 2] = [
    Form::new(&[Float8], Float8, |call| call.to_floats(|row| Ok(Some(call.float(0, row)?.floor())))),
    Form::of(&[Numeric], Gives::By(whole), |call| whole_numbers(call, -1)),
];

fn whole(_given: &Given<'_>) -> DataType {
    DataType::Decimal128(DIGITS, 0)
}

/// The next whole number above or below.
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
    // PostgreSQL has none of a double; it is what a mean of durations is most often put through.
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

/// A number in a scale, with what is behind it cut off.
fn cut(value: i128, from: i8, to: i8) -> Option<i128> {
    if to >= from {
        return number::rescaled(value, from, to);
    }
    Some(number::power_of_ten(u32::from(from.abs_diff(to))).map_or(0, |by| value / by))
}

/// Arguments of which the first was a bigint and is a number.
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

/// The scale that is asked for, where it is a constant.
fn to_digits(given: &Given<'_>) -> DataType {
    let scale = given.int(1).map_or(given.scale(0), |digits| i8::try_from(digits.clamp(0, 30)).unwrap_or(0));
    DataType::Decimal128(DIGITS, scale)
}

fn digits(call: &Call<'_>, of: fn(i128, i8, i8) -> Option<i128>) -> Result<ArrayRef> {
    let DataType::Decimal128(_, scale) = call.gives else { return exec_err!("round: expected a number") };
    call.to_numbers(scale, |row| {
        let places = i8::try_from(call.int(1, row)?.clamp(-38, 30)).unwrap_or(0);
        let rounded = of(call.number(0, row)?, call.scale(0), places);
        // Digits before the point become zeros.
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

static SIGN: [Form; 2] = [
    Form::new(&[Float8], Float8, |call| {
        call.to_floats(|row| {
            let value = call.float(0, row)?;
            Ok(Some(if value > 0.0 {
                1.0
            } else if value < 0.0 {
                -1.0
            } else {
                0.0
            }))
        })
    }),
    Form::of(&[Numeric], Gives::By(whole), |call| call.to_numbers(0, |row| Ok(Some(call.number(0, row)?.signum())))),
];

/// A function of doubles that fails where it has no value.
fn floats(call: &Call<'_>, of: impl Fn(f64) -> Result<f64>) -> Result<ArrayRef> {
    call.to_floats(|row| {
        let given = call.float(0, row)?;
        let value = of(given)?;
        if value.is_infinite() && given.is_finite() {
            exec_err!("value out of range: overflow")
        } else {
            Ok(Some(value))
        }
    })
}

fn root_type(_given: &Given<'_>) -> DataType {
    DataType::Decimal128(DIGITS, ROOT_SCALE)
}

/// The same of numbers, worked out in doubles: some sixteen digits are right.
fn numbers(call: &Call<'_>, of: impl Fn(f64) -> Result<f64>) -> Result<ArrayRef> {
    let DataType::Decimal128(_, scale) = call.gives else { return exec_err!("expected a number") };
    let values: Vec<Option<f64>> =
        call.strict(|row| of(number::to_float(call.number(0, row)?, call.scale(0))).map(Some))?;
    let scale = match values.as_slice() {
        [Some(value)] if call.exact => shown(*value),
        _ => scale,
    };
    call.to_numbers(scale, |row| match values.get(row).copied().flatten() {
        Some(value) => of_float(value, scale),
        None => Ok(None),
    })
}

/// Digits after the point where sixteen are to count.
fn shown(value: f64) -> i8 {
    if value == 0.0 || !value.is_finite() {
        return ROOT_SCALE;
    }
    #[expect(clippy::cast_possible_truncation, reason = "a double's exponent")]
    let whole = value.abs().log10().floor() as i32;
    i8::try_from((15 - whole).clamp(0, 30)).unwrap_or(ROOT_SCALE)
}

fn of_float(value: f64, scale: i8) -> Result<Option<i128>> {
    let Some(places) = usize::try_from(scale).ok().filter(|_| value.is_finite()) else {
        return exec_err!("value overflows numeric format");
    };
    let text = format!("{value:.places$}");
    let read = number::read_number(&text).and_then(|(value, from)| number::rescaled(value, from, scale));
    read.map(Some).ok_or_else(number::too_many_digits)
}

fn root(value: f64) -> Result<f64> {
    if value < 0.0 { exec_err!("cannot take square root of a negative number") } else { Ok(value.sqrt()) }
}

fn logarithm(value: f64, of: fn(f64) -> f64) -> Result<f64> {
    if value == 0.0 {
        exec_err!("cannot take logarithm of zero")
    } else if value < 0.0 {
        exec_err!("cannot take logarithm of a negative number")
    } else {
        Ok(of(value))
    }
}

static SQRT: [Form; 2] = [
    Form::new(&[Float8], Float8, |call| floats(call, root)),
    Form::of(&[Numeric], Gives::By(root_type), |call| numbers(call, root)),
];
static CBRT: [Form; 1] = [Form::new(&[Float8], Float8, |call| floats(call, |value| Ok(value.cbrt())))];
static EXP: [Form; 2] = [
    Form::new(&[Float8], Float8, |call| floats(call, |value| Ok(value.exp()))),
    Form::of(&[Numeric], Gives::By(root_type), |call| numbers(call, |value| Ok(value.exp()))),
];
static LN: [Form; 2] = [
    Form::new(&[Float8], Float8, |call| floats(call, |value| logarithm(value, f64::ln))),
    Form::of(&[Numeric], Gives::By(root_type), |call| numbers(call, |value| logarithm(value, f64::ln))),
];
static LOG10: [Form; 2] = [
    Form::new(&[Float8], Float8, |call| floats(call, |value| logarithm(value, f64::log10))),
    Form::of(&[Numeric], Gives::By(root_type), |call| numbers(call, |value| logarithm(value, f64::log10))),
];
static LOG: [Form; 3] = [
    Form::new(&[Float8], Float8, |call| floats(call, |value| logarithm(value, f64::log10))),
    Form::of(&[Numeric], Gives::By(root_type), |call| numbers(call, |value| logarithm(value, f64::log10))),
    Form::of(&[Numeric, Numeric], Gives::By(root_type), |call| {
        call.to_numbers(ROOT_SCALE, |row| {
            let base = logarithm(number::to_float(call.number(0, row)?, call.scale(0)), f64::ln)?;
            let value = logarithm(number::to_float(call.number(1, row)?, call.scale(1)), f64::ln)?;
            if base == 0.0 { exec_err!("division by zero") } else { of_float(value / base, ROOT_SCALE) }
        })
    }),
];

static POWER: [Form; 2] = [
    Form::new(&[Float8, Float8], Float8, |call| {
        call.to_floats(|row| raised(call.float(0, row)?, call.float(1, row)?).map(Some))
    }),
    Form::of(&[Numeric, Numeric], Gives::By(root_type), |call| {
        let scale = if call.exact { ROOT_SCALE.max(call.scale(0)) } else { ROOT_SCALE };
        call.to_numbers(scale, |row| {
            let base = (call.number(0, row)?, call.scale(0));
            let exponent = (call.number(1, row)?, call.scale(1));
            if let Some(exact) = whole_power(base, exponent, scale) {
                return Ok(Some(exact));
            }
            of_float(raised(number::to_float(base.0, base.1), number::to_float(exponent.0, exponent.1))?, scale)
        })
    }),
];

/// A power with a whole exponent, exactly.
fn whole_power(base: (i128, i8), exponent: (i128, i8), scale: i8) -> Option<i128> {
    let by = number::power_of_ten(exponent.1.unsigned_abs().into())?;
    let times = u32::try_from(exponent.0 / by).ok().filter(|times| exponent.0 % by == 0 && *times < 128)?;
    let value = base.0.checked_pow(times)?;
    let from = i8::try_from(i64::from(base.1) * i64::from(times)).ok()?;
    number::rescaled(value, from, scale)
}

fn raised(base: f64, exponent: f64) -> Result<f64> {
    if base == 0.0 && exponent < 0.0 {
        return exec_err!("zero raised to a negative power is undefined");
    }
    if base < 0.0 && exponent.fract() != 0.0 {
        return exec_err!("a negative number raised to a non-integer power yields a complex result");
    }
    let value = base.powf(exponent);
    if value.is_infinite() && base.is_finite() && exponent.is_finite() {
        return exec_err!("value out of range: overflow");
    }
    Ok(value)
}

static DIV: [Form; 1] = [Form::of(&[Numeric, Numeric], Gives::By(whole), |call| {
    let (left, right) = (call.scale(0), call.scale(1));
    let scale = left.max(right);
    call.to_numbers(0, |row| {
        let one = number::rescaled(call.number(0, row)?, left, scale).ok_or_else(number::too_many_digits)?;
        let other = number::rescaled(call.number(1, row)?, right, scale).ok_or_else(number::too_many_digits)?;
        one.checked_div(other).map_or_else(|| exec_err!("division by zero"), |value| Ok(Some(value)))
    })
})];

fn divisor(mut one: i64, mut other: i64) -> i64 {
    while other != 0 {
        (one, other) = (other, one.checked_rem(other).unwrap_or(0));
    }
    one.saturating_abs()
}

fn of_pairs(call: &Call<'_>, of: fn(i64, i64) -> Option<i64>) -> Result<ArrayRef> {
    let values = call.to::<Int64Type>(|row| {
        of(call.int(0, row)?, call.int(1, row)?).map(Some).ok_or_else(|| number::out_of_range("bigint"))
    })?;
    casts::cast(&values, &call.gives, call.zone)
}

static GCD: [Form; 2] = [
    Form::new(&[Int4, Int4], Int4, |call| of_pairs(call, |one, other| Some(divisor(one, other)))),
    Form::new(&[Int8, Int8], Int8, |call| of_pairs(call, |one, other| Some(divisor(one, other)))),
];
static LCM: [Form; 2] = [
    Form::new(&[Int4, Int4], Int4, |call| of_pairs(call, multiple)),
    Form::new(&[Int8, Int8], Int8, |call| of_pairs(call, multiple)),
];

fn multiple(one: i64, other: i64) -> Option<i64> {
    if one == 0 || other == 0 { Some(0) } else { (one / divisor(one, other)).checked_mul(other)?.checked_abs() }
}

static DEGREES: [Form; 1] = [Form::new(&[Float8], Float8, |call| floats(call, |value| Ok(value.to_degrees())))];
static RADIANS: [Form; 1] = [Form::new(&[Float8], Float8, |call| floats(call, |value| Ok(value.to_radians())))];

static FACTORIAL: [Form; 1] = [Form::of(&[Int8], Gives::By(whole), |call| {
    call.to_numbers(0, |row| match call.int(0, row)? {
        below if below < 0 => exec_err!("factorial of a negative number is undefined"),
        above if above > 33 => Err(number::too_many_digits()),
        value => Ok(Some((1..=i128::from(value)).product())),
    })
})];

static WIDTH_BUCKET: [Form; 1] = [Form::new(&[Float8, Float8, Float8, Int4], Int4, |call| {
    call.to_ints(|row| {
        let (value, low, high) = (call.float(0, row)?, call.float(1, row)?, call.float(2, row)?);
        let count = call.int(3, row)?;
        if count <= 0 || low.total_cmp(&high).is_eq() || !(low.is_finite() && high.is_finite()) {
            return exec_err!("width_bucket: expected a count above zero, and two different finite bounds");
        }
        #[expect(clippy::cast_precision_loss, reason = "a count of buckets")]
        let at = (value - low) / (high - low) * count as f64;
        #[expect(clippy::cast_possible_truncation, reason = "held within the buckets")]
        let bucket = if at < 0.0 { 0 } else { (at.floor() as i64).saturating_add(1).min(count + 1) };
        i32::try_from(bucket).map(Some).map_err(|_| number::out_of_range("integer"))
    })
})];

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
