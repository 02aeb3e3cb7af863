//! Answers that could end in two places, and interim answers without end, are refused: a pooled connection must not
//! carry what two readers would split differently.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use http::{HeaderMap, Request, header};
use tokio::task::AbortHandle;

/// So many interim answers (1xx) are let pass before the answer; no provider needs more than two.
const MOST_INTERIM: u32 = 100;

/// What is said of more.
pub(crate) const TOO_MANY_INTERIM: &str = "it sends interim answers without end";

/// Why an answer cannot be taken.
pub(crate) fn ambiguity(headers: &HeaderMap) -> Option<&'static str> {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    match (codings.next(), lengths.next()) {
        (None, None) => None,
        (Some(_), Some(_)) => Some("it announces a length and chunks at once"),
        (Some(coding), None) => {
            let is_chunked = coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked");
            (!is_chunked || codings.next().is_some()).then_some("its transfer coding is not chunked")
        }
        (None, Some(length)) => {
            let is_number = length.as_bytes().trim_ascii().iter().all(u8::is_ascii_digit);
            (!is_number || lengths.next().is_some()).then_some("it announces more than one length")
        }
    }
}

/// Counts the interim answers to the request that a connection has under way, and ends the connection when there are too
/// many. One for a connection, because one for each request would show in what a request costs.
#[derive(Debug)]
pub(crate) struct Interim {
    seen: AtomicU32,
    connection: AbortHandle,
}

impl Interim {
    pub(crate) fn new(connection: AbortHandle) -> Interim {
        Interim { seen: AtomicU32::new(0), connection }
    }

    /// Watches the answers to this request from now on.
    pub(crate) fn watch<B>(interim: &Arc<Interim>, request: &mut Request<B>) {
        interim.seen.store(0, Ordering::Relaxed);
        let counting = Arc::clone(interim);
        hyper::ext::on_informational(request, move |_| {
            if counting.seen.fetch_add(1, Ordering::Relaxed) == MOST_INTERIM {
                counting.end_connection();
            }
        });
    }

    /// There were too many.
    pub(crate) fn is_flooded(&self) -> bool {
        self.seen.load(Ordering::Relaxed) > MOST_INTERIM
    }

    pub(crate) fn end_connection(&self) {
        self.connection.abort();
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn an_answer_has_one_end() {
        let is_refused = |lines: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in lines {
                headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
            ambiguity(&headers).is_some()
        };
        let (length, coding) = ("content-length", "transfer-encoding");
        for good in [&[][..], &[(length, "5")], &[(coding, "chunked")], &[(coding, " Chunked ")]] {
            assert!(!is_refused(good), "{good:?}");
        }
        for bad in [
            &[(length, "5"), (coding, "chunked")][..],
            &[(length, "5"), (length, "5")],
            &[(length, "5, 5")],
            &[(coding, "gzip, chunked")],
            &[(coding, "xchunked")],
            &[(coding, "chunked"), (coding, "chunked")],
        ] {
            assert!(is_refused(bad), "{bad:?}");
        }
    }
}
