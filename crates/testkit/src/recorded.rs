//! What a provider remembers of a request, whole and unparsed: tests compare bytes.

use bytes::Bytes;
use http::{HeaderMap, Method};
use serde_json::Value;
use tokio::time::Instant;

/// One request as it arrived.
#[derive(Clone, Debug)]
pub struct RecordedRequest {
    /// The method.
    pub method: Method,
    /// Path and query as sent.
    pub path_and_query: String,
    /// All headers, repeated ones included.
    pub headers: HeaderMap,
    /// The body's bytes, without transfer coding.
    pub body: Bytes,
    /// When the head was there.
    pub arrival: Instant,
}

impl RecordedRequest {
    /// The path alone.
    #[must_use]
    pub fn path(&self) -> &str {
        self.path_and_query.split_once('?').map_or(self.path_and_query.as_str(), |(path, _)| path)
    }

    /// A header's first value, if it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as JSON, if it is.
    #[must_use]
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }
}
