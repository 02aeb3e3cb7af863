//! Shares as operators write them, `"2.5%"`, to parts per million and back.
//!
//! Exact: four decimals of a percent are one part per million, so no float is involved and what was written is what is
//! routed.

use decisions::bucket::Share;

/// Parts per million in one percent.
pub(crate) const PERCENT: u32 = 10_000;

/// Decimals of a percent that a part per million can tell apart.
const DECIMALS: usize = 4;

/// Why a text is not a share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShareError {
    /// `5` instead of `5%`.
    #[error("a share is a percentage and ends in `%`, as in \"5%\"")]
    NoPercentSign,
    /// Anything but digits with at most one point between them.
    #[error("a share is written in plain digits, as in \"5%\" or \"0.25%\"")]
    NotDigits,
    /// More than four decimals.
    #[error("a share has four decimals at most: \"0.0001%\" is the smallest")]
    TooFine,
    /// More than everything.
    #[error("a share is 100% at most")]
    TooLarge,
}

/// Reads a share: `0%` to `100%`, up to four decimals.
///
/// # Errors
/// [`ShareError`] says which rule the text breaks.
pub fn parse_share(text: &str) -> Result<Share, ShareError> {
    let number = text.strip_suffix('%').ok_or(ShareError::NoPercentSign)?;
    let (whole, decimals) = match number.split_once('.') {
        Some((whole, decimals)) => (whole, Some(decimals)),
        None => (number, None),
    };
    let is_digits = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits(whole) || decimals.is_some_and(|decimals| !is_digits(decimals)) {
        return Err(ShareError::NotDigits);
    }
    if whole.len() > 1 && whole.starts_with('0') {
        return Err(ShareError::NotDigits);
    }
    let decimals = decimals.unwrap_or_default();
    if decimals.len() > DECIMALS {
        return Err(ShareError::TooFine);
    }
    if whole.len() > 3 {
        return Err(ShareError::TooLarge);
    }
    let fraction = format!("{decimals:0<DECIMALS$}");
    let (Ok(whole), Ok(fraction)) = (whole.parse::<u32>(), fraction.parse::<u32>()) else {
        return Err(ShareError::NotDigits);
    };
    Share::from_ppm(whole * PERCENT + fraction).ok_or(ShareError::TooLarge)
}

/// Writes a share in the shortest form that [`parse_share`] reads back.
#[must_use]
pub fn format_share(share: Share) -> String {
    let (whole, fraction) = (share.ppm() / PERCENT, share.ppm() % PERCENT);
    if fraction == 0 {
        return format!("{whole}%");
    }
    let decimals = format!("{fraction:0DECIMALS$}");
    format!("{whole}.{}%", decimals.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_decimals_are_parts_per_million() {
        let cases = [("0%", 0), ("5%", 50_000), ("0.0001%", 1), ("2.5%", 25_000), ("100%", 1_000_000)];
        for (text, ppm) in cases {
            assert_eq!(parse_share(text).map(Share::ppm), Ok(ppm), "{text}");
        }
        assert_eq!(parse_share("100.0000%").map(Share::ppm), Ok(1_000_000));
    }

    #[test]
    fn everything_else_is_refused() {
        let cases = [
            ("5", ShareError::NoPercentSign),
            ("", ShareError::NoPercentSign),
            ("%", ShareError::NotDigits),
            ("5 %", ShareError::NotDigits),
            ("+5%", ShareError::NotDigits),
            ("-5%", ShareError::NotDigits),
            ("5e0%", ShareError::NotDigits),
            (".5%", ShareError::NotDigits),
            ("5.%", ShareError::NotDigits),
            ("1.2.3%", ShareError::NotDigits),
            ("05%", ShareError::NotDigits),
            ("٥%", ShareError::NotDigits),
            ("0.00001%", ShareError::TooFine),
            ("100.0001%", ShareError::TooLarge),
            ("101%", ShareError::TooLarge),
            ("99999999999999999999%", ShareError::TooLarge),
        ];
        for (text, error) in cases {
            assert_eq!(parse_share(text), Err(error), "{text}");
        }
    }
}
