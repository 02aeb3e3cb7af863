//! The head of a provider's answer on its way to the caller: hop-by-hop headers and what names an account are taken
//! out, who served is put in.

use std::time::Duration;

use http::header::{CONNECTION, HeaderMap, HeaderName, HeaderValue, LOCATION};

use decisions::plan::CredentialKind;

use crate::response::limit_headers::{is_limit, tell_left};
use crate::response::ticket::Ticket;

/// Never passed on: about one connection (RFC 9110 section 7.6.1), or about an account that is not the caller's. A `match`,
/// because comparing a name with each of a list costs several times as much.
fn is_removed(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "proxy-authenticate"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "set-cookie"
            | "alt-svc"
            | "strict-transport-security"
            | "authorization"
            | "openai-organization"
            | "openai-project"
            // What a page in a browser may see is for the gateway's operator to say.
            | "access-control-allow-credentials"
            | "access-control-allow-origin"
            | "access-control-expose-headers"
            // Only the gateway says these.
            | "x-cometgate-request-id"
            | "x-cometgate-route-version"
            | "x-cometgate-route"
            | "x-cometgate-provider"
            | "x-cometgate-role"
            | "x-cometgate-attempts"
    )
}

/// Which version of the map served.
const ROUTE_VERSION: HeaderName = HeaderName::from_static("x-cometgate-route-version");
/// Which route matched.
const ROUTE: HeaderName = HeaderName::from_static("x-cometgate-route");
/// Which provider was asked.
const PROVIDER: HeaderName = HeaderName::from_static("x-cometgate-provider");
/// In which role.
const ROLE: HeaderName = HeaderName::from_static("x-cometgate-role");

/// How long it took, and whom.
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// How many attempts it took.
const ATTEMPTS: HeaderName = HeaderName::from_static("x-cometgate-attempts");

/// Takes out what is not the caller's business of what the ticket's target has answered.
pub(crate) fn clean(headers: &mut HeaderMap, ticket: &Ticket) {
    let credential = ticket.target.map(|(id, _)| ticket.snapshot.plan().provider(id).credential);
    let are_limits_the_callers = credential == Some(CredentialKind::Client);
    remove_private(headers, ticket.is_routed, are_limits_the_callers);
    ticket.snapshot.secrets().take_out_of(headers);
}

fn remove_private(headers: &mut HeaderMap, is_routed: bool, are_limits_the_callers: bool) {
    if let Some(listed) = headers.get(CONNECTION).cloned() {
        for name in listed.as_bytes().split(|byte| *byte == b',') {
            if let Ok(name) = HeaderName::from_bytes(name.trim_ascii()) {
                headers.remove(name);
            }
        }
    }
    let is_private = |name: &&HeaderName| {
        is_removed(name.as_str())
            // An inference call is never redirected; following one would hand the prompt to somebody else.
            || is_routed && **name == LOCATION
            || !are_limits_the_callers && is_limit(name)
    };
    // One pass over what is there, which is shorter than a look for each name that may be; most answers have none.
    let found: Vec<HeaderName> = headers.keys().filter(is_private).cloned().collect();
    for name in found {
        headers.remove(name);
    }
}

/// Says who served, and what is left to the caller.
pub(crate) fn stamp(headers: &mut HeaderMap, ticket: &Ticket) {
    let snapshot = &ticket.snapshot;
    headers.insert(ROUTE_VERSION, snapshot.version_header());
    if let Some(value) = ticket.route.and_then(|route| snapshot.route_header(route)) {
        headers.insert(ROUTE, value);
    }
    if let Some((provider, role)) = ticket.target {
        if let Some(value) = snapshot.provider_header(provider) {
            headers.insert(PROVIDER, value);
        }
        headers.insert(ROLE, HeaderValue::from_static(role.as_str()));
    }
    if ticket.attempts > 0 {
        headers.insert(ATTEMPTS, count(ticket.attempts));
    }
    if let Some(left) = ticket.left() {
        tell_left(headers, left);
    }
    if let Some((gateway, providers)) = ticket.timing() {
        // Beside what the provider says itself.
        headers.append(SERVER_TIMING, timing(gateway, providers));
    }
}

/// W3C Server Timing: durations in milliseconds.
fn timing(gateway: Duration, providers: Duration) -> HeaderValue {
    let millis = |time: Duration| time.as_secs_f64() * 1e3;
    let text = format!("gateway;dur={:.3}, provider;dur={:.3}", millis(gateway), millis(providers));
    // Digits, letters and marks that every header may have.
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("gateway"))
}

/// There are three attempts at the most, so their count is not written anew for each answer.
fn count(attempts: u8) -> HeaderValue {
    match attempts {
        1 => HeaderValue::from_static("1"),
        2 => HeaderValue::from_static("2"),
        3 => HeaderValue::from_static("3"),
        more => HeaderValue::from(u16::from(more)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hop_by_hop_headers_and_those_that_connection_lists_are_taken_out() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, x-hop"),
            ("x-hop", "1"),
            ("keep-alive", "timeout=5"),
            ("set-cookie", "a=b"),
            ("location", "https://elsewhere.example"),
            ("x-ratelimit-limit-project-tokens", "1"),
            ("x-request-id", "req_1"),
        ] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let names = |headers: &HeaderMap| {
            let names: std::collections::BTreeSet<_> = headers.keys().map(HeaderName::to_string).collect();
            names.into_iter().collect::<Vec<_>>()
        };
        let mut other = headers.clone();
        remove_private(&mut headers, true, false);
        assert_eq!(names(&headers), ["x-request-id"]);
        remove_private(&mut other, false, true);
        assert_eq!(names(&other), ["location", "x-ratelimit-limit-project-tokens", "x-request-id"]);
    }
}
