//! What a path asks for. The path that is matched is the path that is sent on, so spellings that a provider might
//! read differently are refused, not repaired.

use std::borrow::Cow;

use decisions::Endpoint;
use http::{Method, Uri};

use crate::error::Error;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked<'u> {
    /// A request that is routed by its model.
    Routed(Endpoint),
    /// The list of models.
    Models,
    /// One model, by name.
    Model(&'u str),
    /// Anything else below `/v1`; the path without it.
    Other,
}

/// Reads method and path. The second value is the path below `/v1`, with its query.
pub(crate) fn read<'u>(method: &Method, uri: &'u Uri) -> Result<(Asked<'u>, &'u str), Error> {
    if matches!(*method, Method::CONNECT | Method::TRACE | Method::OPTIONS) {
        return Err(Error::Method);
    }
    let path_and_query = uri.path_and_query().map_or("/", |whole| whole.as_str());
    let path = uri.path();
    let Some(below) = path.strip_prefix("/v1").filter(|below| below.len() > 1 && below.starts_with('/'))
    else {
        let would_be_known =
            Endpoint::ALL.iter().any(|endpoint| endpoint.path() == path) || path == "/models";
        return Err(if would_be_known { Error::LacksV1 } else { Error::OutsideV1 });
    };
    if below.starts_with("/v1/") {
        return Err(Error::DoubledV1);
    }
    if !is_plain(below) {
        return Err(Error::OddPath);
    }
    let suffix = path_and_query.strip_prefix("/v1").unwrap_or(below);
    let asked = match *method {
        Method::POST => Endpoint::ALL
            .into_iter()
            .find(|endpoint| endpoint.path() == below)
            .map_or(Asked::Other, Asked::Routed),
        Method::GET | Method::HEAD if below == "/models" => Asked::Models,
        Method::GET | Method::HEAD => below.strip_prefix("/models/").map_or(Asked::Other, Asked::Model),
        _ => Asked::Other,
    };
    Ok((asked, suffix))
}

/// Whether a query has a parameter `model`, however its name is encoded.
pub(crate) fn has_model_parameter(uri: &Uri) -> bool {
    let Some(query) = uri.query() else { return false };
    query.split(['&', ';']).any(|pair| {
        let name = pair.split('=').next().unwrap_or_default();
        decode(name).as_slice() == b"model"
    })
}

/// Whether no server could read the path as another one: no empty or dot segment, also behind an encoded separator,
/// and no encoded spelling of a routed endpoint.
fn is_plain(below: &str) -> bool {
    let is_encoded = below.contains('%');
    let decoded = if is_encoded { Cow::Owned(decode(below)) } else { Cow::Borrowed(below.as_bytes()) };
    let hides_endpoint =
        is_encoded && Endpoint::ALL.iter().any(|endpoint| endpoint.path().as_bytes() == &*decoded);
    let segments = decoded.get(1..).unwrap_or_default().split(|byte| matches!(byte, b'/' | b'\\'));
    let has_odd_segment = segments.into_iter().any(|segment| matches!(segment, b"" | b"." | b".."));
    !hides_endpoint && !has_odd_segment
}

/// Percent-decoding (RFC 3986 section 2.1); malformed escapes stay as they are.
pub(crate) fn decode(text: &str) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        if first == b'%'
            && let Some((pair, tail)) = after.split_at_checked(2)
            && let Some(byte) =
                std::str::from_utf8(pair).ok().and_then(|hex| u8::from_str_radix(hex, 16).ok())
        {
            decoded.push(byte);
            rest = tail;
        } else {
            decoded.push(first);
            rest = after;
        }
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(method: &Method, path: &str) -> Result<String, String> {
        let uri: Uri = path.parse().unwrap();
        read(method, &uri)
            .map(|(asked, suffix)| format!("{asked:?} {suffix}"))
            .map_err(|error| format!("{error:?}"))
    }

    #[test]
    fn routed_endpoints_are_found_with_their_query() {
        assert_eq!(
            asked(&Method::POST, "/v1/chat/completions?x=1").unwrap(),
            "Routed(Chat) /chat/completions?x=1"
        );
        assert_eq!(asked(&Method::GET, "/v1/chat/completions").unwrap(), "Other /chat/completions");
        assert_eq!(asked(&Method::GET, "/v1/models").unwrap(), "Models /models");
        assert_eq!(asked(&Method::GET, "/v1/models/gpt-5.4").unwrap(), "Model(\"gpt-5.4\") /models/gpt-5.4");
        assert_eq!(asked(&Method::DELETE, "/v1/models/ft:x").unwrap(), "Other /models/ft:x");
    }

    #[test]
    fn what_is_not_below_v1_is_refused_with_a_hint() {
        for path in ["/", "/v1", "/v1/", "/v2/models", "/v1x/models", "/health"] {
            assert_eq!(asked(&Method::GET, path).unwrap_err(), "OutsideV1", "{path}");
        }
        assert_eq!(asked(&Method::POST, "/chat/completions").unwrap_err(), "LacksV1");
        assert_eq!(asked(&Method::GET, "/v1/v1/models").unwrap_err(), "DoubledV1");
    }

    #[test]
    fn spellings_that_a_provider_might_read_differently_are_refused() {
        for path in [
            "/v1/../admin",
            "/v1/files/%2e%2e/x",
            "/v1/files/..%2fx",
            "/v1/files/..%5Cx",
            "/v1//chat/completions",
            "/v1/chat/completions/",
            "/v1/%63hat/completions",
            "/v1/chat%2Fcompletions",
            "/v1/./responses",
        ] {
            assert_eq!(asked(&Method::POST, path).unwrap_err(), "OddPath", "{path}");
        }
    }

    #[test]
    fn a_model_in_the_query_is_seen_through_encodings() {
        let has = |text: &str| has_model_parameter(&text.parse().unwrap());
        assert!(has("/v1/chat/completions?model=x"));
        assert!(has("/v1/chat/completions?a=b&mod%65l=x"));
        assert!(has("/v1/chat/completions?model"));
        assert!(!has("/v1/chat/completions?models=x&a=model"));
    }
}
