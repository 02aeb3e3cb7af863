//! `[catalog]` of the settings: how often providers are asked which models they have.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::code::Code;
use crate::document::Document;
use crate::fields::Fields;
use crate::names::quote;

/// The word for never.
pub(crate) const OFF: &str = "off";

/// An hour: enough for most, and hardly more than nothing for a provider that may bill or limit such calls.
pub(crate) const INTERVAL: &str = "1h";

/// A second for whoever tries it out, a week for whoever has to pay.
const INTERVALS: RangeInclusive<u64> = 1..=7 * 24 * 3600;

/// How long an answer may take.
pub(crate) const TIMEOUT_MS: RangeInclusive<u64> = 100..=120_000;

const UNITS: [(char, u64); 4] = [('s', 1), ('m', 60), ('h', 3600), ('d', 24 * 3600)];

/// How often providers are asked which models they have, and what is slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CatalogSettings {
    /// Between two checks, with jitter; `None` is never.
    pub interval: Option<Duration>,
    /// How long one may take.
    pub timeout: Duration,
    /// The objective for its duration: one that takes longer is told.
    pub slow: Duration,
}

impl Default for CatalogSettings {
    fn default() -> CatalogSettings {
        CatalogSettings {
            interval: Some(Duration::from_secs(3600)),
            timeout: Duration::from_secs(15),
            slow: Duration::from_secs(5),
        }
    }
}

/// What is wrong is reported.
pub(super) fn read(document: &Document<'_>, table: Option<Fields<'_, '_>>) -> CatalogSettings {
    let mut settings = CatalogSettings::default();
    let Some(mut fields) = table else { return settings };
    if let Some(text) = fields.text("interval") {
        match parse(&text.text) {
            Some(interval) => settings.interval = interval,
            None => {
                let message = format!("`interval` cannot be {}", quote(&text.text));
                let help = "as in \"15m\", \"1h\" or \"1d\", from a second to a week, or \"off\"";
                document.problem_with_help(Code::NotAChoice, text.at, message, help);
            }
        }
    }
    for (name, value) in [("timeout_ms", &mut settings.timeout), ("slow_ms", &mut settings.slow)] {
        let default = u64::try_from(value.as_millis()).unwrap_or(*TIMEOUT_MS.end());
        *value = fields.millis(name, TIMEOUT_MS, default);
    }
    fields.finish();
    settings
}

fn parse(text: &str) -> Option<Option<Duration>> {
    if text == OFF {
        return Some(None);
    }
    let (unit, seconds) = UNITS.into_iter().find(|(unit, _)| text.ends_with(*unit))?;
    let number = text.strip_suffix(unit)?;
    let is_plain =
        !number.is_empty() && number.len() <= 6 && number.bytes().all(|byte| byte.is_ascii_digit());
    let all = number.parse::<u64>().ok().filter(|_| is_plain)?.checked_mul(seconds)?;
    INTERVALS.contains(&all).then(|| Some(Duration::from_secs(all)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_a_number_with_a_unit() {
        let seconds = |text| parse(text).map(|interval| interval.map(|interval| interval.as_secs()));
        assert_eq!(seconds(INTERVAL), Some(Some(3600)));
        for (text, expected) in [("1s", 1), ("15m", 900), ("1d", 86_400), ("7d", 604_800)] {
            assert_eq!(seconds(text), Some(Some(expected)), "{text}");
        }
        assert_eq!(seconds("off"), Some(None));
        for text in ["", "h", "0s", "8d", "1", "1.5h", "-1h", "+1h", "1 h", "1H", "9999999s", "never", "1é"]
        {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}
