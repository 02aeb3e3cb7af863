//! What a caller says about its own patience and its own retries. It is believed only where that lowers what it gets.

use std::time::Duration;

use decisions::plan::{Criticality, Delivery};
use http::HeaderMap;

/// Ask for whole delivery, or for none: `x-cometgate-delivery: whole` or `stream`.
const DELIVERY: &str = "x-cometgate-delivery";
/// Ask to be turned away earlier: `x-cometgate-priority: sheddable`.
const PRIORITY: &str = "x-cometgate-priority";

/// How often the caller has tried this before, by what OpenAI's clients, Envoy, gRPC and AWS's clients say.
pub(crate) fn retries(headers: &HeaderMap) -> u32 {
    let number = |name: &str| text(headers, name).and_then(|text| text.trim().parse::<u32>().ok());
    let amz = text(headers, "amz-sdk-request").and_then(|text| {
        let attempt = text.split(';').find_map(|part| part.trim().strip_prefix("attempt="))?;
        attempt.parse::<u32>().ok()
    });
    [
        number("x-stainless-retry-count"),
        number("x-envoy-attempt-count").map(|attempt| attempt.saturating_sub(1)),
        number("grpc-previous-rpc-attempts"),
        amz.map(|attempt| attempt.saturating_sub(1)),
    ]
    .into_iter()
    .flatten()
    .max()
    .unwrap_or(0)
}

/// How long the caller waits for an answer, in whole or in part seconds; `None` where it does not say.
pub(crate) fn patience(headers: &HeaderMap) -> Option<Duration> {
    let seconds = |name: &str| text(headers, name).and_then(|text| text.trim().parse::<f64>().ok());
    [seconds("x-stainless-timeout"), seconds("x-stainless-read-timeout")]
        .into_iter()
        .flatten()
        .filter(|seconds| *seconds > 0.0)
        .filter_map(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .min()
}

/// How a streamed answer is to be handed on: as the route says, unless the caller asks otherwise.
pub(crate) fn delivery(headers: &HeaderMap, of_route: Delivery) -> Delivery {
    match text(headers, DELIVERY) {
        Some("whole") => Delivery::Whole,
        Some("stream") => Delivery::Stream,
        _ => of_route,
    }
}

/// Who is turned away last: the tenant's criticality, or a lower one that the caller asks for.
pub(crate) fn criticality(headers: &HeaderMap, of_tenant: Criticality) -> Criticality {
    let asked = text(headers, PRIORITY)
        .and_then(|text| Criticality::ALL.into_iter().find(|criticality| criticality.as_str() == text));
    asked.map_or(of_tenant, |asked| asked.min(of_tenant))
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn the_highest_count_of_retries_counts() {
        assert_eq!(retries(&headers(&[])), 0);
        assert_eq!(retries(&headers(&[("x-stainless-retry-count", "2"), ("x-envoy-attempt-count", "1")])), 2);
        assert_eq!(retries(&headers(&[("x-envoy-attempt-count", "0")])), 0);
        assert_eq!(retries(&headers(&[("amz-sdk-request", "attempt=3; max=5")])), 2);
        assert_eq!(retries(&headers(&[("x-stainless-retry-count", "-1")])), 0);
    }

    #[test]
    fn patience_is_the_shortest_that_makes_sense() {
        let of = |pairs: &[_]| patience(&headers(pairs));
        assert_eq!(of(&[("x-stainless-timeout", "600")]), Some(Duration::from_secs(600)));
        assert_eq!(
            of(&[("x-stainless-timeout", "600"), ("x-stainless-read-timeout", "0.5")]),
            Some(Duration::from_millis(500))
        );
        for nonsense in ["", "-1", "0", "nan", "inf", "1e300", "soon"] {
            let pairs = [("x-stainless-timeout", nonsense)];
            assert_eq!(of(&pairs), None, "{nonsense}");
        }
    }

    #[test]
    fn a_caller_may_only_lower_its_priority() {
        let of = |asked| criticality(&headers(&[("x-cometgate-priority", asked)]), Criticality::Critical);
        assert_eq!(of("sheddable"), Criticality::Sheddable);
        assert_eq!(of("critical_plus"), Criticality::Critical);
        assert_eq!(of("vip"), Criticality::Critical);
    }
}
