//! An attempt under way. Whichever way it ends, it reports exactly once: to the breaker, the limit and the budgets of
//! its target, and to the observer. Dropped without a word, it was abandoned: the caller has left.

use std::sync::Arc;
use std::time::Duration;

use decisions::attempts::breaker::Change;
use decisions::attempts::{RetryHint, Sample, Seen};
use decisions::decide::Reason;
use decisions::plan::{CredentialKind, Criticality, OnDisconnect};
use decisions::{AliasId, Endpoint, ErrorClass, ProviderId, Role, RouteId, TenantId};
use http::{HeaderValue, StatusCode};
use tokio::time::Instant;

use crate::affinity::Made;
use crate::observer::{AttemptKind, AttemptRecord, UsageSource};
use crate::response::keeping::{Keeping, keep};
use crate::scan::Usage;
use crate::snapshot::Snapshot;
use crate::target_state::{Admission, TargetState};
use crate::worker::Context;

/// What all attempts of a request share, for their records.
pub(crate) struct About {
    pub(crate) context: Arc<Context>,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) request_id: Option<HeaderValue>,
    pub(crate) endpoint: Endpoint,
    pub(crate) tenant: TenantId,
    pub(crate) criticality: Criticality,
    pub(crate) route: Option<RouteId>,
    pub(crate) alias: Option<AliasId>,
    pub(crate) reason: Reason,
    pub(crate) callers_retries: u32,
    /// The caller waits for less than the route allows.
    pub(crate) is_impatient: bool,
}

/// Where an attempt goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Aim {
    pub(crate) provider: ProviderId,
    pub(crate) role: Role,
    /// How long it may take to begin its answer.
    pub(crate) timeout: Duration,
}

impl About {
    /// What a provider calls the model; `None` leaves the request as it was sent.
    pub(crate) fn model_id(&self, provider: ProviderId) -> Option<&str> {
        self.snapshot.plan().alias(self.alias?).model_ids.get(provider.index())?.as_deref()
    }
}

/// One attempt, admitted by its target.
pub(crate) struct UnderWay {
    about: Arc<About>,
    state: Arc<TargetState>,
    admission: Admission,
    pub(crate) aim: Aim,
    number: u8,
    kind: AttemptKind,
    because: Option<&'static str>,
    is_charged: bool,
    started: Instant,
    status: Option<StatusCode>,
    provider_request_id: Option<HeaderValue>,
    head_after: Option<Duration>,
    first_token_after: Option<Duration>,
    usage: Usage,
    usage_source: UsageSource,
    is_over: bool,
}

/// How an attempt came to be.
#[derive(Clone, Copy)]
pub(crate) struct Cause {
    pub(crate) number: u8,
    pub(crate) kind: AttemptKind,
    pub(crate) because: Option<&'static str>,
    /// It was taken from a budget.
    pub(crate) is_charged: bool,
}

impl UnderWay {
    pub(crate) fn begin(
        about: &Arc<About>,
        (state, admission): (Arc<TargetState>, Admission),
        aim: Aim,
        cause: Cause,
    ) -> UnderWay {
        UnderWay {
            about: Arc::clone(about),
            state,
            admission,
            aim,
            number: cause.number,
            kind: cause.kind,
            because: cause.because,
            is_charged: cause.is_charged,
            started: Instant::now(),
            status: None,
            provider_request_id: None,
            head_after: None,
            first_token_after: None,
            usage: Usage::default(),
            usage_source: UsageSource::Unread,
            is_over: false,
        }
    }

    /// Its answer is read to the end, for its usage, also when the caller has left.
    pub(crate) fn drains(&self) -> bool {
        let route = self.about.route.map(|id| self.about.snapshot.plan().route(id));
        route.is_some_and(|route| route.on_disconnect == OnDisconnect::Drain)
    }

    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    /// The head of the answer is there.
    pub(crate) fn head<B>(&mut self, response: &http::Response<B>) {
        self.status = Some(response.status());
        self.head_after = Some(self.started.elapsed());
        let headers = response.headers();
        let id = headers.get("x-request-id").or_else(|| headers.get("x-oneapi-request-id"));
        self.provider_request_id = id.cloned();
    }

    /// The first content of a streamed answer is there: a probe has shown what it had to.
    pub(crate) fn first_token(&mut self) {
        if self.first_token_after.is_some() {
            return;
        }
        let after = self.started.elapsed();
        self.first_token_after = Some(after);
        self.state.first_token(after);
        if self.admission.is_probe() {
            self.report(Seen::Success);
        }
    }

    /// Tokens as far as they are known.
    pub(crate) fn usage(&mut self, usage: Usage, source: UsageSource) {
        (self.usage, self.usage_source) = (usage, source);
    }

    /// What its answer made is found from now on; the end of the answer waits for what is returned.
    pub(crate) fn keep(&self, made: &[Made]) -> Option<Keeping> {
        let about = &self.about;
        keep(&about.context, &about.snapshot, (about.tenant, self.aim.provider), made)
    }

