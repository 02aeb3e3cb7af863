//! Fields about attempts that change nothing: a next target where there is none, a limit beyond another one, a way on
//! after a silence that leaves no time for it.

use std::time::Duration;

use decisions::ErrorClass;
use decisions::plan::Mode;

use crate::attempts_entry::{AttemptsEntry, Setting};
use crate::check::title;
use crate::code::Code;
use crate::route_entry::RouteEntry;
use crate::warn::Whole;

pub(super) fn warn(whole: &Whole<'_>) {
    for entry in &whole.map.routes {
        about_timeouts(whole, entry);
        if entry.fallback.is_none() && entry.canary.is_none() {
            about_no_second_target(whole, entry);
        } else {
            about_time_left(whole, entry);
        }
    }
}

/// What says that nothing goes elsewhere is true of such a route, and not told of.
fn about_no_second_target(whole: &Whole<'_>, entry: &RouteEntry) {
    let attempts = &entry.attempts;
    let classes = attempts.fallback_on.as_ref().filter(|list| !list.value.is_empty());
    let budget = Some(attempts.fallback_budget).filter(|budget| budget.value > 0);
    let hedge = Some(attempts.hedge).filter(|hedge| hedge.value);
    let given = [
        ("fallback_on", classes.and_then(|list| list.at)),
        ("fallback_budget", budget.and_then(|budget| budget.at)),
        ("hedge", hedge.and_then(|hedge| hedge.at)),
    ];
    for (field, at) in given.into_iter().filter_map(|(field, at)| Some((field, at?))) {
        let message = format!("`{field}` changes nothing: {} has one target", title(entry));
        let help = "it needs a `fallback_provider` or a `[routes.canary]`";
        whole.document.warn(Code::NoSecondTarget, at, message, help);
    }
}

fn about_timeouts(whole: &Whole<'_>, entry: &RouteEntry) {
    let attempts = &entry.attempts;
    let canary = entry.canary.as_ref().map(|canary| canary.timeout);
    let for_one = [
        ("primary_timeout_ms", Some(attempts.primary_timeout)),
        ("fallback_timeout_ms", Some(attempts.fallback_timeout)),
        ("timeout_ms", canary),
        ("first_token_timeout_ms", Some(attempts.first_token_timeout)),
    ];
    for (field, one) in for_one {
        report_longer(whole, (field, one), ("timeout_ms", attempts.timeout), "all attempts together have");
    }
    let idle = ("idle_timeout_ms", Some(attempts.idle_timeout));
    let stream = ("stream_timeout_ms", attempts.stream_timeout.value);
    report_longer(whole, idle, stream, "the whole answer has");
}

/// A limit that is written down and never reached, since another one ends the same wait before it.
fn report_longer(
    whole: &Whole<'_>,
    (field, limit): (&str, Option<Setting<Duration>>),
    (of, whole_limit): (&str, Duration),
    who: &str,
) {
    let Some(Setting { value, at: Some(at) }) = limit else { return };
    if value > whole_limit {
        let most = whole_limit.as_millis();
        let message = format!("this `{field}` never counts: {who} {most} ms");
        let help = format!("lower it, or raise the route's `{of}`");
        whole.document.warn(Code::TimeoutNeverCounts, at, message, help);
    }
}

/// Only where the operator has asked for such a fallback by name: the default list holds them, too, and a route
/// that leaves all of it to defaults is in order.
fn about_time_left(whole: &Whole<'_>, entry: &RouteEntry) {
    let attempts = &entry.attempts;
    for (class, at) in attempts.fallback_on.iter().flat_map(|list| &list.value) {
        let Some(field) = takes_all_the_time(entry, attempts, *class) else { continue };
        let message = format!(
            "`{}` leaves no time for another target: one attempt may wait for all of the {} ms that the route has",
            class.as_str(),
            attempts.timeout.as_millis()
        );
        let help = format!("set {field} below the route's `timeout_ms`");
        whole.document.warn(Code::NoTimeToFallBack, *at, message, help);
    }
}

/// The limit that leaves no time after such a failure, if one does.
fn takes_all_the_time(
    entry: &RouteEntry,
    attempts: &AttemptsEntry,
    class: ErrorClass,
) -> Option<&'static str> {
    let has_none = |limit: Duration| limit >= attempts.timeout;
    match class {
        ErrorClass::HeadTimeout => {
            let canary = entry.canary.as_ref().filter(|_| entry.mode == Some(Mode::Canary));
            let goes_on = matches!(entry.mode, Some(Mode::Primary | Mode::Canary));
            if canary.is_some_and(|canary| has_none(canary.timeout.value)) {
                Some("the canary's `timeout_ms`")
            } else if goes_on && entry.fallback.is_some() && has_none(attempts.primary_timeout.value) {
                Some("`primary_timeout_ms`")
            } else {
                None
            }
        }
        ErrorClass::FirstTokenTimeout => {
            has_none(attempts.first_token_timeout.value).then_some("`first_token_timeout_ms`")
        }
        ErrorClass::IdleTimeout => has_none(attempts.idle_timeout.value).then_some("`idle_timeout_ms`"),
        ErrorClass::Dns
        | ErrorClass::Connect
        | ErrorClass::ConnectTimeout
        | ErrorClass::Tls
        | ErrorClass::NoAnswer
        | ErrorClass::TotalTimeout
        | ErrorClass::Reset
        | ErrorClass::Truncated
        | ErrorClass::Malformed
        | ErrorClass::Auth
        | ErrorClass::ContextLength
        | ErrorClass::ContentPolicy
        | ErrorClass::Validation
        | ErrorClass::NotFound
        | ErrorClass::RateLimit
        | ErrorClass::Quota
        | ErrorClass::Overloaded
        | ErrorClass::Server
        | ErrorClass::ClientGone => None,
    }
}
