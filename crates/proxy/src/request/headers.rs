//! The head of an outgoing request, built from an allow-list: what is not named here does not leave.

use http::header::{
    ACCEPT, ACCEPT_ENCODING, CONNECTION, CONTENT_TYPE, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, RANGE,
    USER_AGENT,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use upstream::{Credential, CredentialHeader};

use crate::auth::bearer;
use crate::snapshot::Provider;

/// Sent on to every provider.
static ALLOWED: [HeaderName; 14] = [
    ACCEPT,
    CONTENT_TYPE,
    USER_AGENT,
    RANGE,
    IF_MATCH,
    IF_NONE_MATCH,
    IF_MODIFIED_SINCE,
    HeaderName::from_static("openai-beta"),
    HeaderName::from_static("anthropic-version"),
    HeaderName::from_static("anthropic-beta"),
    HeaderName::from_static("idempotency-key"),
    HeaderName::from_static("x-request-id"),
    HeaderName::from_static("x-client-request-id"),
    HeaderName::from_static("traceparent"),
];

/// Sent on only to a provider that takes the caller's own key: they name the caller's account there.
static ALLOWED_WITH_OWN_KEY: [HeaderName; 2] =
    [HeaderName::from_static("openai-organization"), HeaderName::from_static("openai-project")];

/// The outgoing head. The credential is the last thing attached, and there is no other way to attach one.
pub(crate) fn outgoing(
    incoming: &HeaderMap,
    provider: &Provider,
    callers_own: Option<&HeaderValue>,
    content_encoding: Option<&HeaderValue>,
) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(12);
    let takes_own = matches!(provider.credential, Credential::Client);
    copy(incoming, &mut headers, |name| {
        ALLOWED.contains(name) || takes_own && ALLOWED_WITH_OWN_KEY.contains(name)
    });
    // What a provider compresses cannot be looked into; and a client that asked for it gets plain bytes, as it may.
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    if let Some(encoding) = content_encoding {
        headers.insert(http::header::CONTENT_ENCODING, encoding.clone());
    }
    for (name, value) in &provider.headers {
        headers.insert(name.clone(), value.clone());
    }
    let shown = match (&provider.credential, callers_own) {
        (Credential::Ours(value), _) => Some(value.clone()),
        (Credential::Client, None) => None,
        (Credential::Client, Some(own)) => Some(match provider.credential_header {
            CredentialHeader::Authorization => own.clone(),
            CredentialHeader::XApiKey => bare(own),
        }),
    };
    if let Some(shown) = shown {
        headers.insert(provider.credential_header.name(), shown);
    }
    headers
}

/// The key of a bearer credential alone.
fn bare(authorization: &HeaderValue) -> HeaderValue {
    let key = bearer(authorization).and_then(|key| HeaderValue::from_bytes(key).ok());
    let mut value = key.unwrap_or_else(|| HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}

/// One pass over what was sent, which is shorter than a look for each name that may be.
fn copy(from: &HeaderMap, to: &mut HeaderMap, is_allowed: impl Fn(&HeaderName) -> bool) {
    let names_headers = |value: &HeaderValue| {
        !value.as_bytes().eq_ignore_ascii_case(b"keep-alive")
            && !value.as_bytes().eq_ignore_ascii_case(b"close")
    };
    let lists_any = from.get_all(CONNECTION).iter().any(names_headers);
    for (name, value) in from.iter().filter(|(name, _)| is_allowed(name)) {
        if !lists_any || !is_listed(from, name) {
            to.append(name.clone(), value.clone());
        }
    }
}

/// Whether `Connection` says that a header is about this connection only (RFC 9110 section 7.6.1).
fn is_listed(headers: &HeaderMap, name: &HeaderName) -> bool {
    let mut listed = headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii);
    listed.any(|listed| listed.eq_ignore_ascii_case(name.as_str().as_bytes()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use upstream::{Address, Origin, Scheme};

    use super::*;

    fn provider(credential: Credential, headers: HeaderMap) -> Provider {
        let address = Address {
            scheme: Scheme::Http,
            host: "localhost".to_owned(),
            port: 1,
            base_path: "/v1".to_owned(),
            connect_timeout: Duration::from_secs(1),
            http2: None,
        };
        let origin = Arc::new(Origin::new(address, None, 1).unwrap());
        Provider::new(origin, credential, headers, |endpoint| endpoint.path().to_owned()).unwrap()
    }

    #[test]
    fn only_named_headers_leave_and_the_credential_is_the_providers() {
        let mut incoming = HeaderMap::new();
        for name in
            ["authorization", "cookie", "x-api-key", "openai-organization", "x-forwarded-for", "accept"]
        {
            incoming.insert(name, HeaderValue::from_static("marker"));
        }
        let own = HeaderValue::from_static("Bearer own");
        let ours = provider(Credential::bearer("ours").unwrap(), HeaderMap::new());
        let sent = outgoing(&incoming, &ours, Some(&own), None);
        assert_eq!(sent.len(), 3);
        assert_eq!(sent["authorization"], "Bearer ours");
        let sent = outgoing(&incoming, &provider(Credential::Client, HeaderMap::new()), Some(&own), None);
        assert_eq!(sent["authorization"], "Bearer own");
        assert_eq!(sent["openai-organization"], "marker");
        assert_eq!(sent.len(), 4);
    }

    #[test]
    fn what_the_map_adds_stands_in_place_of_what_the_caller_sent() {
        let mut incoming = HeaderMap::new();
        incoming.insert("openai-organization", HeaderValue::from_static("callers"));
        incoming.insert("openai-beta", HeaderValue::from_static("callers"));
        let mut added = HeaderMap::new();
        added.insert("openai-organization", HeaderValue::from_static("maps"));
        added.insert("openai-beta", HeaderValue::from_static("maps"));
        let own = HeaderValue::from_static("Bearer own");
        let sent = outgoing(&incoming, &provider(Credential::Client, added), Some(&own), None);
        for name in ["openai-organization", "openai-beta"] {
            assert_eq!(sent.get_all(name).iter().collect::<Vec<_>>(), ["maps"], "{name}");
        }
        assert_eq!(sent["authorization"], "Bearer own");
    }
}
