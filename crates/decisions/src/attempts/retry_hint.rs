//! What a failed answer's headers say about trying again.
//!
//! What is nonsense (negative, not a number, no date) is as good as absent. What is absurd is a wait of a day: it
//! says not to try again soon, and must not be forgotten for being exaggerated.

use std::time::Duration;

use crate::attempts::http_date::read_date;

/// No wait is read as longer.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// What a failed answer says about trying again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RetryHint {
    /// How long to wait at least; 24 h at the most.
    pub after: Option<Duration>,
    /// Whether to try again at all.
    pub should_retry: Option<bool>,
}

/// Reads the headers of a failed answer.
///
/// `header` gives the value of a header by its name in lower case. `now_unix` is the time since the beginning of 1970,
/// which a `Retry-After` may refer to; a date in the past is no wait.
#[must_use]
pub fn read_hint<'h>(header: impl Fn(&str) -> Option<&'h str>, now_unix: Duration) -> RetryHint {
    let after = header("retry-after-ms")
        .and_then(|text| read_count(text.trim(), 1_000_000))
        .or_else(|| header("retry-after").and_then(|text| read_retry_after(text.trim(), now_unix)))
        .or_else(|| read_reset(&header));
    let should_retry = header("x-should-retry").and_then(|text| read_flag(text.trim()));
    RetryHint { after, should_retry }
}

fn read_flag(text: &str) -> Option<bool> {
    let is = |word: &str| text.eq_ignore_ascii_case(word);
    if is("true") { Some(true) } else { is("false").then_some(false) }
}

/// Seconds, or a date.
fn read_retry_after(text: &str, now_unix: Duration) -> Option<Duration> {
    let from_date = || read_date(text).map(|date| date.saturating_sub(now_unix).min(LONGEST));
    read_count(text, 1_000_000_000).or_else(from_date)
}

/// When the limits that are used up are renewed; for which none is used up, nothing is said.
fn read_reset<'h>(header: &impl Fn(&str) -> Option<&'h str>) -> Option<Duration> {
    let of = |remaining: &str, reset: &str| {
        let is_used_up = header(remaining)?.trim() == "0";
        is_used_up.then(|| read_units(header(reset)?.trim()))?
    };
    let requests = of("x-ratelimit-remaining-requests", "x-ratelimit-reset-requests");
    let tokens = of("x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens");
    requests.max(tokens)
}

/// A duration such as `120ms`, `6m0s` or `1h2m3.5s`, as Go writes it.
fn read_units(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let number_end = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
        let (number, after_number) = rest.split_at_checked(number_end)?;
        let is_number_part = |letter: char| letter.is_ascii_digit() || letter == '.';
        let unit_end = after_number.find(is_number_part).unwrap_or(after_number.len());
        let (unit, after_unit) = after_number.split_at_checked(unit_end)?;
        let nanoseconds = match unit {
            "h" => 3_600_000_000_000,
            "m" => 60_000_000_000,
            "s" => 1_000_000_000,
            "ms" => 1_000_000,
            "us" | "µs" | "μs" => 1_000,
            "ns" => 1,
            _ => return None,
        };
        total = total.saturating_add(read_count(number, nanoseconds)?);
        rest = after_unit;
    }
    (!text.is_empty()).then_some(total.min(LONGEST))
}

/// So many of a unit, which is given in nanoseconds: digits, perhaps with a fraction, and neither sign nor exponent.
fn read_count(text: &str, unit: u64) -> Option<Duration> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (is_number(whole) && is_number(fraction)).then_some(())?;
    // More digits than fit are more than a day of any unit but the nanosecond, of which nobody counts so many.
    let whole = whole.parse().unwrap_or(u64::MAX).saturating_mul(unit);
    let part = fraction_of(fraction, unit);
    Some(Duration::from_nanos(whole.saturating_add(part)).min(LONGEST))
}

