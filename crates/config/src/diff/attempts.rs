//! What a route says about its attempts, as named fields.

use decisions::ErrorClass;
use decisions::bucket::Share;
use decisions::plan::{Delivery, OnDisconnect, RetryPolicy, Route};

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
    fields.one_of("retry_policy", retry_policy(&route.retry_policy));
    fields.one("retry_budget", percentage(route.retry_budget));
    fields.many("fallback_on", names(route.fallback_on.iter()));
    fields.one("fallback_budget", percentage(route.fallback_budget));
    fields.one("delivery", delivery(route.delivery));
    fields.one("on_disconnect", on_disconnect(route.on_disconnect));
    fields.one("hedge", route.hedge.to_string());
}

/// What is tried again, named or not: what failed before it was sent always is.
fn retry_policy(policy: &RetryPolicy) -> Option<String> {
    let is_retried =
        |class: &ErrorClass| ErrorClass::BEFORE_SENDING.contains(*class) || policy.on.contains(*class);
    let on = names(ErrorClass::ALL.into_iter().filter(is_retried));
    (policy.retries > 0).then(|| format!("{} after {}", policy.retries, on.join(", ")))
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
