//! What a `[[routes]]` of the map says about its attempts: how long they may take, what is tried again and what goes to
//! the next target, how much of that there may be, and how an answer is handed on.
//!
//! What a field stands for when it is left out is decided here; whether it can have an effect is `warn`'s to say.

use std::time::Duration;

use decisions::bucket::Share;
use decisions::plan::{Delivery, OnDisconnect, RetryPolicy, Route};
use decisions::{ClassSet, ErrorClass};

use crate::class_list::{Listed, Use, read_classes, set_of};
use crate::cohort_entry::{SHARE_HELP, read_share};
use crate::document::Document;
use crate::fields::Fields;

/// An hour: longer than any model thinks.
pub(crate) const LONGEST_TIMEOUT_MS: u64 = 3_600_000;

/// What OpenAI's clients wait: an answer that is not streamed begins only when the model is done.
pub(crate) const TIMEOUT_MS: u64 = 600_000;

/// A model that thinks shows it; keep-alives are no sign of it.
pub(crate) const IDLE_TIMEOUT_MS: u64 = 60_000;

/// Longer than the longest answer of any model today.
pub(crate) const STREAM_TIMEOUT_MS: u64 = 3_600_000;

/// A day; what streams for longer is no answer.
pub(crate) const LONGEST_STREAM_MS: u64 = 86_400_000;

/// With the first attempt and one at another target that makes three, and more never helped anyone.
pub(crate) const MOST_RETRIES: u64 = 2;

/// When a policy does not say.
pub(crate) const RETRIES: u64 = 1;

pub(crate) const DELIVERIES: [(&str, Delivery); 2] =
    [("stream", Delivery::Stream), ("whole", Delivery::Whole)];

pub(crate) const ON_DISCONNECT: [(&str, OnDisconnect); 2] =
    [("cancel", OnDisconnect::Cancel), ("drain", OnDisconnect::Drain)];

/// What one `[[routes]]` says about its attempts.
#[derive(Debug)]
pub(crate) struct AttemptsEntry {
    pub(crate) timeout: Duration,
    pub(crate) primary_timeout: Setting<Duration>,
    pub(crate) fallback_timeout: Setting<Duration>,
    pub(crate) first_token_timeout: Setting<Duration>,
    pub(crate) idle_timeout: Setting<Duration>,
    pub(crate) stream_timeout: Setting<Duration>,
    pub(crate) retry_policy: RetryPolicy,
    /// Parts per million, as is the other budget.
    pub(crate) retry_budget: u32,
    /// Missing where the route leaves it open.
    pub(crate) fallback_on: Option<Setting<Vec<Listed>>>,
    pub(crate) fallback_budget: Setting<u32>,
    pub(crate) delivery: Delivery,
    pub(crate) on_disconnect: OnDisconnect,
    pub(crate) hedge: Setting<bool>,
}

/// A value, and where it stands if it is written down.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting<T> {
    pub(crate) value: T,
    pub(crate) at: Option<usize>,
}

impl AttemptsEntry {
    /// After which failures the next target is tried.
    pub(crate) fn falls_back_on(&self) -> ClassSet {
        self.fallback_on.as_ref().map_or(ErrorClass::FALLS_BACK, |listed| set_of(&listed.value))
    }
}

pub(crate) fn read_attempts(document: &Document<'_>, fields: &mut Fields<'_, '_>) -> AttemptsEntry {
    let timeout = fields.millis("timeout_ms", 1..=LONGEST_TIMEOUT_MS, TIMEOUT_MS);
    let idle = Duration::from_millis(IDLE_TIMEOUT_MS);
    let stream = Duration::from_millis(STREAM_TIMEOUT_MS);
    AttemptsEntry {
        timeout,
        primary_timeout: read_timeout(fields, "primary_timeout_ms", LONGEST_TIMEOUT_MS, timeout),
        fallback_timeout: read_timeout(fields, "fallback_timeout_ms", LONGEST_TIMEOUT_MS, timeout),
        first_token_timeout: read_timeout(fields, "first_token_timeout_ms", LONGEST_TIMEOUT_MS, timeout),
        idle_timeout: read_timeout(fields, "idle_timeout_ms", LONGEST_TIMEOUT_MS, idle),
        stream_timeout: read_timeout(fields, "stream_timeout_ms", LONGEST_STREAM_MS, stream),
        retry_policy: read_retry_policy(document, fields),
        retry_budget: read_budget(document, fields, "retry_budget").value,
        fallback_on: read_fallback_on(document, fields),
        fallback_budget: read_budget(document, fields, "fallback_budget"),
        delivery: fields.choice("delivery", &DELIVERIES).unwrap_or_default(),
        on_disconnect: fields.choice("on_disconnect", &ON_DISCONNECT).unwrap_or_default(),
        hedge: Setting { at: fields.position("hedge"), value: fields.flag("hedge").unwrap_or(false) },
    }
}

/// A limit of its own, or what it is without one.
pub(crate) fn read_timeout(
    fields: &mut Fields<'_, '_>,
    name: &'static str,
    longest: u64,
    default: Duration,
) -> Setting<Duration> {
    let at = fields.position(name);
    let default = u64::try_from(default.as_millis()).unwrap_or(longest);
    Setting { value: fields.millis(name, 1..=longest, default), at }
}

fn read_budget(document: &Document<'_>, fields: &mut Fields<'_, '_>, name: &'static str) -> Setting<u32> {
    let written = fields.text_as(name, SHARE_HELP);
    let share = written.as_ref().and_then(|text| read_share(document, text));
    Setting { value: share.map_or(Route::USUAL_BUDGET, Share::ppm), at: written.map(|text| text.at) }
}

fn read_retry_policy(document: &Document<'_>, fields: &mut Fields<'_, '_>) -> RetryPolicy {
    let Some(mut fields) = fields.table("retry_policy") else { return RetryPolicy::default() };
    let retries = u8::try_from(fields.integer("retries", 0..=MOST_RETRIES, RETRIES)).unwrap_or(1);
    let on = fields.texts("on").unwrap_or_default();
    let on = set_of(&read_classes(document, Use::Retry, &on));
    fields.finish();
    RetryPolicy { retries, on }
}

fn read_fallback_on(document: &Document<'_>, fields: &mut Fields<'_, '_>) -> Option<Setting<Vec<Listed>>> {
    let at = fields.position("fallback_on");
    let words = fields.texts("fallback_on")?;
    Some(Setting { value: read_classes(document, Use::Fallback, &words), at })
}
