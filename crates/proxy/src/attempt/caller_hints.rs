//! What a caller says about its own patience and its own retries. It is believed only where that lowers what it gets.

use std::time::Duration;

use decisions::plan::{Criticality, Delivery};
use http::HeaderMap;

/// Ask for whole delivery, or for none: `x-cometgate-delivery: whole` or `stream`.
const DELIVERY: &str = "x-cometgate-delivery";
/// Ask to be turned away earlier: `x-cometgate-priority: sheddable`.
const PRIORITY: &str = "x-cometgate-priority";

/// What a request's head says of its caller.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Hints {
    /// How often the caller has tried this before, by what OpenAI's clients, Envoy, gRPC and AWS's clients say.
    pub(crate) retries: u32,
    /// How long the caller waits for an answer; `None` where it does not say.
    pub(crate) patience: Option<Duration>,
    delivery: Option<Delivery>,
    criticality: Option<Criticality>,
}

impl Hints {
    /// One pass over the head, which is shorter than a look for each of the names.
    pub(crate) fn of(headers: &HeaderMap) -> Hints {
        let mut hints = Hints::default();
        for (name, value) in headers {
            if name.as_str().len() < SHORTEST {
                continue;
            }
            if let (Some(read), Ok(text)) = (read_of(name.as_str()), value.to_str()) {
                read(&mut hints, text.trim());
            }
        }
        hints
    }

    /// How a streamed answer is to be handed on: as the route says, unless the caller asks otherwise.
    pub(crate) fn delivery(&self, of_route: Delivery) -> Delivery {
        self.delivery.unwrap_or(of_route)
    }

    /// Who is turned away last: the tenant's criticality, or a lower one that the caller asks for.
    pub(crate) fn criticality(&self, of_tenant: Criticality) -> Criticality {
        self.criticality.map_or(of_tenant, |asked| asked.min(of_tenant))
    }

    /// The highest count of retries counts.
    fn retried(&mut self, times: Option<u32>) {
        self.retries = self.retries.max(times.unwrap_or(0));
    }

    /// The shortest patience that makes sense counts.
    fn waits(&mut self, seconds: &str) {
        let seconds = seconds.parse().ok().filter(|seconds: &f64| *seconds > 0.0);
        let asked = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        self.patience = [self.patience, asked].into_iter().flatten().min();
    }
}

/// The length of the shortest of their names: most headers of a request have a shorter one.
const SHORTEST: usize = "amz-sdk-request".len();

/// What each header adds.
type Read = fn(&mut Hints, &str);

/// A `match`, because comparing a name with each of a list costs several times as much.
fn read_of(name: &str) -> Option<Read> {
    Some(match name {
        "x-stainless-retry-count" | "grpc-previous-rpc-attempts" => {
            |hints, text| hints.retried(text.parse().ok())
        }
        "x-envoy-attempt-count" => |hints, text| hints.retried(before(text)),
        "amz-sdk-request" => |hints, text| {
            hints.retried(text.split(';').find_map(|part| before(part.trim().strip_prefix("attempt=")?)));
        },
        "x-stainless-timeout" | "x-stainless-read-timeout" => Hints::waits,
        DELIVERY => |hints, text| {
            hints.delivery = match text {
                "whole" => Some(Delivery::Whole),
                "stream" => Some(Delivery::Stream),
                _ => None,
            };
        },
        PRIORITY => |hints, text| {
            hints.criticality = Criticality::ALL.into_iter().find(|known| known.as_str() == text);
        },
        _ => return None,
    })
}

/// How many attempts came before this one, which is counted from one.
fn before(attempt: &str) -> Option<u32> {
    attempt.parse::<u32>().ok().map(|attempt| attempt.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn hints(pairs: &[(&'static str, &'static str)]) -> Hints {
        let pair = |&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
        Hints::of(&pairs.iter().map(pair).collect())
    }

    #[test]
    fn the_highest_count_of_retries_counts() {
        assert_eq!(hints(&[]).retries, 0);
        assert_eq!(hints(&[("x-stainless-retry-count", "2"), ("x-envoy-attempt-count", "1")]).retries, 2);
        assert_eq!(hints(&[("x-envoy-attempt-count", "0")]).retries, 0);
        assert_eq!(hints(&[("amz-sdk-request", "attempt=3; max=5")]).retries, 2);
        assert_eq!(hints(&[("x-stainless-retry-count", "-1")]).retries, 0);
    }

    #[test]
    fn patience_is_the_shortest_that_makes_sense() {
        let of = |pairs: &[_]| hints(pairs).patience;
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
        let of = |asked| hints(&[("x-cometgate-priority", asked)]).criticality(Criticality::Critical);
        assert_eq!(of("sheddable"), Criticality::Sheddable);
        assert_eq!(of("critical_plus"), Criticality::Critical);
        assert_eq!(of("vip"), Criticality::Critical);
    }
}
