//! What an explanation says about a route's attempts: how long they may take, and what follows a failed one.
//!
//! Read at night, so a line each, and nothing about what is as it is by default where that is the rule everybody knows.

use config::format_share;
use decisions::bucket::Share;
use decisions::plan::{Delivery, OnDisconnect, Route};
use decisions::{ClassSet, Endpoint, ErrorClass};
use serde_json::{Value, json};

/// A list of more than this is shorter by what it lacks.
const LISTED: usize = 8;

/// A line each; the targets are listed already.
pub(super) fn lines(route: &Route, endpoint: Endpoint, has_next: bool) -> Vec<String> {
    let mut lines = vec![time(route, endpoint), retries(route)];
    if has_next {
        lines.push(next_target(route));
    }
    lines.extend(delivery(route));
    lines
}

/// Whether another target is tried at all.
pub(super) fn falls_back(route: &Route) -> bool {
    !route.fallback_on.is_empty() && route.fallback_budget > 0
}

fn time(route: &Route, endpoint: Endpoint) -> String {
    let mut text = format!("time: {} ms for all attempts together", route.timeout.as_millis());
    if !endpoint.streams_text() {
        return text;
    }
    if route.first_token_timeout < route.timeout {
        text.push_str(&format!(
            ", {} ms for one to its first content",
            route.first_token_timeout.as_millis()
        ));
    }
    text.push_str(&format!(
        "; a stream may be silent for {} ms and take {} ms",
        route.idle_timeout.as_millis(),
        route.stream_timeout.as_millis()
    ));
    text
}

fn retries(route: &Route) -> String {
    let retried = route.retried();
    if retried.is_empty() {
        return "retries: none".to_owned();
    }
    format!(
        "retries: {} at the same target, after {}; at most {} of successes",
        route.retry_policy.retries,
        names(retried.iter()).join(", "),
        percentage(route.retry_budget)
    )
}

fn next_target(route: &Route) -> String {
    if route.fallback_on.is_empty() {
        return "next target: never, since `fallback_on` is empty".to_owned();
    }
    if route.fallback_budget == 0 {
        return "next target: never, since `fallback_budget` is 0%".to_owned();
    }
    format!(
        "next target: after {}; failed ones at most {} of successes",
        some_failures(route.fallback_on),
        percentage(route.fallback_budget)
    )
}

/// The members, or `any failure but` the rest, of which two go without saying: no time is left, and nobody waits.
fn some_failures(set: ClassSet) -> String {
    if set.iter().count() <= LISTED {
        return names(set.iter()).join(", ");
    }
    let goes_without_saying = ClassSet::of(&[ErrorClass::TotalTimeout, ErrorClass::ClientGone]);
    let rest = ErrorClass::ALL
        .into_iter()
        .filter(|class| !set.contains(*class) && !goes_without_saying.contains(*class));
    format!("any failure but {}", names(rest).join(", "))
}

/// What is not as it is by default.
fn delivery(route: &Route) -> Option<String> {
    let whole = (route.delivery == Delivery::Whole).then_some("delivered when it is whole");
    let drain =
        (route.on_disconnect == OnDisconnect::Drain).then_some("read to its end when its caller has left");
    let hedge = route.hedge.then_some("hedged: another attempt beside a slow one");
    let all: Vec<&str> = [whole, drain, hedge].into_iter().flatten().collect();
    (!all.is_empty()).then(|| format!("answer: {}", all.join("; ")))
}

pub(super) fn retry_policy_json(route: &Route) -> Value {
    json!({"retries": route.retry_policy.retries, "on": names(route.retried().iter())})
}

pub(super) fn to_json(route: &Route) -> Value {
    let millis = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    json!({
        "timeout_ms": millis(route.timeout),
        "first_token_timeout_ms": millis(route.first_token_timeout),
        "idle_timeout_ms": millis(route.idle_timeout),
        "stream_timeout_ms": millis(route.stream_timeout),
        "retry_budget_ppm": route.retry_budget,
        "fallback_on": names(route.fallback_on.iter()),
        "fallback_budget_ppm": route.fallback_budget,
        "delivery": match route.delivery {
            Delivery::Stream => "stream",
            Delivery::Whole => "whole",
        },
        "on_disconnect": match route.on_disconnect {
            OnDisconnect::Cancel => "cancel",
            OnDisconnect::Drain => "drain",
        },
        "hedge": route.hedge,
    })
}

fn names(classes: impl Iterator<Item = ErrorClass>) -> Vec<&'static str> {
    classes.map(ErrorClass::as_str).collect()
}

fn percentage(ppm: u32) -> String {
    Share::from_ppm(ppm).map(format_share).unwrap_or_default()
}
