//! Names the version that follows another, so that no edit ever reuses one.

use jiff::civil::Date;

/// The version after `current`: `YYYY-MM-DD.N` moves on to `today`'s first, or to the next N where `current` is of
/// today or, by another machine's clock, of later. Any other version gets its trailing `.N` raised, or `.1` added.
#[must_use]
pub fn next_version(current: &str, today: Date) -> String {
    let raised = |stem: &str, digits: &str| Some(format!("{stem}.{}", parse_number(digits)?.checked_add(1)?));
    let Some((stem, digits)) = current.rsplit_once('.') else { return format!("{current}.1") };
    if parse_number(digits).is_some()
        && let Some(date) = parse_date(stem)
        && date < today
    {
        return format!("{today}.1");
    }
    raised(stem, digits).unwrap_or_else(|| format!("{current}.1"))
}

fn parse_number(digits: &str) -> Option<u64> {
    let is_plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_plain { digits.parse().ok() } else { None }
}

/// Only the exact form that this module writes.
fn parse_date(text: &str) -> Option<Date> {
    let date: Date = text.parse().ok()?;
    (date.to_string() == text).then_some(date)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn the_next_version_is_always_another_one() {
        let today = date(2026, 11, 21);
        let cases = [
            ("2026-11-20.7", "2026-11-21.1"),
            ("2026-11-21.1", "2026-11-21.2"),
            ("2026-11-21.9", "2026-11-21.10"),
            ("2026-11-22.1", "2026-11-22.2"),
            ("2026-13-40.1", "2026-13-40.2"),
            ("v7", "v7.1"),
            ("v7.1", "v7.2"),
            ("1.2.x", "1.2.x.1"),
            ("a.18446744073709551615", "a.18446744073709551615.1"),
            ("2026-11-21", "2026-11-21.1"),
        ];
        for (current, next) in cases {
            assert_eq!(next_version(current, today), next, "{current}");
        }
    }
}
