//! Forms (overloads) of a function: argument types, result type and implementation.

use super::call::Call;
use super::field_metadata::{EXTENSION, QUOTIENT, SCALE, TRIMMED};
use super::kinds::{DIGITS, Kind, list_of, numeric};
use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Field};
use datafusion::common::{Result, ScalarValue};

/// Implementation of a form.
pub(crate) type Run = fn(&Call<'_>) -> Result<ArrayRef>;

/// One form of a function.
pub(crate) struct Form {
    pub(crate) takes: &'static [Kind],
    /// Kind of any number of additional arguments, if allowed.
    pub(crate) rest: Option<Kind>,
    pub(crate) gives: Gives,
    pub(crate) run: Run,
}

impl Form {
    pub(crate) const fn new(takes: &'static [Kind], gives: Kind, run: Run) -> Form {
        Form { takes, rest: None, gives: Gives::Kind(gives), run }
    }

    pub(crate) const fn of(takes: &'static [Kind], gives: Gives, run: Run) -> Form {
        Form { takes, rest: None, gives, run }
    }

    pub(crate) const fn any(takes: &'static [Kind], rest: Kind, gives: Gives, run: Run) -> Form {
        Form { takes, rest: Some(rest), gives, run }
    }
}

/// Result type of a form.
#[derive(Clone, Copy)]
pub(crate) enum Gives {
    Kind(Kind),
    /// A list of texts.
    Texts,
    /// The type of an argument, by index.
    Like(usize),
    /// Computed from the types of the arguments and from constant arguments.
    By(fn(&Given<'_>) -> DataType),
    /// JSON text.
    Json,
    /// A numeric displayed with the scale of `PostgreSQL`'s division.
    Quotient,
    /// A numeric displayed without trailing zeros.
    Trimmed,
}

/// Scale of a quotient.
pub(crate) const QUOTIENT_SCALE: i8 = 20;

/// Information about arguments that is known when planning.
pub(crate) struct Given<'a> {
    pub(crate) types: &'a [DataType],
    pub(super) constants: &'a [Option<&'a ScalarValue>],
}

impl Given<'_> {
    /// Returns the scale of a numeric argument.
    pub(crate) fn scale(&self, at: usize) -> i8 {
        match self.types.get(at) {
            Some(DataType::Decimal128(_, scale)) => *scale,
            _ => 0,
        }
    }

    pub(crate) fn text(&self, at: usize) -> Option<&str> {
        self.constants.get(at).copied().flatten().and_then(|value| value.try_as_str().flatten())
    }

    pub(crate) fn int(&self, at: usize) -> Option<i64> {
        let value = self.constants.get(at).copied().flatten()?;
        match value.cast_to(&DataType::Int64) {
            Ok(ScalarValue::Int64(value)) => value,
            _ => None,
        }
    }
}

impl Gives {
    pub(super) fn field(self, name: &str, given: &Given<'_>) -> Field {
        let types = given.types;
        let of = |kind: DataType| Field::new(name, kind, true);
        let with =
            |kind: DataType, key: &str, word: &str| of(kind).with_metadata([(key.to_owned(), word.to_owned())].into());
        match self {
            Gives::Kind(kind) => of(kind.arrow(types.first().unwrap_or(&DataType::Null))),
            Gives::Texts => of(list_of(DataType::Utf8)),
            Gives::Like(at) => of(types.get(at).cloned().unwrap_or(DataType::Null)),
            Gives::By(told) => of(told(given)),
            Gives::Json => with(DataType::Utf8, EXTENSION.0, EXTENSION.1),
            Gives::Quotient => with(DataType::Decimal128(DIGITS, QUOTIENT_SCALE), SCALE, QUOTIENT),
            Gives::Trimmed => {
                let given = types.first().unwrap_or(&DataType::Null);
                with(numeric(given), SCALE, TRIMMED)
            }
        }
    }
}
