//! An attempt under way. Whichever way it ends, it reports exactly once: to the breaker, the limit and the budgets of
//! its target, and to the observer. Dropped without a word, it was abandoned: the caller has left.

use std::sync::Arc;
use std::time::Duration;

use decisions::attempts::breaker::Change;
use decisions::attempts::{RetryHint, Sample, Seen};
use decisions::gate;
use decisions::plan::{CredentialKind, OnDisconnect};
use decisions::price::Cost;
use decisions::{Endpoint, ErrorClass};
use http::{HeaderName, HeaderValue, StatusCode};
use telemetry::trace_context::SpanId;
use tokio::time::Instant;

use crate::affinity::Made;
use crate::attempt::about::{About, Aim};
use crate::attempt::weigh::weigh;
use crate::gates::{Finished, Waiting};
use crate::observer::{AttemptKind, AttemptRecord, UsageSource};
use crate::response::keeping::{Keeping, keep};
use crate::scan::{BodyScanner, BodyShape, Usage};
use crate::series::target::EndedAttempt;
use crate::target_state::{Admission, TargetState};
use crate::trace::{Happened, OwnSpan, TracedAttempt};

/// How much text makes a token, where nobody has counted.
const BYTES_OF_A_TOKEN: u64 = 4;

/// What providers call a request, and those of them that are built on One API.
static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
static ONE_API_REQUEST_ID: HeaderName = HeaderName::from_static("x-oneapi-request-id");

/// What an attempt holds at its target while it is under way.
pub(crate) type Held = (Arc<TargetState>, Admission);

/// One attempt, admitted by its target.
pub(crate) struct UnderWay {
    about: Arc<About>,
    /// What it holds at its target; a copy or a check holds nothing there, and takes no caller's place.
    held: Option<Held>,
    pub(crate) aim: Aim,
    /// Its own, where traces are made.
    span: Option<SpanId>,
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
    /// Events of its streamed answer that had content.
    pub(crate) content_events: u64,
    /// Its answer was read whole, so its usage was seen if there was one.
    is_read: bool,
    /// Of its answer, handed on without a look at what it says.
    pub(crate) unread_bytes: u64,
    /// Its failure is on its target's record.
    is_blamed: bool,
    /// Another that ran beside it has won.
    is_lost: bool,
    is_over: bool,
    /// Its answer has not begun.
    waiting: Option<Waiting>,
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
    /// In a box, because it goes from step to step.
    pub(crate) fn begin(
        about: &Arc<About>,
        held: Option<Held>,
        aim: Aim,
        cause: Cause,
        started: Instant,
    ) -> Box<UnderWay> {
        if about.check.is_some() {
            return UnderWay::new(about, held, aim, cause, started, None);
        }
        if cause.number == 1 {
            about.snapshot.series().overhead().record(started.duration_since(about.body_at));
        }
        if let (Some(route), Some(class)) = (about.route, about.class(cause.kind)) {
            let (plan, gates) = (about.snapshot.plan(), about.snapshot.gates());
            gates.begin(plan, route, (aim.provider, aim.role), class);
        }
        let waiting = about.snapshot.gates().waiting(about.route, aim.role);
        UnderWay::new(about, held, aim, cause, started, waiting)
    }

    /// A copy of a request: it is on its gate's record and the log's, and nowhere else.
    pub(crate) fn begin_copy(about: &Arc<About>, aim: Aim) -> Box<UnderWay> {
        let cause = Cause { number: 1, kind: AttemptKind::Mirror, because: None, is_charged: false };
        UnderWay::new(about, None, aim, cause, Instant::now(), None)
    }

    fn new(
        about: &Arc<About>,
        held: Option<Held>,
        aim: Aim,
        cause: Cause,
        started: Instant,
        waiting: Option<Waiting>,
    ) -> Box<UnderWay> {
        Box::new(UnderWay {
            about: Arc::clone(about),
            held,
            aim,
            span: about.trace.new_span(),
            number: cause.number,
            kind: cause.kind,
            because: cause.because,
            is_charged: cause.is_charged,
            started,
            status: None,
            provider_request_id: None,
            head_after: None,
            first_token_after: None,
            usage: Usage::default(),
            usage_source: UsageSource::Unread,
            content_events: 0,
            is_read: false,
            unread_bytes: 0,
            is_blamed: false,
            is_lost: false,
            is_over: false,
            waiting,
        })
    }

