//! A number that is shown.

use std::fmt;

/// What a series shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// A whole number.
    Whole(i64),
    /// Any other.
    Real(f64),
    /// So many billionths of one, shown without anything rounded.
    Billionths(u64),
}

impl Number {
    /// As near as a float comes to it.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        match self {
            Number::Whole(whole) => whole as f64,
            Number::Real(real) => real,
            Number::Billionths(billionths) => billionths as f64 / 1e9,
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Number::Whole(whole) => whole.fmt(f),
            Number::Real(real) => real.fmt(f),
            Number::Billionths(billionths) => decimal(f, *billionths, 9),
        }
    }
}

/// A number of which the last so many digits stand behind the point, without zeros at its end.
pub(crate) fn decimal(f: &mut fmt::Formatter<'_>, number: u64, digits: u32) -> fmt::Result {
    let one = 10_u64.pow(digits);
    let (whole, part) = (number / one, number % one);
    if part == 0 {
        return write!(f, "{whole}");
    }
    let part = format!("{part:0width$}", width = digits as usize);
    write!(f, "{whole}.{}", part.trim_end_matches('0'))
}

macro_rules! whole {
    ($($of:ty)*) => {$(
        impl From<$of> for Number {
            fn from(number: $of) -> Number {
                Number::Whole(i64::try_from(number).unwrap_or(i64::MAX))
            }
        }
    )*};
}

whole!(u8 u32 u64 usize i32 i64);

impl From<f64> for Number {
    fn from(number: f64) -> Number {
        Number::Real(number)
    }
}
