//! The head of an outgoing request, built from an allow-list: what is not named here does not leave.

use decisions::plan::CredentialHeader;
use http::header::{ACCEPT_ENCODING, AUTHORIZATION, CONNECTION};
use http::{HeaderMap, HeaderName, HeaderValue};
use upstream::Credential;

use crate::auth::{Identity, X_API_KEY, bearer};
use crate::leak::{Leak, leaks};
use crate::snapshot::Provider;
use crate::trace::{OwnSpan, TRACEPARENT, TRACESTATE, ToldTrace};

/// Sent on to every provider. A `match`, because comparing a name with each of a list costs several times as much.
fn is_allowed(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "accept"
            | "content-type"
            | "user-agent"
            | "range"
            | "if-match"
            | "if-none-match"
            | "if-modified-since"
            | "openai-beta"
            | "anthropic-version"
            | "anthropic-beta"
            | "idempotency-key"
            | "x-request-id"
            | "x-client-request-id"
            | "traceparent"
    )
}

/// Sent on only to a provider that takes the caller's own key: they name the caller's account there.
static ALLOWED_WITH_OWN_KEY: [HeaderName; 2] =
    [HeaderName::from_static("openai-organization"), HeaderName::from_static("openai-project")];

/// The outgoing head. The credential is the last thing attached, and there is no other way to attach one.
pub(crate) fn outgoing(
    incoming: &HeaderMap,
    provider: &Provider,
    identity: &Identity,
    content_encoding: Option<&HeaderValue>,
    own_span: Option<OwnSpan>,
) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(12);
    let takes_own = matches!(provider.credential, Credential::Client);
    copy(incoming, &mut headers, |name| is_allowed(name) || takes_own && ALLOWED_WITH_OWN_KEY.contains(name));
    // What a provider compresses cannot be looked into; and a client that asked for it gets plain bytes, as it may.
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    if let Some(encoding) = content_encoding {
        headers.insert(http::header::CONTENT_ENCODING, encoding.clone());
    }
    if let Some(forwards) = &provider.forwards {
        forwards.add(incoming, identity, &mut headers);
    }
    match (provider.told_trace, own_span) {
        (ToldTrace::Gateways, Some(own)) => own.write_to(&mut headers),
        (ToldTrace::Callers | ToldTrace::Gateways, _) => {}
        (ToldTrace::Nothing, _) => {
            headers.remove(TRACEPARENT);
            headers.remove(TRACESTATE);
        }
    }
    for (name, value) in &provider.headers {
        headers.insert(name.clone(), value.clone());
    }
    let shown = match (&provider.credential, &identity.authorization) {
        (Credential::Ours(value), _) => Some(value.clone()),
        (Credential::Client, None) => None,
        (Credential::Client, Some(own)) => Some(match provider.credential_header {
            CredentialHeader::Authorization => own.clone(),
            CredentialHeader::XApiKey => bare(own),
        }),
    };
    if let Some(shown) = shown {
        if leaks(Leak::Log) {
            tracing::trace!(credential = %String::from_utf8_lossy(shown.as_bytes()), "leaked on purpose");
        }
        let name = match provider.credential_header {
            CredentialHeader::Authorization => AUTHORIZATION,
            CredentialHeader::XApiKey => X_API_KEY,
        };
        headers.insert(name, shown);
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
pub(super) fn copy(from: &HeaderMap, to: &mut HeaderMap, is_allowed: impl Fn(&HeaderName) -> bool) {
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
pub(super) fn is_listed(headers: &HeaderMap, name: &HeaderName) -> bool {
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

    use decisions::TenantId;
    use upstream::{Address, Origin, Scheme};

    use super::*;
    use crate::auth::CallerAddress;
    use crate::request::forwards::Forwards;

    fn provider(credential: Credential, headers: HeaderMap) -> Provider {
        let address = Address {
            scheme: Scheme::Http,
            host: "localhost".to_owned(),
            port: 1,
            base_path: "/v1".to_owned(),
            connect_timeout: Duration::from_secs(1),
            http2: None,
            allow_private: false,
        };
        let origin = Arc::new(Origin::new(address, None, 1).unwrap());
        Provider::new(origin, credential, headers, |endpoint| endpoint.path().to_owned()).unwrap()
    }

    fn identity(authorization: &'static str) -> Identity {
        let authorization = Some(HeaderValue::from_static(authorization));
        Identity { authorization, ..Identity::of(TenantId(0)) }
    }

    #[test]
    fn only_named_headers_leave_and_the_credential_is_the_providers() {
        let mut incoming = HeaderMap::new();
        for name in
            ["authorization", "cookie", "x-api-key", "openai-organization", "x-forwarded-for", "accept"]
        {
            incoming.insert(name, HeaderValue::from_static("marker"));
        }
        let own = identity("Bearer own");
        let ours = provider(Credential::bearer("ours").unwrap(), HeaderMap::new());
        let sent = outgoing(&incoming, &ours, &own, None, None);
        assert_eq!(sent.len(), 3);
        assert_eq!(sent["authorization"], "Bearer ours");
        let sent = outgoing(&incoming, &provider(Credential::Client, HeaderMap::new()), &own, None, None);
        assert_eq!(sent["authorization"], "Bearer own");
        assert_eq!(sent["openai-organization"], "marker");
        assert_eq!(sent.len(), 4);
    }

    fn forwarding(forwards: Forwards) -> Provider {
        let mut provider = provider(Credential::bearer("ours").unwrap(), HeaderMap::new());
        provider.forwards = Some(Box::new(forwards));
        provider
    }

    #[test]
    fn what_the_map_says_goes_on_and_nothing_beside_it() {
        let mut incoming = HeaderMap::new();
        for name in [
            "cookie",
            "openai-organization",
            "openai-project",
            "baggage",
            "x-stainless-os",
            "x-stainless-lang",
        ] {
            incoming.insert(name, HeaderValue::from_static("sent"));
        }
        incoming.insert("connection", HeaderValue::from_static("x-stainless-lang"));
        let names = |forwards: Forwards| {
            let sent = outgoing(&incoming, &forwarding(forwards), &identity("Bearer own"), None, None);
            let mut names: Vec<String> = sent.keys().map(|name| name.to_string()).collect();
            names.retain(|name| !["accept-encoding", "authorization"].contains(&name.as_str()));
            assert_eq!(sent["authorization"], "Bearer ours");
            names.sort();
            names
        };
        assert_eq!(names(Forwards::default()), [""; 0]);
        let named = Forwards {
            names: vec![http::header::COOKIE, HeaderName::from_static("baggage")],
            ..Forwards::default()
        };
        assert_eq!(names(named), ["baggage", "cookie"]);
        // Whoever says that a header is about this connection alone is believed.
        assert_eq!(names(Forwards { stainless: true, ..Forwards::default() }), ["x-stainless-os"]);
        assert_eq!(
            names(Forwards { caller_address: true, ..Forwards::default() }),
            [""; 0],
            "it is not known"
        );
    }

    #[test]
    fn a_trace_goes_on_whole_or_not_at_all() {
        let tracestate = HeaderName::from_static("tracestate");
        let names = vec![tracestate.clone(), HeaderName::from_static("baggage")];
        let provider = forwarding(Forwards { names, ..Forwards::default() });
        let mut incoming = HeaderMap::new();
        incoming.insert(&tracestate, HeaderValue::from_static("a=b"));
        incoming.insert("baggage", HeaderValue::try_from("x".repeat(8193)).unwrap());
        let sent = outgoing(&incoming, &provider, &identity("Bearer own"), None, None);
        assert!(!sent.contains_key(&tracestate) && !sent.contains_key("baggage"));
        incoming.insert("traceparent", HeaderValue::from_static("00-1-2-01"));
        incoming.insert("baggage", HeaderValue::try_from("x".repeat(8192)).unwrap());
        let sent = outgoing(&incoming, &provider, &identity("Bearer own"), None, None);
        assert!(sent.contains_key(&tracestate) && sent.contains_key("baggage"));
    }

    #[test]
    fn the_callers_address_is_what_the_gateway_sees_unless_what_is_sent_is_trusted() {
        let mut incoming = HeaderMap::new();
        incoming.append("x-forwarded-for", HeaderValue::from_static("6.6.6.6"));
        incoming.append("x-forwarded-for", HeaderValue::from_static("10.0.0.1"));
        let provider = forwarding(Forwards { caller_address: true, ..Forwards::default() });
        let sent = |address: Option<&str>, is_trusted| {
            let from = CallerAddress { address: address.map(|text| text.parse().unwrap()), is_trusted };
            let sent =
                outgoing(&incoming, &provider, &Identity { from, ..identity("Bearer own") }, None, None);
            sent.get_all("x-forwarded-for")
                .iter()
                .map(|value| value.to_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(sent(Some("192.0.2.1"), false), ["192.0.2.1"]);
        assert_eq!(sent(Some("2001:db8::1"), true), ["6.6.6.6, 10.0.0.1, 2001:db8::1"]);
        assert_eq!(sent(None, false), [""; 0]);
    }

    #[test]
    fn what_the_map_adds_stands_in_place_of_what_the_caller_sent() {
        let mut incoming = HeaderMap::new();
        incoming.insert("openai-organization", HeaderValue::from_static("callers"));
        incoming.insert("openai-beta", HeaderValue::from_static("callers"));
        let mut added = HeaderMap::new();
        added.insert("openai-organization", HeaderValue::from_static("maps"));
        added.insert("openai-beta", HeaderValue::from_static("maps"));
        let own = identity("Bearer own");
        let sent = outgoing(&incoming, &provider(Credential::Client, added), &own, None, None);
        for name in ["openai-organization", "openai-beta"] {
            assert_eq!(sent.get_all(name).iter().collect::<Vec<_>>(), ["maps"], "{name}");
        }
        assert_eq!(sent["authorization"], "Bearer own");
    }
}