    /// It has answered well.
    pub(crate) fn succeed(&mut self) {
        if self.is_over {
            return;
        }
        self.report(Seen::Success);
        let targets = self.about.snapshot.targets(self.about.route);
        if self.about.callers_retries == 0 {
            self.state.deposit_retry();
            targets.deposit_fallbacks();
        }
        if self.kind == AttemptKind::Fallback && self.is_charged {
            self.state.give_back_fallback();
        }
        self.end(None, Sample::Ok, "done");
    }

    /// It has failed, and this was decided.
    pub(crate) fn fail(&mut self, class: ErrorClass, hint: RetryHint, decision: &'static str) {
        if self.is_over {
            return;
        }
        let (seen, sample) = self.weigh(class, hint);
        self.report(seen);
        self.end(Some(class), sample, decision);
    }

    /// Another that ran beside it has won.
    pub(crate) fn lose(&mut self) {
        self.report(Seen::Neutral);
        self.end(None, Sample::Neutral, "hedge_lost");
    }

    /// What a failure says of the target: its own fault, a wish for a pause, or nothing.
    fn weigh(&self, class: ErrorClass, hint: RetryHint) -> (Seen, Sample) {
        let now = self.about.context.live.now();
        let pushback = Seen::Pushback { until: hint.after.map(|after| now + after) };
        let plan = self.about.snapshot.plan();
        match class {
            // A caller's own key has limits of its own, which are nobody else's.
            ErrorClass::RateLimit
                if plan.provider(self.aim.provider).credential == CredentialKind::Client =>
            {
                (Seen::Neutral, Sample::Neutral)
            }
            // Too slow for this caller is not too slow.
            ErrorClass::TotalTimeout if self.about.is_impatient => (Seen::Neutral, Sample::Neutral),
            ErrorClass::RateLimit => (pushback, Sample::Pushback),
            ErrorClass::Overloaded if hint.after.is_some() => (pushback, Sample::Pushback),
            ErrorClass::Overloaded => (Seen::Failure, Sample::Pushback),
            ErrorClass::Dns
            | ErrorClass::Connect
            | ErrorClass::ConnectTimeout
            | ErrorClass::Tls
            | ErrorClass::NoAnswer
            | ErrorClass::HeadTimeout
            | ErrorClass::FirstTokenTimeout
            | ErrorClass::IdleTimeout
            | ErrorClass::TotalTimeout
            | ErrorClass::Reset
            | ErrorClass::Truncated
            | ErrorClass::Malformed
            | ErrorClass::Server => (Seen::Failure, Sample::Neutral),
            ErrorClass::Auth
            | ErrorClass::ContextLength
            | ErrorClass::ContentPolicy
            | ErrorClass::Validation
            | ErrorClass::NotFound
            | ErrorClass::Quota
            | ErrorClass::ClientGone => (Seen::Neutral, Sample::Neutral),
        }
    }

    fn report(&self, seen: Seen) {
        let change = self.state.report(self.admission, seen, self.about.context.live.now());
        let Some(change) = change else { return };
        let plan = self.about.snapshot.plan();
        let route = self.about.route.map_or("-", |id| plan.route(id).name.as_str());
        let (provider, role) = (plan.provider(self.aim.provider).name.as_str(), self.aim.role.as_str());
        match change {
            Change::Opened { until } => {
                let open_for = until.saturating_sub(self.about.context.live.now());
                let open_for_ms = u64::try_from(open_for.as_millis()).unwrap_or(u64::MAX);
                tracing::warn!(
                    route,
                    provider,
                    role,
                    open_for_ms,
                    "a breaker has opened: the target is passed over"
                );
            }
            Change::Closed => {
                tracing::info!(route, provider, role, "a breaker has closed: the target serves again");
            }
        }
    }

    fn end(&mut self, error_class: Option<ErrorClass>, sample: Sample, decision: &'static str) {
        self.is_over = true;
        let about = &self.about;
        self.state.release(self.admission, sample, about.context.live.now());
        let after_sending = !matches!(
            error_class,
            None | Some(ErrorClass::Dns | ErrorClass::Connect | ErrorClass::ConnectTimeout | ErrorClass::Tls)
        );
        let refused = self.status.is_some_and(|status| status.is_client_error());
        about.context.observer.attempted(&AttemptRecord {
            snapshot: &about.snapshot,
            request_id: text(about.request_id.as_ref()).unwrap_or_default(),
            endpoint: about.endpoint.as_str(),
            tenant: about.tenant,
            route: about.route,
            alias: about.alias.map(|id| about.snapshot.plan().alias(id).name.as_str()),
            reason: about.reason,
            number: self.number,
            kind: self.kind,
            because: self.because,
            provider: self.aim.provider,
            role: self.aim.role,
            model_id: about.model_id(self.aim.provider),
            status: self.status,
            error_class,
            decision,
            provider_request_id: text(self.provider_request_id.as_ref()),
            timeout: self.aim.timeout,
            head_after: self.head_after,
            first_token_after: self.first_token_after,
            elapsed: self.started.elapsed(),
            usage: self.usage,
            usage_source: self.usage_source,
            possibly_billed: after_sending && !refused,
            callers_retries: about.callers_retries,
        });
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.fail(ErrorClass::ClientGone, RetryHint::default(), "client_gone");
    }
}

fn text(value: Option<&HeaderValue>) -> Option<&str> {
    value?.to_str().ok()
}
