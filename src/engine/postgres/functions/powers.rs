//! Functions of roots, powers and logarithms.

use crate::engine::postgres::call::Call;
use crate::engine::postgres::forms::{Form, Given, Gives};
use crate::engine::postgres::function::Function;
use crate::engine::postgres::kinds::{DIGITS, Kind};
use crate::engine::postgres::values::number;
use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err};

use Kind::{Float8, Numeric};

/// Scale of numeric roots, logarithms and powers.
const ROOT_SCALE: i8 = 16;

pub(super) fn all() -> Vec<Function> {
    vec![
        Function::new("sqrt", &SQRT),
        Function::new("cbrt", &CBRT),
        Function::new("exp", &EXP),
        Function::new("ln", &LN),
        Function::new("log", &LOG),
        Function::new("log10", &LOG10),
        power("power"),
        power("pow"),
    ]
}

/// The operator `^` and the function `power`.
pub(in crate::engine::postgres) fn power(name: &'static str) -> Function {
    Function::new(name, &POWER)
}

/// Applies a function of doubles that can fail.
pub(super) fn floats(call: &Call<'_>, of: impl Fn(f64) -> Result<f64>) -> Result<ArrayRef> {
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

/// Applies a function to numerics, computed in doubles: about sixteen digits are correct.
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

/// Returns the scale for sixteen significant digits.
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

/// Computes a power with an integer exponent, exactly.
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
