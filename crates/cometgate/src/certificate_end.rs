//! When a certificate ends, so that somebody hears of it before callers do: `notAfter` (RFC 5280 section 4.1.2.5), read
//! from its DER, since rustls says nothing of it for a certificate of one's own.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// How long before its end a certificate is spoken of: time enough for whoever must ask somebody else for a new one.
const AHEAD: SignedDuration = SignedDuration::from_hours(14 * 24);

/// Between two warnings.
const PAUSE: SignedDuration = SignedDuration::from_hours(24);

/// Tags of ASN.1, as DER has them (ITU-T X.690).
const INTEGER: u8 = 0x02;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// The end of the certificates that are served, and when it was last spoken of.
#[derive(Debug)]
pub(crate) struct Ends {
    at: Option<Timestamp>,
    warned: Option<Timestamp>,
}

impl Ends {
    /// Of a chain: that of the one that ends first. What cannot be read has no end.
    pub(crate) fn of<D: AsRef<[u8]>>(chain: impl IntoIterator<Item = D>) -> Ends {
        let at = chain.into_iter().filter_map(|certificate| not_after(certificate.as_ref())).min();
        Ends { at, warned: None }
    }

    /// The end, if it has to be spoken of now: it is near, and a day has passed since the last time.
    pub(crate) fn due(&mut self, now: Timestamp) -> Option<Timestamp> {
        let at = self.at.filter(|at| at.duration_since(now) <= AHEAD)?;
        if self.warned.is_some_and(|warned| now.duration_since(warned) < PAUSE) {
            return None;
        }
        self.warned = Some(now);
        Some(at)
    }
}

/// `notAfter` of a certificate; `None` where it is none.
fn not_after(der: &[u8]) -> Option<Timestamp> {
    let (certificate, _) = element(der, SEQUENCE)?;
    let (signed, _) = element(certificate, SEQUENCE)?;
    // The first version of X.509 does not name itself.
    let mut rest = element(signed, VERSION).map_or(signed, |(_, after)| after);
    // Serial number, algorithm, issuer.
    for tag in [INTEGER, SEQUENCE, SEQUENCE] {
        rest = element(rest, tag)?.1;
    }
    let (validity, _) = element(rest, SEQUENCE)?;
    let (_, _, not_after) = any(validity)?;
    let (tag, text, _) = any(not_after)?;
    time(tag, text)
}

/// An element with this tag at the beginning, and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    any(der).filter(|(found, _, _)| *found == tag).map(|(_, content, after)| (content, after))
}

/// The tag and the content of the first element, and what follows it.
fn any(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        short @ 0..0x80 => (usize::from(*short), rest),
        long => {
            let (bytes, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
            let length = bytes.iter().try_fold(0_usize, |length, byte| {
                length.checked_mul(256).map(|length| length | usize::from(*byte))
            })?;
            (length, rest)
        }
    };
    let (content, after) = rest.split_at_checked(length)?;
    Some((*tag, content, after))
}

/// `YYMMDDHHMMSSZ` until 2049 and `YYYYMMDDHHMMSSZ` (RFC 5280 sections 4.1.2.5.1 and 4.1.2.5.2).
fn time(tag: u8, text: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let (year, rest) = text.split_at_checked(match tag {
        UTC_TIME => 2,
        GENERALIZED_TIME => 4,
        _ => return None,
    })?;
    let century = match (tag, year.parse::<i16>().ok()?) {
        (GENERALIZED_TIME, _) => 0,
        (_, 0..50) => 2000,
        _ => 1900,
    };
    let pair = |at: usize| rest.get(2 * at..2 * at + 2)?.parse::<i8>().ok();
    let year = century + year.parse::<i16>().ok()?;
    let moment = DateTime::new(year, pair(0)?, pair(1)?, pair(2)?, pair(3)?, pair(4)?, 0).ok()?;
    let is_whole = is_digits && rest.len() == 10;
    is_whole.then(|| moment.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp()))?
}

#[cfg(test)]
mod tests {
    use testkit::Authority;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn the_end_of_a_certificate_is_the_one_it_was_made_with() {
        for end in
            ["2026-11-30T12:34:56Z", "2049-12-31T23:59:59Z", "2050-01-01T00:00:00Z", "4096-01-01T00:00:00Z"]
        {
            let certified = Authority::new().unwrap().certify_until("gateway.test", at(end).into()).unwrap();
            assert_eq!(not_after(&certified.der), Some(at(end)));
            for length in 0..certified.der.len() {
                // Cut anywhere it is no certificate, and no harm.
                assert_eq!(not_after(&certified.der[..length]), None, "{length}");
            }
        }
        assert_eq!(not_after(b"no certificate"), None);
        assert_eq!(time(UTC_TIME, b"991231235959Z"), Some(at("1999-12-31T23:59:59Z")));
        for wrong in ["991331235959Z", "9912312359Z", "991231235959", "99123123595+Z", "9912312359599Z"] {
            assert_eq!(time(UTC_TIME, wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn an_end_that_is_near_is_spoken_of_once_a_day() {
        let mut ends = Ends { at: Some(at("2026-11-30T00:00:00Z")), warned: None };
        assert_eq!(ends.due(at("2026-11-15T23:59:59Z")), None);
        assert_eq!(ends.due(at("2026-11-16T00:00:00Z")), ends.at);
        assert_eq!(ends.due(at("2026-11-16T23:59:59Z")), None);
        assert_eq!(ends.due(at("2026-11-17T00:00:00Z")), ends.at);
        assert_eq!(ends.due(at("2026-12-24T00:00:00Z")), ends.at, "after it, too");
        assert_eq!(Ends::of([b"no certificate"]).due(at("2026-12-24T00:00:00Z")), None);
    }
}
