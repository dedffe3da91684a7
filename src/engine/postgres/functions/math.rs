//! Numeric functions, except rounding and powers, which have their own files.

use super::powers::floats;
use super::rounding::whole;
use crate::engine::postgres::call::Call;
use crate::engine::postgres::forms::{Form, Gives};
use crate::engine::postgres::function::Function;
use crate::engine::postgres::kinds::Kind;
use crate::engine::postgres::operators::modulo;
use crate::engine::postgres::values::{casts, number};
use arrow::array::ArrayRef;
use arrow::datatypes::Int64Type;
use datafusion::common::{Result, exec_err};

use Kind::{Float8, Int2, Int4, Int8, Numeric};

pub(super) fn all() -> Vec<Function> {
    vec![
        Function::new("abs", &ABS).carrying_scale(),
        Function::new("sign", &SIGN),
        modulo("mod"),
        Function::new("div", &DIV),
        Function::new("gcd", &GCD),
        Function::new("lcm", &LCM),
        Function::new("degrees", &DEGREES),
        Function::new("radians", &RADIANS),
        Function::new("factorial", &FACTORIAL),
        Function::new("width_bucket", &WIDTH_BUCKET),
    ]
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
