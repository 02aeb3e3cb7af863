//! What an answer of the collector means: taken, to be tried again, or never to be taken.
//! <https://opentelemetry.io/docs/specs/otlp/>

use std::time::Duration;

use http::{StatusCode, header};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message as _;

use crate::otlp::counts::Failure;
use crate::otlp::{Answer, Protocol, Signal, grpc};

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// It is there, but for so many items that the collector does not want.
    Taken { rejected: u64 },
    /// Another try may succeed; not before so long, if the collector says so.
    Again(Failure, Option<Duration>),
    /// No other try will.
    Never(Failure),
}

pub(super) fn meaning(protocol: Protocol, signal: Signal, answer: &Answer) -> Meaning {
    match protocol {
        Protocol::Http => of_http(signal, answer),
        Protocol::Grpc => of_grpc(signal, answer),
    }
}

fn of_http(signal: Signal, answer: &Answer) -> Meaning {
    if answer.status.is_success() {
        let kind = answer.headers.get(header::CONTENT_TYPE).map_or(&b""[..], |kind| kind.as_bytes());
        // Some answer in JSON whatever they were asked in; what they say there is only how much they took.
        if kind.starts_with(b"application/json") {
            return Meaning::Taken { rejected: 0 };
        }
        return taken(signal, &answer.body);
    }
    let seconds = |value: &http::HeaderValue| value.to_str().ok()?.parse().ok().map(Duration::from_secs);
    let after = answer.headers.get(header::RETRY_AFTER).and_then(seconds);
    of_status(answer.status, after)
}

fn of_status(status: StatusCode, after: Option<Duration>) -> Meaning {
    match status {
        StatusCode::TOO_MANY_REQUESTS => Meaning::Again(Failure::Throttled, after),
        StatusCode::SERVICE_UNAVAILABLE if after.is_some() => Meaning::Again(Failure::Throttled, after),
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
            Meaning::Again(Failure::Server, after)
        }
        _ if status.is_server_error() => Meaning::Never(Failure::Server),
        _ => Meaning::Never(Failure::Refused),
    }
}

/// The codes that may be tried again are those of the specification's table.
fn of_grpc(signal: Signal, answer: &Answer) -> Meaning {
    const RESOURCE_EXHAUSTED: u32 = 8;
    if answer.status != StatusCode::OK {
        return of_status(answer.status, None);
    }
    let after = grpc::retry_delay(answer);
    match grpc::code(answer) {
        Some(0) => match grpc::message(&answer.body) {
            Some(message) => taken(signal, message),
            None => Meaning::Never(Failure::Garbage),
        },
        Some(RESOURCE_EXHAUSTED) if after.is_none() => Meaning::Never(Failure::Throttled),
        Some(RESOURCE_EXHAUSTED) => Meaning::Again(Failure::Throttled, after),
        // CANCELLED, DEADLINE_EXCEEDED, ABORTED, OUT_OF_RANGE, UNAVAILABLE, DATA_LOSS
        Some(1 | 4 | 10 | 11 | 14 | 15) => Meaning::Again(Failure::Server, after),
        Some(_) => Meaning::Never(Failure::Refused),
        None => Meaning::Never(Failure::Garbage),
    }
}

/// How much of it was not. The text beside that is the collector's, and goes nowhere.
fn taken(signal: Signal, message: &[u8]) -> Meaning {
    let rejected = match signal {
        Signal::Traces => ExportTraceServiceResponse::decode(message)
            .map(|answer| answer.partial_success.map_or(0, |partial| partial.rejected_spans)),
        Signal::Metrics => ExportMetricsServiceResponse::decode(message)
            .map(|answer| answer.partial_success.map_or(0, |partial| partial.rejected_data_points)),
    };
    match rejected {
        Ok(rejected) => Meaning::Taken { rejected: u64::try_from(rejected).unwrap_or(0) },
        Err(_) => Meaning::Never(Failure::Garbage),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::HeaderValue;
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTracePartialSuccess;

    use super::*;

    fn partial(rejected_spans: i64) -> Vec<u8> {
        let partial = ExportTracePartialSuccess { rejected_spans, error_message: "a text".to_owned() };
        ExportTraceServiceResponse { partial_success: Some(partial) }.encode_to_vec()
    }

    #[test]
    fn over_http_the_status_decides() {
        let of = |status: u16, after: Option<&'static str>, body: &[u8]| {
            let mut answer = Answer {
                status: StatusCode::from_u16(status).unwrap(),
                body: Bytes::copy_from_slice(body),
                ..Answer::default()
            };
            if let Some(after) = after {
                answer.headers.insert(header::RETRY_AFTER, HeaderValue::from_static(after));
            }
            meaning(Protocol::Http, Signal::Traces, &answer)
        };
        assert_eq!(of(200, None, b""), Meaning::Taken { rejected: 0 });
        assert_eq!(of(200, None, &partial(3)), Meaning::Taken { rejected: 3 });
        assert_eq!(of(200, None, &partial(-3)), Meaning::Taken { rejected: 0 });
        assert_eq!(of(200, None, b"<html>please log in"), Meaning::Never(Failure::Garbage));
        let two = Some(Duration::from_secs(2));
        assert_eq!(of(429, Some("2"), b""), Meaning::Again(Failure::Throttled, two));
        assert_eq!(of(503, Some("2"), b""), Meaning::Again(Failure::Throttled, two));
        assert_eq!(of(503, Some("soon"), b""), Meaning::Again(Failure::Server, None));
        for status in [502, 503, 504] {
            assert_eq!(of(status, None, b""), Meaning::Again(Failure::Server, None), "{status}");
        }
        for status in [400, 401, 403, 404, 413, 302] {
            assert_eq!(of(status, None, b""), Meaning::Never(Failure::Refused), "{status}");
        }
        assert_eq!(of(500, None, b""), Meaning::Never(Failure::Server));
    }

    #[test]
    fn over_grpc_the_code_decides_wherever_it_stands() {
        let of = |code: &'static str, is_trailer: bool, body: Bytes| {
            let mut answer = Answer { body, ..Answer::default() };
            let headers = if is_trailer { &mut answer.trailers } else { &mut answer.headers };
            headers.insert("grpc-status", HeaderValue::from_static(code));
            meaning(Protocol::Grpc, Signal::Traces, &answer)
        };
        let empty = || grpc::frame(b"", false);
        assert_eq!(of("0", true, empty()), Meaning::Taken { rejected: 0 });
        assert_eq!(of("0", true, grpc::frame(&partial(2), false)), Meaning::Taken { rejected: 2 });
        assert_eq!(of("0", true, Bytes::from_static(b"x")), Meaning::Never(Failure::Garbage));
        for code in ["1", "4", "10", "11", "14", "15"] {
            assert_eq!(of(code, false, Bytes::new()), Meaning::Again(Failure::Server, None), "{code}");
        }
        for code in ["2", "3", "5", "6", "7", "9", "12", "13", "16", "99"] {
            assert_eq!(of(code, false, Bytes::new()), Meaning::Never(Failure::Refused), "{code}");
        }
        assert_eq!(of("8", false, Bytes::new()), Meaning::Never(Failure::Throttled));
        assert_eq!(of("what", false, Bytes::new()), Meaning::Never(Failure::Garbage));
    }
}
