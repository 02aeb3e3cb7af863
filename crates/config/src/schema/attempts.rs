//! What a route of `routes.toml` says about its attempts, as a schema.

use decisions::ErrorClass;
use decisions::bucket::Share;
use decisions::plan::Route;
use serde_json::{Value, json};

use super::values::{Field, Presence::Optional, choice, flag, integer, set, share, table, with};
use crate::attempts_entry::{
    DELIVERIES, IDLE_TIMEOUT_MS, LONGEST_STREAM_MS, LONGEST_TIMEOUT_MS, MOST_RETRIES, ON_DISCONNECT, RETRIES,
    STREAM_TIMEOUT_MS, TIMEOUT_MS,
};
use crate::class_list::Use;
use crate::share::format_share;

pub(super) fn attempts() -> Vec<Field> {
    let timeout = "How long all attempts may take together, pauses included: until a streamed answer has \
                   begun, or another one is whole; in milliseconds.";
    let primary = "How long one attempt at the primary may take to begin its answer; without this field as \
                   timeout_ms.";
    let fallback = "How long one attempt at the fallback may take to begin its answer; without this field as \
                    timeout_ms.";
    let first_token = "How long one attempt may take to the first content of a streamed answer; without this \
                       field as timeout_ms.";
    let idle = "How long a streamed answer may be silent; comments and keep-alives are silence; in \
                milliseconds.";
    let stream = "How long a streamed answer may take in all; in milliseconds.";
    let retries = "Retries, as a share of what succeeds; 0% is never.";
    let fallbacks = "Failed attempts at the next target, as a share of what succeeds; 0% is never.";
    let delivery = "stream: a streamed answer is handed on as it comes. whole: it is held until it is \
                    complete.";
    let on_disconnect = "What becomes of an answer whose caller has left: cancel ends it at the provider, \
                         drain reads it to its end for its usage.";
    let hedge = "Begin an attempt at the next target beside one that is slower than usual; the first content \
                 wins.";
    let millis = |description, default| integer(description, &(1..=LONGEST_TIMEOUT_MS), default);
    let stream_range = 1..=LONGEST_STREAM_MS;
    vec![
        ("timeout_ms", Optional, millis(timeout, Some(TIMEOUT_MS))),
        ("primary_timeout_ms", Optional, millis(primary, None)),
        ("fallback_timeout_ms", Optional, millis(fallback, None)),
        ("first_token_timeout_ms", Optional, millis(first_token, None)),
        ("idle_timeout_ms", Optional, millis(idle, Some(IDLE_TIMEOUT_MS))),
        ("stream_timeout_ms", Optional, integer(stream, &stream_range, Some(STREAM_TIMEOUT_MS))),
        ("retry_policy", Optional, retry_policy()),
        ("retry_budget", Optional, budget(retries)),
        ("fallback_on", Optional, fallback_on()),
        ("fallback_budget", Optional, budget(fallbacks)),
        ("delivery", Optional, first_is_default(delivery, DELIVERIES.map(|(word, _)| word))),
        ("on_disconnect", Optional, first_is_default(on_disconnect, ON_DISCONNECT.map(|(word, _)| word))),
        ("hedge", Optional, flag(hedge, false)),
    ]
}

fn retry_policy() -> Value {
    let on = "After which failures, besides those before anything was sent (dns, connect, tls).";
    table(
        "What is tried again at the same target, and how often.",
        vec![
            ("retries", Optional, integer("Attempts after the first.", &(0..=MOST_RETRIES), Some(RETRIES))),
            ("on", Optional, with(classes(on, Use::Retry), "default", json!([]))),
        ],
    )
}

fn fallback_on() -> Value {
    let on = "After which failures the next target is tried; an empty list is never.";
    let default: Vec<&str> = ErrorClass::FALLS_BACK.iter().map(ErrorClass::as_str).collect();
    with(classes(on, Use::Fallback), "default", json!(default))
}

fn classes(description: &str, list_use: Use) -> Value {
    set(description, &choice("A kind of failure.", list_use.allowed().iter().map(ErrorClass::as_str)))
}

fn budget(description: &str) -> Value {
    let default = Share::from_ppm(Route::USUAL_BUDGET).map(format_share);
    with(share(description), "default", json!(default))
}

fn first_is_default(description: &str, words: [&str; 2]) -> Value {
    with(choice(description, words), "default", json!(words[0]))
}
