//! What a running gateway has counted of retries, where it has a listener that says so. Nobody there is no error: a probe needs
//! no gateway.

use std::sync::Arc;
use std::time::Duration;

use config::Settings;
use http::{HeaderMap, Method};
use readiness::{Auth, Message, Provider};
use upstream::{Address, Credential, Origin, Scheme};

/// How long its page may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// The most of it that is read.
const MOST_BYTES: usize = 32 << 20;

/// Its page of metrics, if a gateway with these settings runs and answers.
pub(super) async fn page(settings: &Settings) -> Option<String> {
    let admin = settings.admin?;
    let address = Address {
        scheme: Scheme::Http,
        host: admin.ip().to_string(),
        port: admin.port(),
        base_path: String::new(),
        connect_timeout: PATIENCE,
        http2: None,
        allow_private: true,
    };
    let gateway = Provider {
        name: "gateway".to_owned(),
        origin: Arc::new(Origin::new(address, None, 1).ok()?),
        credential: Credential::Client,
        credential_header: decisions::plan::CredentialHeader::Authorization,
        headers: HeaderMap::new(),
    };
    let message =
        Message { method: Method::GET, path: "/metrics", auth: Auth::Omitted, body: None, timeout: PATIENCE };
    let answer = gateway.ask(message).await.ok().filter(|answer| answer.status().is_success())?;
    String::from_utf8(answer.whole(MOST_BYTES).await.ok()?).ok()
}

/// In a sentence: attempts of a route and how many of them were retries, and after what.
pub(super) fn retries(page: &str, route: &str) -> String {
    let of_route = format!("llm_route=\"{route}\"");
    let samples: Vec<(&str, u64)> = page
        .lines()
        .filter(|line| line.starts_with("cometgate_attempts_total{") && line.contains(&of_route))
        .filter_map(|line| {
            let (labels, value) = line.rsplit_once(' ')?;
            Some((labels, value.parse().ok()?))
        })
        .collect();
    let sum = |label: &str| {
        samples.iter().filter(|(labels, _)| labels.contains(label)).map(|(_, value)| value).sum::<u64>()
    };
    let (all, retried) = (samples.iter().map(|(_, value)| value).sum::<u64>(), sum("attempt_kind=\"retry\""));
    format!("the running gateway counts {retried} retries in {all} attempts")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_are_counted_for_the_route() {
        let page = "# TYPE cometgate_attempts_total counter\n\
            cometgate_attempts_total{llm_route=\"a\",attempt_kind=\"first\",outcome=\"ok\"} 40\n\
            cometgate_attempts_total{llm_route=\"a\",attempt_kind=\"retry\",outcome=\"ok\"} 2\n\
            cometgate_attempts_total{llm_route=\"b\",attempt_kind=\"retry\",outcome=\"ok\"} 9\n";
        assert_eq!(retries(page, "a"), "the running gateway counts 2 retries in 42 attempts");
        assert_eq!(retries("", "a"), "the running gateway counts 0 retries in 0 attempts");
    }
}