    /// Its answer is read to the end, for its usage, also when the caller has left.
    pub(crate) fn drains(&self) -> bool {
        let route = self.about.route.map(|id| self.about.snapshot.plan().route(id));
        route.is_some_and(|route| route.on_disconnect == OnDisconnect::Drain)
    }

    /// As its provider may be told.
    pub(crate) fn own_span(&self) -> Option<OwnSpan> {
        self.about.trace.own_span(self.span)
    }

    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    /// How long its provider may say nothing in the middle of an answer that is not read on its way.
    pub(crate) fn longest_silence(&self) -> Duration {
        self.about.context.limits.relay_idle_timeout
    }

    /// The head of the answer is there.
    pub(crate) fn head<B>(&mut self, response: &http::Response<B>) {
        self.status = Some(response.status());
        self.head_after = Some(self.started.elapsed());
        let headers = response.headers();
        let id = headers.get(&REQUEST_ID).or_else(|| headers.get(&ONE_API_REQUEST_ID));
        self.provider_request_id = id.cloned();
    }

    /// The first content of a streamed answer is there: a probe has shown what it had to.
    pub(crate) fn first_token(&mut self) {
        if self.first_token_after.is_some() {
            return;
        }
        self.waiting = None;
        let after = self.started.elapsed();
        self.first_token_after = Some(after);
        let Some((state, admission)) = &self.held else { return };
        state.first_token(after);
        if admission.is_probe() {
            self.report(Seen::Success, self.started + after);
        }
    }

    /// Its answer is handed on.
    pub(crate) fn answers(&mut self) {
        self.waiting = None;
    }

    /// Tokens as far as they are known.
    pub(crate) fn usage(&mut self, usage: Usage, source: UsageSource) {
        (self.usage, self.usage_source) = (usage, source);
    }

    /// Its answer was read whole.
    pub(crate) fn read(&mut self) {
        self.is_read = true;
    }

