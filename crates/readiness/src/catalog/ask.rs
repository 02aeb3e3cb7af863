//! One request to a models endpoint, and what came of it.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use http::{HeaderMap, Method};

use super::outcome::{Class, Outcome, classify_failure, classify_status};
use super::parse::{Catalog, parse};
use crate::provider::{Auth, Message, Provider, Unanswered};

/// Bytes in the longest answer that is read: some ten times the largest catalog there is.
const MOST_BYTES: usize = 4 << 20;

/// Headers in which a provider says its own ID of a request.
const REQUEST_IDS: [&str; 3] = ["x-request-id", "request-id", "x-oneapi-request-id"];

/// Bytes in the longest such ID.
const LONGEST_ID: usize = 128;

/// What is asked, and how it differs from a plain list.
#[derive(Clone, Debug)]
pub struct Asked<'a> {
    /// `GET`, unless something is tried.
    pub method: Method,
    /// Below the base URL.
    pub path: &'a str,
    /// As whom.
    pub auth: Auth,
    /// Until the last byte.
    pub timeout: Duration,
}

/// What came.
#[derive(Clone, Debug)]
pub struct Seen {
    /// In words.
    pub outcome: Outcome,
    /// What is listed, where that could be read.
    pub catalog: Option<Catalog>,
    /// Of a 2xx, as it came.
    pub body: Vec<u8>,
    /// From sending to the last byte.
    pub took: Duration,
    /// The provider's own ID of the request, where it says one.
    pub request_id: Option<String>,
}

impl Seen {
    /// Nothing: nobody was asked, since no key is named.
    #[must_use]
    pub fn not_asked() -> Seen {
        let outcome = Outcome { class: Class::NoKey, detail: "", status: None };
        Seen { outcome, catalog: None, body: Vec::new(), took: Duration::ZERO, request_id: None }
    }
}

/// Asks once. No redirect is followed. Without any time, it is sent and given up before an answer can be there.
pub async fn ask(provider: &Provider, asked: Asked<'_>) -> Seen {
    let Asked { method, path, auth, timeout } = asked;
    let begun = tokio::time::Instant::now();
    let message = Message { method, path, auth, body: None, timeout };
    let mut seen = Seen::not_asked();
    let mut asking = pin!(provider.ask(message));
    let answered = if timeout.is_zero() {
        // Looked at once: a deadline of no time at all would still race with a provider on the same machine.
        match poll_fn(|cx| Poll::Ready(asking.as_mut().poll(cx))).await {
            Poll::Ready(answered) => answered,
            Poll::Pending => Err(Unanswered::Timeout(timeout)),
        }
    } else {
        asking.await
    };
    match answered {
        Err(error) => seen.outcome = classify_failure(&error, None),
        Ok(answer) => {
            let status = answer.status();
            seen.request_id = request_id(answer.headers());
            match classify_status(status) {
                Some(outcome) => seen.outcome = outcome,
                None => match answer.whole(MOST_BYTES).await {
                    Err(error) => seen.outcome = classify_failure(&error, Some(status.as_u16())),
                    Ok(body) => {
                        match parse(&body) {
                            Ok(catalog) => {
                                seen.outcome = Outcome::of_list(status.as_u16(), &catalog);
                                seen.catalog = Some(catalog);
                            }
                            Err(failure) => seen.outcome = Outcome::of_schema(status.as_u16(), failure),
                        }
                        seen.body = body;
                    }
                },
            }
        }
    }
    seen.took = begun.elapsed();
    seen
}

/// What looks like an ID and like nothing else, since it is written down.
fn request_id(headers: &HeaderMap) -> Option<String> {
    let is_id = |text: &&str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        !text.is_empty() && text.len() <= LONGEST_ID && text.bytes().all(allowed) && !text.starts_with("sk-")
    };
    let said = REQUEST_IDS.iter().filter_map(|name| headers.get(*name)?.to_str().ok());
    said.into_iter().find(is_id).map(str::to_owned)
}
