//! Names, numbers and shares as an on-call engineer reads them.

use std::fmt::Display;

use decisions::Endpoint;

/// How many names one line lists.
const NAMED: usize = 3;

/// A share as an integer, so that equal ones compare as equal: billionths.
pub(crate) type Billionths = u64;

/// All of them.
pub(crate) const ALL: Billionths = 1_000_000_000;

/// A share, rounded far below what a map can say.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to what fits, and no share is negative"
)]
pub(crate) fn billionths(share: f64) -> Billionths {
    (share.clamp(0.0, 1.0) * 1e9).round() as Billionths
}

/// As a number between 0 and 1, for programs.
#[allow(clippy::cast_precision_loss, reason = "a billion is exact in a float")]
pub(crate) fn fraction(share: Billionths) -> f64 {
    share as f64 / 1e9
}

/// `12.5%`: four decimals at most, but never "0%" of somebody nor "100%" without somebody.
pub(crate) fn percent(share: Billionths) -> String {
    let whole = ALL / 1000;
    match share {
        0 => "0%".to_owned(),
        1..=499 => "<0.0001%".to_owned(),
        ALL.. => "100%".to_owned(),
        // Above 99.9999 % and below all.
        _ if share + 500 > ALL => ">99.9999%".to_owned(),
        _ => {
            let rounded = (share + 500) / 1000;
            let (percent, decimals) = (rounded * 100 / whole, rounded * 100 % whole);
            let decimals = format!("{:04}", decimals / 100);
            let decimals = decimals.trim_end_matches('0');
            if decimals.is_empty() { format!("{percent}%") } else { format!("{percent}.{decimals}%") }
        }
    }
}

/// A whole number with its thousands apart: `1,000`.
pub fn count(number: impl Display) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `a, b, c`, or the first of them and `…`.
pub(crate) fn listed(names: &[impl Display]) -> String {
    let some: Vec<String> = names.iter().take(NAMED).map(|name| shown(&name.to_string())).collect();
    let more = if names.len() > NAMED { " …" } else { "" };
    format!("{}{more}", some.join(", "))
}

/// `tenant acme`, `3 tenants: a, b, c`, `all 1,000 tenants` or `997 of 1,000 tenants: a, b, c …`.
pub(crate) fn tenants(names: &[impl Display], total: usize) -> String {
    match names.len() {
        1 => format!("tenant {}", listed(names)),
        all if all == total => format!("all {} tenants", count(total)),
        some if some <= NAMED => format!("{some} tenants: {}", listed(names)),
        some => format!("{} of {} tenants: {}", count(some), count(total), listed(names)),
    }
}

/// `support-v3` or `12 aliases: a, b, c …`.
pub(crate) fn aliases(names: &[impl Display]) -> String {
    match names.len() {
        1 => listed(names),
        some => format!("{} aliases: {}", count(some), listed(names)),
    }
}

/// `, chat only`, or `, all but chat` where that is shorter; nothing where it is about all of them.
pub(crate) fn endpoints(some: &[Endpoint]) -> String {
    let names =
        |some: Vec<Endpoint>| some.into_iter().map(Endpoint::as_str).collect::<Vec<_>>().join(" and ");
    let others: Vec<Endpoint> = Endpoint::ALL.into_iter().filter(|one| !some.contains(one)).collect();
    match others.len() {
        0 => String::new(),
        few if few < some.len() => format!(", all but {}", names(others)),
        _ => format!(", {} only", names(some.to_vec())),
    }
}

/// A text from a file: what a terminal would obey is escaped.
pub(crate) fn shown(text: &str) -> String {
    let is_plain = |character: char| !character.is_control();
    if text.chars().all(is_plain) {
        return text.to_owned();
    }
    let escape = |character: char| {
        if is_plain(character) { character.to_string() } else { character.escape_default().to_string() }
    };
    text.chars().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_never_rounded_to_nobody_or_to_everybody() {
        let cases = [
            (0.0, "0%"),
            (1e-9, "<0.0001%"),
            (0.000_001, "0.0001%"),
            (0.05, "5%"),
            (0.095, "9.5%"),
            (0.3 * 0.1, "3%"),
            (0.333_333_333, "33.3333%"),
            (0.999_999_999, ">99.9999%"),
            (1.0, "100%"),
        ];
        for (share, text) in cases {
            assert_eq!(percent(billionths(share)), text);
        }
    }

    #[test]
    fn large_numbers_are_grouped() {
        let cases = [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")];
        for (number, text) in cases {
            assert_eq!(count(number), text);
        }
    }
}