    /// What finds the tokens in an answer that is handed on as it comes, where they are charged for.
    pub(crate) fn token_scanner(&self) -> Option<BodyScanner<'static>> {
        let about = &self.about;
        about.snapshot.plan().tenant(about.tenant).limits.tokens_per_minute?;
        let shape = match self.about.endpoint {
            Endpoint::Chat => BodyShape::Chat,
            Endpoint::Responses => BodyShape::Responses,
            Endpoint::Embeddings => BodyShape::Embeddings,
            _ => BodyShape::Object,
        };
        Some(BodyScanner::new(shape, &[]))
    }

    /// The tenant pays for what its caller got of the answer, or has asked for and not waited for. What was tried before
    /// or beside it is the gateway's doing. What the provider has not counted is estimated.
    fn charge(&self) {
        let about = &self.about;
        let state = about.snapshot.tenant_state(about.tenant).filter(|_| self.held.is_some());
        let Some(state) = state else { return };
        let of_bytes = |bytes: u64| bytes.div_ceil(BYTES_OF_A_TOKEN);
        let input = || of_bytes(u64::try_from(about.request_bytes).unwrap_or(u64::MAX));
        let output = || match about.endpoint {
            Endpoint::Chat
            | Endpoint::Responses
            | Endpoint::ResponsesCompact
            | Endpoint::Completions
            | Endpoint::Messages => of_bytes(self.unread_bytes),
            // A list of numbers, sound, an image.
            _ => 0,
        };
        let tokens =
            self.usage.input.unwrap_or_else(input).saturating_add(self.usage.output.unwrap_or_else(output));
        state.charge(tokens, about.context.live.now());
    }

    /// What its answer made is found from now on; the end of the answer waits for what is returned.
    pub(crate) fn keep(&self, made: &[Made]) -> Option<Keeping> {
        let about = &self.about;
        if about.check.is_some() {
            // Nobody will ask for it again.
            return None;
        }
        keep(&about.context, &about.snapshot, (about.tenant, self.aim.provider), made)
    }

    /// It has answered well.
    pub(crate) fn succeed(&mut self) {
        if self.is_over {
            return;
        }
        let now = Instant::now();
        self.charge();
        self.report(Seen::Success, now);
        if let Some((state, _)) = &self.held {
            if self.about.callers_retries == 0 {
                state.deposit_retry();
                self.about.snapshot.targets(self.about.route).deposit_fallbacks();
            }
            if self.kind == AttemptKind::Fallback && self.is_charged {
                state.give_back_fallback();
            }
        }
        self.end(None, Sample::Ok, "done", now);
    }

    /// It has failed, and this was decided.
    pub(crate) fn fail(&mut self, class: ErrorClass, hint: RetryHint, decision: &'static str) {
        if self.is_over {
            return;
        }
        self.blame(class, hint);
        let (_, sample) = self.weigh(class, hint);
        self.end(Some(class), sample, decision, Instant::now());
    }

    /// It has failed after the caller got some of its answer.
    pub(crate) fn break_off(&mut self, class: ErrorClass) {
        if !self.is_over {
            self.charge();
        }
        self.fail(class, RetryHint::default(), "committed");
    }

    /// Puts its failure on its target's record, before it is decided what follows. Whether its target would still be
    /// asked.
    pub(crate) fn blame(&mut self, class: ErrorClass, hint: RetryHint) -> bool {
        if !std::mem::replace(&mut self.is_blamed, true) {
            self.report(self.weigh(class, hint).0, Instant::now());
        }
        self.held.as_ref().is_some_and(|(state, _)| !state.is_open(self.about.context.live.now()))
    }

    /// Another that ran beside it has won.
    pub(crate) fn lose(&mut self) {
        self.is_lost = true;
        let now = Instant::now();
        self.report(Seen::Neutral, now);
        self.end(None, Sample::Neutral, "hedge_lost", now);
    }

    fn weigh(&self, class: ErrorClass, hint: RetryHint) -> (Seen, Sample) {
        let (about, plan) = (&self.about, self.about.snapshot.plan());
        let is_callers_key = plan.provider(self.aim.provider).credential == CredentialKind::Client;
        weigh(class, hint, (is_callers_key, about.is_impatient), about.context.live.now())
    }

    fn report(&self, seen: Seen, at: Instant) {
        let Some((state, admission)) = &self.held else { return };
        let now = self.about.context.live.at(at);
        let change = state.report(*admission, seen, now);
        let Some(change) = change else { return };
        let plan = self.about.snapshot.plan();
        let route = self.about.route.map_or("-", |id| plan.route(id).name.as_str());
        let (provider, role) = (plan.provider(self.aim.provider).name.as_str(), self.aim.role.as_str());
        match change {
            Change::Opened { until } => {
                if let Some(series) = self.about.series(self.aim) {
                    series.breaker_opened();
                }
                self.about.trace.note(Happened::BreakerOpened(self.aim.provider, self.aim.role));
                let open_for = until.saturating_sub(now);
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

    /// Each attempt exactly once, retries, hedges and those that another has mended included; none of the gateway's own
    /// checks.
    fn tell_gates(&self, failure: Option<ErrorClass>, now: Duration) {
        let about = &self.about;
        let Some(route) = about.route.filter(|_| about.check.is_none()) else { return };
        let finished = Finished {
            route,
            provider: self.aim.provider,
            role: self.aim.role,
            class: about.class(self.kind),
            tenant: about.tenant,
            failure,
            is_lost: self.is_lost,
            is_impatient: about.is_impatient && self.held.is_some(),
            share_ppm: about.share_ppm,
            first_token_after: self.first_token_after,
            usage: self.usage_of(failure),
            features: about.features,
            request_id: Some(about.request_id.as_bytes()),
        };
        about.snapshot.gates().attempted(about.snapshot.plan(), &finished, now);
    }

    /// What its answer said of its tokens, and whether it should have. A streamed chat says so only where it is asked to.
    fn usage_of(&self, failure: Option<ErrorClass>) -> gate::Usage {
        let is_expected = match self.about.endpoint {
            Endpoint::Chat | Endpoint::Embeddings => self.is_read,
            Endpoint::Responses => self.is_read || self.first_token_after.is_some(),
            _ => false,
        };
        match self.usage_source {
            UsageSource::Reported => {
                let count = |tokens: Option<u64>| tokens.unwrap_or_default();
                gate::Usage::Reported(count(self.usage.input).saturating_add(count(self.usage.output)))
            }
            _ if is_expected && failure.is_none() && !self.is_lost => gate::Usage::Missing,
            _ => gate::Usage::NotExpected,
        }
    }

    /// What it cost, where the map has a price for its model and somebody knows its tokens.
    fn cost(&self) -> Option<Cost> {
        if self.usage_source == UsageSource::Unread {
            return None;
        }
        let prices = &self.about.snapshot.plan().provider(self.aim.provider).prices;
        let price = prices.of(self.about.model_id(self.aim.provider)?)?;
        let [input, cached, output] =
            [self.usage.input, self.usage.cached, self.usage.output].map(Option::unwrap_or_default);
        Some(price.of(input, cached, output))
    }

    /// All that was tried for its request is its tenant's; a copy was not tried for it.
    fn count_for_tenant(&self, cost: Option<Cost>) {
        if self.held.is_none() || self.usage_source == UsageSource::Unread {
            return;
        }
        let series = self.about.snapshot.series();
        let Some(spent) = series.spent(self.about.tenant, self.aim.provider) else { return };
        spent.add(&self.usage, cost);
    }

    fn end(
        &mut self,
        error_class: Option<ErrorClass>,
        sample: Sample,
        decision: &'static str,
        ended: Instant,
    ) {
        let now = self.about.context.live.at(ended);
        self.is_over = true;
        self.waiting = None;
        // Before anything else: a target that trips by this is out at once.
        self.about.noting_gates(|| self.tell_gates(error_class, now));
        let about = &self.about;
        let (elapsed, cost) = (ended.saturating_duration_since(self.started), self.cost());
        if let Some((state, admission)) = &self.held {
            state.release(*admission, sample, now);
        }
        if let Some(series) = about.series(self.aim) {
            series.attempt(&EndedAttempt {
                kind: self.kind,
                failure: error_class,
                is_lost: self.is_lost,
                elapsed,
                first_token_after: self.first_token_after,
                content_events: self.content_events,
                usage: self.usage,
                usage_source: self.usage_source,
                cost,
            });
        }
        self.count_for_tenant(cost);
        let after_sending = !matches!(
            error_class,
            None | Some(ErrorClass::Dns | ErrorClass::Connect | ErrorClass::ConnectTimeout | ErrorClass::Tls)
        );
        let refused = self.status.is_some_and(|status| status.is_client_error());
        let record = AttemptRecord {
            snapshot: &about.snapshot,
            request_id: text(Some(&about.request_id)).unwrap_or_default(),
            trace_id: about.trace.id(),
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
            elapsed,
            usage: self.usage,
            usage_source: self.usage_source,
            cost,
            possibly_billed: after_sending && !refused,
            callers_retries: about.callers_retries,
        };
        if let Some(span) = self.span {
            let (after, id) = (about.trace.after(self.started), self.provider_request_id.clone());
            about.trace.attempted(|| TracedAttempt::of(&record, span, after, id));
        }
        about.context.observer.attempted(&record);
        if let Some(check) = &about.check {
            check.attempted(&about.context.leases, &record);
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if !self.is_over {
            self.charge();
        }
        self.fail(ErrorClass::ClientGone, RetryHint::default(), "client_gone");
    }
}

fn text(value: Option<&HeaderValue>) -> Option<&str> {
    value?.to_str().ok()
}
