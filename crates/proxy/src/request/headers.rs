//! The head of an outgoing request, built from an allow-list: what is not named here does not leave.

use http::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, RANGE,
    USER_AGENT,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use upstream::Credential;

/// Sent on to every provider.
static ALLOWED: [HeaderName; 12] = [
    ACCEPT,
    CONTENT_TYPE,
    USER_AGENT,
    RANGE,
    IF_MATCH,
    IF_NONE_MATCH,
    IF_MODIFIED_SINCE,
    HeaderName::from_static("openai-beta"),
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
    credential: &Credential,
    callers_own: &HeaderValue,
    content_encoding: Option<&HeaderValue>,
) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(12);
    copy(&ALLOWED, incoming, &mut headers);
    // What a provider compresses cannot be looked into; and a client that asked for it gets plain bytes, as it may.
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    if let Some(encoding) = content_encoding {
        headers.insert(http::header::CONTENT_ENCODING, encoding.clone());
    }
    match credential {
        Credential::Client => {
            copy(&ALLOWED_WITH_OWN_KEY, incoming, &mut headers);
            headers.insert(AUTHORIZATION, callers_own.clone());
        }
        Credential::Ours(value) => {
            headers.insert(AUTHORIZATION, value.clone());
        }
    }
    headers
}

fn copy(names: &[HeaderName], from: &HeaderMap, to: &mut HeaderMap) {
    for name in names {
        for value in from.get_all(name) {
            to.append(name.clone(), value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_named_headers_leave_and_the_credential_is_the_providers() {
        let mut incoming = HeaderMap::new();
        for name in
            ["authorization", "cookie", "x-api-key", "openai-organization", "x-forwarded-for", "accept"]
        {
            incoming.insert(name, HeaderValue::from_static("marker"));
        }
        let own = HeaderValue::from_static("Bearer own");
        let ours = Credential::bearer("ours").unwrap();
        let sent = outgoing(&incoming, &ours, &own, None);
        assert_eq!(sent.len(), 3);
        assert_eq!(sent["authorization"], "Bearer ours");
        let sent = outgoing(&incoming, &Credential::Client, &own, None);
        assert_eq!(sent["authorization"], "Bearer own");
        assert_eq!(sent["openai-organization"], "marker");
        assert_eq!(sent.len(), 4);
    }
}
