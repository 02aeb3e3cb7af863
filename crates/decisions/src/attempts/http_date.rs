//! Dates in HTTP headers (RFC 9110, section 5.6.7), in all three forms that a recipient must read.
//!
//! Strict: a date is read as it must be written, or not at all. The name of the day must be one, and is otherwise
//! not compared with the date.

use std::time::Duration;

const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// The time since the beginning of 1970, UTC; `None` for what is no date from then on.
pub(crate) fn read_date(text: &str) -> Option<Duration> {
    imf_fixdate(text).or_else(|| rfc_850(text)).or_else(|| asctime(text))
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`
fn imf_fixdate(text: &str) -> Option<Duration> {
    let (day_name, rest) = text.split_once(", ")?;
    let [day, month, year, time, zone] = parts(rest, ' ')?;
    let known = is_short_day(day_name) && zone == "GMT";
    known.then_some(())?;
    moment(digits(year, 4)?, month, digits(day, 2)?, time)
}

/// `Sunday, 06-Nov-94 08:49:37 GMT`. Two digits of a year mean 1970 to 2069.
fn rfc_850(text: &str) -> Option<Duration> {
    let (day_name, rest) = text.split_once(", ")?;
    let [date, time, zone] = parts(rest, ' ')?;
    let [day, month, year] = parts(date, '-')?;
    let known = DAYS.contains(&day_name) && zone == "GMT";
    known.then_some(())?;
    let year = digits(year, 2)?;
    let century = if year < 70 { 2000 } else { 1900 };
    moment(century + year, month, digits(day, 2)?, time)
}

/// `Sun Nov  6 08:49:37 1994`
fn asctime(text: &str) -> Option<Duration> {
    let (day_name, rest) = text.split_once(' ')?;
    let (month, rest) = rest.split_once(' ')?;
    let (day, rest) = rest.split_at_checked(2)?;
    let ["", time, year] = parts(rest, ' ')? else { return None };
    is_short_day(day_name).then_some(())?;
    let day = match day.strip_prefix(' ') {
        Some(day) => digits(day, 1)?,
        None => digits(day, 2)?,
    };
    moment(digits(year, 4)?, month, day, time)
}

fn moment(year: u64, month: &str, day: u64, time: &str) -> Option<Duration> {
    let index = MONTHS.iter().position(|name| *name == month)?;
    let month = u64::try_from(index).ok()? + 1;
    let [hour, minute, second] = parts(time, ':')?;
    let (hour, minute, second) = (digits(hour, 2)?, digits(minute, 2)?, digits(second, 2)?);
    // A leap second is read as the first of the next minute.
    let exists = (1..=days_in(year, month)).contains(&day) && hour < 24 && minute < 60 && second <= 60;
    exists.then_some(())?;
    let days = days_since_1970(year, month, day)?;
    Some(Duration::from_secs(((days * 24 + hour) * 60 + minute) * 60 + second))
}

/// Howard Hinnant's `days_from_civil`, for years of four digits: years begin in March, so that the leap day is last.
fn days_since_1970(year: u64, month: u64, day: u64) -> Option<u64> {
    let (year, months) = if month > 2 { (year, month - 3) } else { (year.checked_sub(1)?, month + 9) };
    let days_before_month = (153 * months + 2) / 5;
    let days = 365 * year + year / 4 - year / 100 + year / 400 + days_before_month + day - 1;
    days.checked_sub(719_468)
}

fn days_in(year: u64, month: u64) -> u64 {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn is_short_day(name: &str) -> bool {
    DAYS.iter().any(|day| day.get(..3) == Some(name))
}

/// A number of exactly so many digits.
fn digits(text: &str, count: usize) -> Option<u64> {
    let is_number = text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok())?
}

/// The parts between separators, if there are exactly so many.
fn parts<const N: usize>(text: &str, separator: char) -> Option<[&str; N]> {
    let mut parts = text.split(separator);
    let mut found = [""; N];
    for place in &mut found {
        *place = parts.next()?;
    }
    parts.next().is_none().then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(text: &str) -> Option<u64> {
        read_date(text).map(|since| since.as_secs())
    }

    #[test]
    fn the_three_forms_of_the_standards_example_are_one_moment() {
        for text in
            ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
        {
            assert_eq!(seconds(text), Some(784_111_777), "{text}");
        }
    }

    #[test]
    fn leap_days_and_ends_of_years_are_right() {
        for (text, expected) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Tue, 29 Feb 2000 23:59:59 GMT", 951_868_799),
            ("Wed, 01 Mar 2000 00:00:00 GMT", 951_868_800),
            ("Thu, 31 Dec 2026 23:59:59 GMT", 1_798_761_599),
            ("Mon, 01 Mar 2100 00:00:00 GMT", 4_107_542_400),
            ("Sat, 31 Dec 2016 23:59:60 GMT", 1_483_228_800),
            ("Fri Dec 31 00:00:00 9999", 253_402_214_400),
        ] {
            assert_eq!(seconds(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_date_is_not_read() {
        for text in [
            "",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "Sun, 06 nov 1994 08:49:37 GMT",
            "Day, 06 Nov 1994 08:49:37 GMT",
            "Sun, 31 Nov 1994 08:49:37 GMT",
            "Sun, 29 Feb 2100 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:00:00 GMT",
            "Sun, 06 Nov 1994 08:49 GMT",
            "Sun, 06 Nov 1994 08:49:37 GMT ",
            "Sun, +6 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1969 08:49:37 GMT",
            "Thu, 01 Jan 0000 00:00:00 GMT",
            "Sun Nov é 08:49:37 1994",
        ] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}
