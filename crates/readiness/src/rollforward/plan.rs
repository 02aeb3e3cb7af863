//! Which requests are made: two, with the route's own retries, since their bound is what is looked at.

use std::time::Duration;

use evidence::{Moment, RequestType};

use crate::gateway::{LeaseTerms, Paying};
use crate::route_check::family::happy_body;
use crate::route_check::{Planned, Subject};

/// The runbook's own form: `route-rollforward-check-YYYYMMDD-HHMM`, in UTC.
#[must_use]
pub fn check_id(at: Moment) -> String {
    let digits: String = at.to_string().chars().filter(char::is_ascii_digit).take(12).collect();
    let (day, minute) = digits.split_at_checked(8).unwrap_or((&digits, ""));
    format!("route-rollforward-check-{day}-{minute}")
}

/// The two requests, in order.
#[must_use]
pub fn plan(
    subject: &Subject,
    (check_id, by): (&str, &str),
    timeout: Duration,
) -> [(RequestType, Planned); 2] {
    [(RequestType::HappyPath, Paying::Good), (RequestType::ErrorPath, Paying::Twin)].map(
        |(request, credential)| {
            let terms = LeaseTerms {
                route: subject.route.clone(),
                check_id: check_id.to_owned(),
                by: by.to_owned(),
                role: Some(subject.role.as_str().to_owned()),
                credential,
                ..LeaseTerms::default()
            };
            let body = happy_body(subject.family(), &subject.alias);
            (request, Planned { terms, body, timeout })
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_has_the_day_and_the_minute() {
        // 2026-11-21T19:05:59.123Z
        assert_eq!(check_id(Moment::from_ms(1_795_287_959_123)), "route-rollforward-check-20261121-1905");
    }
}
