//! One attempt, from sending to an answer that is worth handing on: an answer that is not streamed is read whole
//! first, a streamed one until its first content. Up to there every failure can still be mended at another target.

use bytes::Bytes;
use decisions::ErrorClass;
use decisions::plan::{CredentialKind, Delivery};
use http::{HeaderMap, Method, Response, header, response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::pin::pin;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use upstream::{Answered, Lease};

use crate::affinity::Made;
use crate::attempt::about::Aim;
use crate::attempt::call::Call;
use crate::attempt::failure::{Failure, hint};
use crate::attempt::under_way::UnderWay;
use crate::dispatch::{Destination, Outgoing, build, remember_acceptance};
use crate::error::Error;
use crate::observer::UsageSource;
use crate::request::body::Room;
use crate::response::frames::Frames;
use crate::response::stream::{Held, StreamBody};
use crate::scan::made::Wanted;
use crate::scan::{BodyScanner, Shape, StreamScanner};

/// How much of a refusal is read. No provider's error is longer.
const MOST_OF_A_REFUSAL: usize = 256 << 10;

/// How long a refusal may take once its head is there.
const REFUSAL_TIME: Duration = Duration::from_secs(10);

/// How much may come before the first content of a stream; more than that is let through.
const MOST_BEFORE_CONTENT: usize = 64 << 10;

/// An answer worth handing on.
pub(crate) enum Good {
    /// Read whole, with what it made.
    Whole(response::Parts, Frames, Vec<Made>),
    /// Longer than the gateway holds, or not to be looked into: what was read, what that made, and the rest as it comes.
    Open(response::Parts, (Bytes, Vec<Made>), Incoming, Lease),
    /// A stream that has begun, or is complete.
    Stream(response::Parts, Box<StreamBody>),
}

impl Call {
    /// Makes one attempt.
    pub(crate) async fn attempt(&self, under_way: &mut UnderWay) -> Result<Good, Failure> {
        let (response, lease) = self.send(under_way).await?;
        under_way.head(&response);
        if !response.status().is_success() {
            return Err(Box::pin(self.refused(under_way.aim, response, lease)).await);
        }
        let is_coded =
            response.headers().get(header::CONTENT_ENCODING).is_some_and(|coding| coding != "identity");
        match self.stream_shape() {
            _ if is_coded || self.about.endpoint.may_answer_media() && is_media(response.headers()) => {
                let (head, body) = response.into_parts();
                Ok(Good::Open(head, Default::default(), body, lease))
            }
            Some(shape) if is_event_stream(response.headers()) => {
                self.begin_stream(under_way, shape, response, lease).await
            }
            Some(_) => match self.read_whole(under_way, response, lease).await {
                // Asked for a stream, it answered something else: good or not, the caller cannot read it as one.
                Ok(_) => {
                    Err(self.malformed(under_way.aim, "it answered a streaming request without a stream"))
                }
                Err(failure) => Err(failure),
            },
            None => self.read_whole(under_way, response, lease).await,
        }
    }

    async fn send(&self, under_way: &UnderWay) -> Result<Answered, Failure> {
        let aim = under_way.aim;
        let about = &self.about;
        let internal = || Failure::own(ErrorClass::Validation, Error::Internal);
        let provider = about.snapshot.provider(aim.provider).ok_or_else(internal)?;
        let of_check = about.check.as_ref().and_then(|check| provider.for_check(check.terms().twin));
        let provider = of_check.as_deref().unwrap_or(provider);
        let outgoing = Outgoing {
            method: Method::POST,
            to: Destination::Endpoint(about.endpoint, self.head.uri.query()),
            headers: &self.head.headers,
            body: self.body_for(aim).ok_or_else(internal)?,
            span: under_way.own_span(),
        };
        let request = build(provider, &self.identity, outgoing)
            .map_err(|error| Failure::own(ErrorClass::Validation, error))?;
        let begin_by = (under_way.started() + aim.timeout).min(self.deadline);
        // Pinned first: a future that is moved into another is copied.
        let sending = pin!(provider.origin.send(about.context.worker, request));
        let sent = timeout_at(begin_by, sending).await;
        match sent {
            Err(_) if begin_by == self.deadline => Err(self.out_of_time(aim)),
            Err(_) => {
                let timeout_ms = aim.timeout.as_millis();
                let error = Error::HeadTimeout { provider: self.name(aim), timeout_ms };
                Err(Failure::own(ErrorClass::HeadTimeout, error))
            }
            Ok(Err(source)) => {
                // What the caller sent could not be sent on: the provider has no part in that.
                if let Some(error) = self.payload.fault() {
                    return Err(Failure::own(ErrorClass::Validation, error));
                }
                let class = source.kind.into();
                Err(Failure::own(class, Error::Unreachable { provider: self.name(aim), source }))
            }
            Ok(Ok((response, lease))) => {
                if response.status().is_success() {
                    remember_acceptance(&about.context, &self.identity, provider);
                }
                Ok((response, lease))
            }
        }
    }

    /// An answer that says no.
    async fn refused(&self, aim: Aim, response: Response<Incoming>, lease: Lease) -> Failure {
        let (head, body) = response.into_parts();
        if head.status.is_redirection() {
            return self
                .malformed(aim, "it redirects, and a prompt is never sent on to where a redirect points");
        }
        let by = (Instant::now() + REFUSAL_TIME).min(self.deadline);
        let Ok(Ok(Read::Whole(frames))) =
            timeout_at(by, read(body, |length| length <= MOST_OF_A_REFUSAL, |_| {})).await
        else {
            return self.malformed(aim, "it refused the request, and its error could not be read to the end");
        };
        lease.release();
        self.refusal(aim, head, frames.into_bytes())
    }

    /// What an answer that says no is to whoever asked.
    fn refusal(&self, aim: Aim, head: response::Parts, body: Bytes) -> Failure {
        self.keep_to_ourselves(Failure::refused(head, self.about.snapshot.secrets().cover(body)), aim)
    }

    /// Where the gateway's credential is refused, the caller's own key is in order; what a provider says of ours is the
    /// operator's business.
    fn keep_to_ourselves(&self, failure: Failure, aim: Aim) -> Failure {
        let credential = self.about.snapshot.plan().provider(aim.provider).credential;
        if failure.class != ErrorClass::Auth || credential != CredentialKind::Ours {
            return failure;
        }
        Failure::own(ErrorClass::Auth, Error::ProviderAuth { provider: self.name(aim) })
    }

    /// Reads an answer that is not streamed.
    async fn read_whole(
        &self,
        under_way: &mut UnderWay,
        response: Response<Incoming>,
        lease: Lease,
    ) -> Result<Good, Failure> {
        let aim = under_way.aim;
        let (head, body) = response.into_parts();
        let mut scanner = BodyScanner::new(self.body_shape(), self.required_fields()).wanting(self.wanted);
        let mut room = Room::new(&self.about.context.limits, &self.about.context.live);
        let most = self.about.context.limits.max_answer;
        let has_room = |length| length <= most && room.grow_to(length).is_ok();
        let read = {
            let reading = pin!(read(body, has_room, |bytes| scanner.feed(bytes)));
            timeout_at(self.deadline, reading).await
        };
        let frames = match read {
            Err(_) => return Err(self.out_of_time(aim)),
            Ok(Err(error)) => return Err(self.broken(aim, &error)),
            Ok(Ok(Read::TooLong(first, rest))) => {
                if self.wanted != Wanted::Nothing {
                    self.about.context.live.unlearned.tell(&self.name(aim));
                }
                return Ok(Good::Open(head, (first, scanner.take_made()), rest, lease));
            }
            Ok(Ok(Read::Whole(frames))) => frames,
        };
        lease.release();
        under_way.read();
        let made = scanner.take_made();
        let seen = scanner.finish();
        if let Some(usage) = seen.usage {
            under_way.usage(usage, UsageSource::Reported);
        }
        if seen.error.is_some() || seen.response_failed {
            // A failure in the coat of a success: the body says which.
            return Err(self.refusal(aim, head, frames.into_bytes()));
        }
        if !seen.well_formed || !seen.is_object {
            return Err(self.malformed(aim, "its answer is not a JSON object"));
        }
        if seen.missing_required {
            return Err(self.malformed(aim, "its answer lacks a field that the alias requires"));
        }
        Ok(Good::Whole(head, frames, made))
    }

    /// Reads a stream up to its first content; with whole delivery to its end.
    async fn begin_stream(
        &self,
        under_way: &mut UnderWay,
        shape: Shape,
        response: Response<Incoming>,
        lease: Lease,
    ) -> Result<Good, Failure> {
        let aim = under_way.aim;
        let (head, body) = response.into_parts();
        let scanner = StreamScanner::new(shape).wanting(self.wanted);
        let mut stream = Box::new(StreamBody::new(scanner, shape, body, lease));
        if self.asks_usage(aim) {
            stream.hide_usage();
        }
        let first_token_timeout = self.route().map_or(aim.timeout, |route| route.first_token_timeout);
        let first_token_timeout =
            if aim.is_lent { first_token_timeout.min(aim.timeout) } else { first_token_timeout };
        let content_by = (under_way.started() + first_token_timeout).min(self.deadline);
        let held = match timeout_at(content_by, stream.hold_to_content(MOST_BEFORE_CONTENT)).await {
            Err(_) if content_by == self.deadline => return Err(self.out_of_time(aim)),
            Err(_) => {
                let timeout_ms = first_token_timeout.as_millis();
                let error = Error::FirstTokenTimeout { provider: self.name(aim), timeout_ms };
                return Err(Failure::own(ErrorClass::FirstTokenTimeout, error));
            }
            Ok(held) => held,
        };
        if !matches!(held, Held::Failed(_)) {
            under_way.first_token();
        }
        let idle = self.route().map_or(IDLE, |route| route.idle_timeout);
        let in_all = self.route().map_or(IN_ALL, |route| route.stream_timeout);
        stream.allow(idle, under_way.started() + in_all);
        let held = match (held, self.delivery) {
            (Held::Begun, Delivery::Whole) => {
                let mut room = Room::new(&self.about.context.limits, &self.about.context.live);
                let most = self.about.context.limits.max_answer;
                stream.hold_to_end(|length| length <= most && room.grow_to(length).is_ok()).await
            }
            (held, _) => held,
        };
        match held {
            Held::Begun | Held::Complete => Ok(Good::Stream(head, stream)),
            Held::Failed(class) => {
                let secrets = self.about.snapshot.secrets();
                let mut failure = stream.failure(self.name(aim), class, under_way, secrets);
                failure.hint = hint(&head.headers);
                Err(self.keep_to_ourselves(failure, aim))
            }
        }
    }

    pub(crate) fn name(&self, aim: Aim) -> String {
        self.about.snapshot.plan().provider(aim.provider).name.clone()
    }

    fn malformed(&self, aim: Aim, what: &'static str) -> Failure {
        Failure::own(ErrorClass::Malformed, Error::ProviderMalformed { provider: self.name(aim), what })
    }

    fn out_of_time(&self, aim: Aim) -> Failure {
        Failure::own(ErrorClass::TotalTimeout, Error::TotalTimeout { provider: self.name(aim) })
    }

    fn broken(&self, aim: Aim, error: &hyper::Error) -> Failure {
        // A length was announced and not kept, or chunks ended without the last one.
        let class = if error.is_incomplete_message() { ErrorClass::Truncated } else { ErrorClass::Reset };
        Failure::own(class, Error::Interrupted { provider: self.name(aim), class })
    }
}

/// Where no route says.
const IDLE: Duration = Duration::from_secs(60);
/// Where no route says.
const IN_ALL: Duration = Duration::from_secs(3600);

pub(crate) fn is_event_stream(headers: &HeaderMap) -> bool {
    media_type(headers).eq_ignore_ascii_case(b"text/event-stream")
}

/// Neither JSON, which is read before it goes on, nor a page, which is what a broken front of a provider shows.
fn is_media(headers: &HeaderMap) -> bool {
    let kind = media_type(headers);
    let is_read =
        [&b""[..], b"application/json", b"text/html"].iter().any(|read| kind.eq_ignore_ascii_case(read));
    !is_read && !kind.to_ascii_lowercase().ends_with(b"+json")
}

/// The media type without its parameters; empty where there is none.
fn media_type(headers: &HeaderMap) -> &[u8] {
    let kind = headers.get(header::CONTENT_TYPE).map_or(&b""[..], |kind| kind.as_bytes());
    kind.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii()
}

enum Read {
    Whole(Frames),
    TooLong(Bytes, Incoming),
}

/// Reads a body to its end, or until there is no room to hold it.
async fn read(
    mut body: Incoming,
    mut has_room: impl FnMut(usize) -> bool,
    mut look: impl FnMut(&[u8]),
) -> Result<Read, hyper::Error> {
    let mut frames = Frames::default();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        look(&data);
        // Slices of the read buffer, not copied.
        frames.push(data);
        if !has_room(frames.len()) {
            return Ok(Read::TooLong(frames.into_bytes(), body));
        }
    }
    Ok(Read::Whole(frames))
}
