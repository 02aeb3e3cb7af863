//! Asking one provider one thing, straight and once: no retry, no redirect followed, and an end in time and in bytes.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use decisions::plan::CredentialHeader;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::time::{Instant, timeout_at};
use upstream::{Credential, Lease, Origin, RequestBody, SendError};

/// A provider of the route map, as a check reaches it: the same server, headers and credential as the gateway's requests.
#[derive(Clone, Debug)]
pub struct Provider {
    /// Its name in the map.
    pub name: String,
    /// Its server.
    pub origin: Arc<Origin>,
    /// What it is shown. Where the map says that callers bring their own, a key that the operator named for checks;
    /// [`Credential::Client`] if none was.
    pub credential: Credential,
    /// Which header carries that.
    pub credential_header: CredentialHeader,
    /// What the map adds to every request.
    pub headers: HeaderMap,
}

/// What a request shows of who pays. The bad ones differ from the good one in nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// The provider's own credential.
    Ours,
    /// None.
    Omitted,
    /// One that is no key of anybody.
    Invalid,
}

/// What is asked.
#[derive(Clone, Debug)]
pub struct Message<'m> {
    /// How.
    pub method: Method,
    /// Below the base URL, from its slash on.
    pub path: &'m str,
    /// As whom.
    pub auth: Auth,
    /// With a body of JSON, or without one.
    pub body: Option<Bytes>,
    /// Until the last byte of the answer.
    pub timeout: Duration,
}

/// Why there is no answer, or no whole one.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    /// It was not reached, or did not answer.
    #[error(transparent)]
    Send(#[from] SendError),
    /// It took too long.
    #[error("no answer within {} ms", .0.as_millis())]
    Timeout(Duration),
    /// The answer broke off.
    #[error("the answer broke off")]
    Cut,
    /// It is longer than anybody should have to read.
    #[error("the answer has more than {0} bytes")]
    TooLong(usize),
    /// Base URL and path make no path.
    #[error("the base URL and {0} make no path")]
    Path(String),
    /// The map has callers bring their own key, and none was named for checks.
    #[error("it takes the caller's own key, and none is named for checks")]
    NoKey,
}

/// Commands and checks have one loop.
const WORKER: usize = 0;

impl Provider {
    /// Sends a message and waits for the head of the answer.
    ///
    /// # Errors
    /// [`Unanswered`], whatever keeps an answer from coming.
    pub async fn ask(&self, message: Message<'_>) -> Result<Answer, Unanswered> {
        let begun = Instant::now();
        let (deadline, timeout) = (begun + message.timeout, message.timeout);
        let request = self.request(message)?;
        let sending = self.origin.send(WORKER, request);
        let (response, lease) =
            timeout_at(deadline, sending).await.map_err(|_| Unanswered::Timeout(timeout))??;
        Ok(Answer { response, lease, begun, timeout })
    }

    fn request(&self, message: Message<'_>) -> Result<Request<RequestBody>, Unanswered> {
        let path = self.origin.path(message.path).map_err(|_| Unanswered::Path(message.path.to_owned()))?;
        let mut headers = self.headers.clone();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        if message.body.is_some() {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let body = message.body.unwrap_or_default();
        if !body.is_empty() {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        }
        if let Some(value) = self.shown(message.auth)? {
            headers.insert(HeaderName::from_static(self.credential_header.as_str()), value);
        }
        let mut request = Request::new(RequestBody::whole(body));
        *request.method_mut() = message.method;
        *request.uri_mut() = path.into();
        *request.headers_mut() = headers;
        Ok(request)
    }

    fn shown(&self, auth: Auth) -> Result<Option<HeaderValue>, Unanswered> {
        match (auth, &self.credential) {
            (Auth::Omitted, _) => Ok(None),
            (Auth::Ours, Credential::Ours(value)) => Ok(Some(value.clone())),
            (Auth::Ours, Credential::Client) => Err(Unanswered::NoKey),
            (Auth::Invalid, _) => Ok(match Credential::invalid(self.credential_header) {
                Credential::Ours(value) => Some(value),
                Credential::Client => None,
            }),
        }
    }
}

/// An answer whose head has come.
#[derive(Debug)]
pub struct Answer {
    response: Response<Incoming>,
    lease: Lease,
    begun: Instant,
    timeout: Duration,
}

impl Answer {
    /// Its status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// Its headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// Its next bytes; `None` at its end.
    ///
    /// # Errors
    /// It breaks off or takes too long.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Unanswered> {
        loop {
            let next = timeout_at(self.begun + self.timeout, self.response.frame()).await;
            match next.map_err(|_| Unanswered::Timeout(self.timeout))? {
                None => return Ok(None),
                Some(Err(_)) => return Err(Unanswered::Cut),
                Some(Ok(frame)) => {
                    if let Ok(bytes) = frame.into_data() {
                        return Ok(Some(bytes));
                    }
                }
            }
        }
    }

    /// All of its body, up to so many bytes.
    ///
    /// # Errors
    /// It breaks off, takes too long or is longer.
    pub async fn whole(mut self, most_bytes: usize) -> Result<Vec<u8>, Unanswered> {
        let mut body = Vec::new();
        while let Some(bytes) = self.chunk().await? {
            if body.len() + bytes.len() > most_bytes {
                return Err(Unanswered::TooLong(most_bytes));
            }
            body.extend_from_slice(&bytes);
        }
        self.lease.release();
        Ok(body)
    }
}

#[cfg(test)]
mod tests;
