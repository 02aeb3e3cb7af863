//! What a route says about its attempts, as named fields.

use decisions::bucket::Share;
use decisions::plan::{Delivery, OnDisconnect, Route};
use decisions::{ClassSet, ErrorClass};

use crate::attempts_entry::{DELIVERIES, ON_DISCONNECT};
use crate::diff::entries::{Fields, millis};
use crate::share::format_share;

pub(super) fn describe(route: &Route, fields: &mut Fields) {
    fields.one("timeout_ms", millis(route.timeout));
    let of_one = [
        ("primary_timeout_ms", Some(route.primary_timeout)),
        ("fallback_timeout_ms", route.fallback.map(|_| route.fallback_timeout)),
        ("first_token_timeout_ms", Some(route.first_token_timeout)),
    ];
    for (name, timeout) in of_one {
        fields.one_of(name, timeout.filter(|timeout| *timeout != route.timeout).map(millis));
    }
    fields.one("idle_timeout_ms", millis(route.idle_timeout));
    fields.one("stream_timeout_ms", millis(route.stream_timeout));
    fields.one("retry_policy.retries", route.retry_policy.retries.to_string());
    if route.retry_policy.retries > 0 {
        // Some failures are retried whether or not they are named.
        let is_retried = |class: &ErrorClass| {
            ErrorClass::BEFORE_SENDING.contains(*class) || route.retry_policy.on.contains(*class)
        };
        fields.many("retry_policy.on", names(ErrorClass::ALL.into_iter().filter(is_retried)));
    }
    fields.one("retry_budget", percentage(route.retry_budget));
    fields.many("fallback_on", of_set(route.fallback_on));
    fields.one("fallback_budget", percentage(route.fallback_budget));
    fields.one("delivery", delivery(route.delivery));
    fields.one("on_disconnect", on_disconnect(route.on_disconnect));
    fields.one("hedge", route.hedge.to_string());
}

fn of_set(set: ClassSet) -> Vec<String> {
    names(set.iter())
}

fn names(classes: impl Iterator<Item = ErrorClass>) -> Vec<String> {
    classes.map(|class| class.as_str().to_owned()).collect()
}

fn percentage(ppm: u32) -> String {
    Share::from_ppm(ppm).map(format_share).unwrap_or_default()
}

fn delivery(delivery: Delivery) -> &'static str {
    DELIVERIES.iter().find(|(_, known)| *known == delivery).map_or("", |(word, _)| word)
}

fn on_disconnect(on_disconnect: OnDisconnect) -> &'static str {
    ON_DISCONNECT.iter().find(|(_, known)| *known == on_disconnect).map_or("", |(word, _)| word)
}