/// The digits behind a point, of a unit in nanoseconds; those from the tenth on are below any that matters.
fn fraction_of(digits: &str, unit: u64) -> u64 {
    let shown = digits.bytes().take(9).map(|digit| u64::from(digit.saturating_sub(b'0')));
    let (parts, scale) = shown.fold((0, 1_u64), |(parts, scale), digit| (parts * 10 + digit, scale * 10));
    let nanoseconds = u128::from(unit) * u128::from(parts) / u128::from(scale);
    u64::try_from(nanoseconds).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(784_111_777);

    fn hint(headers: &[(&str, &'static str)]) -> RetryHint {
        read_hint(|name| headers.iter().find(|(known, _)| *known == name).map(|(_, value)| *value), NOW)
    }

    fn after_ms(headers: &[(&str, &'static str)]) -> Option<u128> {
        hint(headers).after.map(|after| after.as_millis())
    }

    #[test]
    fn whether_to_retry_is_a_word() {
        for (text, expected) in [("true", Some(true)), ("FALSE", Some(false)), ("0", None), ("", None)] {
            assert_eq!(hint(&[("x-should-retry", text)]).should_retry, expected, "{text}");
        }
        assert_eq!(hint(&[]), RetryHint::default());
    }

    #[test]
    fn waits_are_read_in_every_form_and_nonsense_in_none() {
        for (text, expected) in [
            ("0", Some(0)),
            ("2", Some(2_000)),
            (" 1.5 ", Some(1_500)),
            ("0.0009999999999999", Some(0)),
            ("86400", Some(86_400_000)),
            ("86401", Some(86_400_000)),
            ("99999999999999999999999999", Some(86_400_000)),
            ("Sun, 06 Nov 1994 08:49:40 GMT", Some(3_000)),
            ("Sun, 06 Nov 1994 08:49:30 GMT", Some(0)),
            ("Sun Nov  6 08:50:37 1994", Some(60_000)),
            ("Fri, 31 Dec 9999 23:59:59 GMT", Some(86_400_000)),
            ("-1", None),
            ("+1", None),
            ("1e3", None),
            ("NaN", None),
            ("inf", None),
            (".5", None),
            ("5.", None),
            ("1.2.3", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(after_ms(&[("retry-after", text)]), expected, "{text}");
        }
    }

    #[test]
    fn milliseconds_count_before_seconds_unless_they_are_nonsense() {
        assert_eq!(after_ms(&[("retry-after-ms", "1500.5"), ("retry-after", "9")]), Some(1_500));
        assert_eq!(after_ms(&[("retry-after-ms", "-1"), ("retry-after", "9")]), Some(9_000));
    }

    #[test]
    fn a_reset_counts_where_nothing_remains() {
        let [requests_left, requests_reset] =
            ["x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"];
        let [tokens_left, tokens_reset] = ["x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"];
        for (text, expected) in [
            ("120ms", Some(120)),
            ("1s", Some(1_000)),
            ("6m0s", Some(360_000)),
            ("1h2m3.5s", Some(3_723_500)),
            ("2m59.56s", Some(179_560)),
            ("1500µs", Some(1)),
            ("900h", Some(86_400_000)),
            ("1", None),
            ("s", None),
            ("1d", None),
            ("-1s", None),
            ("1..s", None),
            ("", None),
        ] {
            assert_eq!(after_ms(&[(requests_left, "0"), (requests_reset, text)]), expected, "{text}");
        }
        let both = |left, other_left| {
            let headers = [
                (requests_left, left),
                (tokens_left, other_left),
                (requests_reset, "1s"),
                (tokens_reset, "2s"),
            ];
            after_ms(&headers)
        };
        assert_eq!(both("0", "0"), Some(2_000));
        assert_eq!(both("0", "7"), Some(1_000));
        assert_eq!(both("7", "7"), None);
        assert_eq!(after_ms(&[(requests_reset, "1s")]), None, "nothing says that none remain");
        assert_eq!(
            after_ms(&[("retry-after", "5"), (requests_left, "0"), (requests_reset, "1s")]),
            Some(5_000)
        );
    }
}
