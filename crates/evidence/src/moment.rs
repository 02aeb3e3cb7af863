//! When something was: a moment of the wall clock, given by the caller, since this crate has no clock.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// The first and the last millisecond that RFC 3339 and the calendar used here can both say.
const RANGE: (i64, i64) = (-62_167_219_200_000, 253_402_207_200_000);

/// Milliseconds since 1970 (UTC). Written as RFC 3339 with milliseconds: `2026-11-21T12:00:00.000Z`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(i64);

impl Moment {
    /// What lies before the year 0 or after the year 9999 is taken for the first or last moment between them.
    #[must_use]
    pub fn from_ms(milliseconds: i64) -> Moment {
        Moment(milliseconds.clamp(RANGE.0, RANGE.1))
    }

    /// Milliseconds since 1970 (UTC).
    #[must_use]
    pub fn ms(self) -> i64 {
        self.0
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let timestamp = jiff::Timestamp::from_millisecond(self.0).unwrap_or_default();
        write!(formatter, "{timestamp:.3}")
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Moment, D::Error> {
        let text = String::deserialize(deserializer)?;
        let timestamp: jiff::Timestamp = text.parse().map_err(D::Error::custom)?;
        Ok(Moment::from_ms(timestamp.as_millisecond()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn moments_are_utc_with_milliseconds() {
        assert_eq!(Moment::from_ms(1_795_262_400_007).to_string(), "2026-11-21T12:00:00.007Z");
        assert_eq!(Moment::from_ms(i64::MIN).to_string(), "0000-01-01T00:00:00.000Z");
        assert_eq!(Moment::from_ms(i64::MAX).to_string(), "9999-12-30T22:00:00.000Z");
    }

    proptest! {
        #[test]
        fn a_moment_is_read_as_it_was_written(milliseconds in RANGE.0..=RANGE.1) {
            let moment = Moment::from_ms(milliseconds);
            let written = serde_json::to_string(&moment).unwrap();
            prop_assert_eq!(serde_json::from_str::<Moment>(&written).unwrap(), moment);
        }
    }
}
