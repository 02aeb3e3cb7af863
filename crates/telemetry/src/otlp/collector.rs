//! Sending to a collector: one message at a time, tried again with growing pauses while that may help, and given up in the
//! end. What waits meanwhile is for whoever calls to bound.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{HeaderMap, HeaderValue, Method, Request, Uri, header};
use tokio::time::timeout;

use crate::otlp::answer::{Meaning, meaning};
use crate::otlp::counts::{Dropped, ExportCounts, Failure};
use crate::otlp::{Protocol, Signal, Transport, Unsent, grpc};

/// How often a message is tried.
const MOST_TRIES: u32 = 5;

/// After the first failure; each pause is twice the one before, less up to a half of it.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest wish for a pause that is kept to: what waits meanwhile is bounded, and lost beyond that.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How a collector is spoken to.
#[derive(Clone, Debug)]
pub struct CollectorSettings {
    /// HTTP or gRPC.
    pub protocol: Protocol,
    /// What stands before the path of each signal; no slash at its end.
    pub base_path: String,
    /// Sent with each message: what the collector knows its clients by.
    pub headers: HeaderMap,
    /// Messages are compressed.
    pub gzip: bool,
    /// How long one try may take.
    pub timeout: Duration,
}

/// A collector.
pub struct Collector {
    transport: Box<dyn Transport>,
    settings: CollectorSettings,
    counts: Arc<ExportCounts>,
    /// The last try has failed, which was said.
    is_ill: AtomicBool,
}

impl Collector {
    /// Nothing is sent yet.
    #[must_use]
    pub fn new(
        transport: Box<dyn Transport>,
        settings: CollectorSettings,
        counts: Arc<ExportCounts>,
    ) -> Collector {
        Collector { transport, settings, counts, is_ill: AtomicBool::new(false) }
    }

    /// What is counted.
    #[must_use]
    pub fn counts(&self) -> &ExportCounts {
        &self.counts
    }

    /// Sends a message of so many spans or points until the collector has taken it or it is given up.
    pub async fn deliver(&self, signal: Signal, items: u64, message: &Bytes) {
        let mut pause = FIRST_PAUSE;
        for _ in 0..MOST_TRIES {
            let wish = match self.attempt(signal, items, message).await {
                Meaning::Taken { .. } => return,
                Meaning::Never(_) => break,
                Meaning::Again(_, wish) => wish,
            };
            // Also after the last: the next message meets the same collector.
            let own = pause - pause.mul_f64(0.5 * fastrand::f64());
            tokio::time::sleep(wish.unwrap_or(own).min(LONGEST_PAUSE)).await;
            pause *= 2;
        }
        self.counts.dropped(signal, Dropped::Undeliverable, items);
    }

    /// Tries once, for so long at the most; for the end of the process.
    pub async fn deliver_within(&self, signal: Signal, items: u64, message: &Bytes, within: Duration) {
        let tried = timeout(within, self.attempt(signal, items, message)).await;
        if !matches!(tried, Ok(Meaning::Taken { .. })) {
            self.counts.dropped(signal, Dropped::Ending, items);
        }
    }

    async fn attempt(&self, signal: Signal, items: u64, message: &Bytes) -> Meaning {
        let Some(request) = self.request(signal, message) else {
            return Meaning::Never(Failure::Refused);
        };
        let again = |failure| Meaning::Again(failure, None);
        let found = match timeout(self.settings.timeout, self.transport.send(request)).await {
            Err(_) => again(Failure::Timeout),
            Ok(Err(Unsent::Unreachable)) => again(Failure::Unreachable),
            Ok(Err(Unsent::Tls)) => again(Failure::Tls),
            Ok(Err(Unsent::Garbage)) => Meaning::Never(Failure::Garbage),
            Ok(Ok(answer)) => meaning(self.settings.protocol, signal, &answer),
        };
        match found {
            Meaning::Taken { rejected } => {
                let rejected = rejected.min(items);
                self.counts.sent(signal, items - rejected, now());
                self.counts.dropped(signal, Dropped::Rejected, rejected);
                if self.is_ill.swap(false, Ordering::Relaxed) {
                    tracing::info!("the collector takes {} again", signal.as_str());
                }
            }
            Meaning::Again(failure, _) | Meaning::Never(failure) => {
                self.counts.failed(signal, failure);
                // Once, and no word of the collector's own: it may repeat what it was sent.
                if !self.is_ill.swap(true, Ordering::Relaxed) {
                    let (signal, failure) = (signal.as_str(), failure.as_str());
                    tracing::warn!(
                        "the collector does not take {signal} ({failure}); what cannot wait is dropped and counted, and no \
                         request waits for it"
                    );
                }
            }
        }
        found
    }

    /// `None` if the path or the message makes no request, which settings rule out.
    fn request(&self, signal: Signal, message: &Bytes) -> Option<Request<Bytes>> {
        let CollectorSettings { protocol, base_path, headers, gzip, timeout } = &self.settings;
        let compressed = if *gzip { Some(compress(message)?) } else { None };
        let body = compressed.map_or_else(|| message.clone(), Bytes::from);
        let suffix = match (protocol, signal) {
            (Protocol::Http, Signal::Traces) => "/v1/traces",
            (Protocol::Http, Signal::Metrics) => "/v1/metrics",
            (Protocol::Grpc, signal) => grpc::path(signal),
        };
        let mut sent = headers.clone();
        let coding = HeaderValue::from_static("gzip");
        let body = match protocol {
            Protocol::Http => {
                sent.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
                if *gzip {
                    sent.insert(header::CONTENT_ENCODING, coding);
                }
                body
            }
            Protocol::Grpc => {
                sent.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
                sent.insert(header::TE, HeaderValue::from_static("trailers"));
                sent.insert("grpc-timeout", HeaderValue::try_from(format!("{}m", timeout.as_millis())).ok()?);
                if *gzip {
                    sent.insert("grpc-encoding", coding);
                }
                grpc::frame(&body, *gzip)
            }
        };
        let product = concat!("cometgate/", env!("CARGO_PKG_VERSION"));
        sent.insert(header::USER_AGENT, HeaderValue::from_static(product));
        let mut request = Request::new(body);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = Uri::try_from(format!("{base_path}{suffix}")).ok()?;
        *request.headers_mut() = sent;
        Some(request)
    }
}

impl std::fmt::Debug for Collector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Not the headers, which hold keys.
        f.debug_struct("Collector").field("protocol", &self.settings.protocol).finish_non_exhaustive()
    }
}

fn compress(message: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(message.len() / 4), Compression::fast());
    encoder.write_all(message).ok()?;
    encoder.finish().ok()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests;
