//! Numbers that must come back bit for bit, since a replay has to reproduce them.
//!
//! The shortest decimal text that names an `f64` is unambiguous, but serde_json's fast parser may miss it by the last bit.
//! So the text of the number is taken as it stands and read by the standard library, which rounds correctly; Python's
//! `json` and JavaScript do the same. What JSON has no number for is written as text.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::value::RawValue;

/// An `f64` that is stored exactly. Not-a-numbers keep their bits: `"NaN:7ff8000000000000"`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Exact(pub f64);

/// Two are equal when their bits are.
impl PartialEq for Exact {
    fn eq(&self, other: &Exact) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl From<f64> for Exact {
    fn from(number: f64) -> Exact {
        Exact(number)
    }
}

impl Serialize for Exact {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_finite() {
            serializer.serialize_f64(self.0)
        } else if self.0.is_nan() {
            serializer.collect_str(&format_args!("NaN:{:016x}", self.0.to_bits()))
        } else {
            serializer.serialize_str(if self.0 > 0.0 { "Infinity" } else { "-Infinity" })
        }
    }
}

impl<'de> Deserialize<'de> for Exact {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Exact, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        parse(raw.get()).map(Exact).ok_or_else(|| D::Error::custom("not a number"))
    }
}

fn parse(text: &str) -> Option<f64> {
    let Some(word) = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return text.parse().ok().filter(|number: &f64| number.is_finite());
    };
    match word {
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => {
            let number = f64::from_bits(u64::from_str_radix(word.strip_prefix("NaN:")?, 16).ok()?);
            number.is_nan().then_some(number)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]
        #[test]
        fn every_number_comes_back_bit_for_bit(bits in any::<u64>()) {
            let number = Exact(f64::from_bits(bits));
            let written = serde_json::to_string(&number).unwrap();
            prop_assert_eq!(serde_json::from_str::<Exact>(&written).unwrap(), number, "{}", written);
        }
    }

    #[test]
    fn what_has_no_number_is_text() {
        let written = |number: f64| serde_json::to_string(&Exact(number)).unwrap();
        assert_eq!(written(f64::INFINITY), "\"Infinity\"");
        assert_eq!(written(-0.0), "-0.0");
        assert!(serde_json::from_str::<Exact>("\"inf\"").is_err());
        assert!(serde_json::from_str::<Exact>("null").is_err());
    }
}
