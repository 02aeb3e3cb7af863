//! What HTTP asks of a request's head and hyper leaves to whoever uses it.

use http::request::Parts;
use http::uri::{Authority, Scheme};
use http::{HeaderValue, Version, header};

use crate::error::Error;

/// Refuses a head that is not in order.
pub(crate) fn check(head: &Parts) -> Result<(), Error> {
    check_host(head)?;
    if head.version == Version::HTTP_2 {
        check_authority(head)?;
        check_values(head)?;
    }
    // RFC 9110 section 10.1.1 knows one expectation; hyper meets it.
    let mut expectations = head.headers.get_all(header::EXPECT).iter();
    if expectations.any(|value| !value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"100-continue")) {
        return Err(Error::Expectation);
    }
    Ok(())
}

/// RFC 9112 section 3.2: exactly one valid `Host`. The gateway serves every name, so it is not looked at further; but
/// whoever stands before it may have chosen by it.
fn check_host(head: &Parts) -> Result<(), Error> {
    let mut hosts = head.headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(_), Some(_)) => Err(Error::Host),
        (Some(host), None) => {
            let is_host = |text: &str| {
                text.is_empty()
                    || is_plain_host(text)
                    || !text.contains('@') && text.parse::<Authority>().is_ok()
            };
            if host.to_str().is_ok_and(is_host) { Ok(()) } else { Err(Error::Host) }
        }
        (None, _) if head.version == Version::HTTP_11 => Err(Error::Host),
        (None, _) => Ok(()),
    }
}

/// A name or an IPv4 address, with or without a port: almost every `Host`, and none that needs a copy to be looked at.
fn is_plain_host(text: &str) -> bool {
    let (name, port) = text.split_once(':').unwrap_or((text, ""));
    let is_named = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'));
    !name.is_empty() && is_named && port.bytes().all(|byte| byte.is_ascii_digit())
}

/// RFC 9113 section 8.3.1: `:authority` names no user, and a `Host` beside it names the same host and port.
fn check_authority(head: &Parts) -> Result<(), Error> {
    let Some(authority) = head.uri.authority() else { return Ok(()) };
    let is_same = |host: &HeaderValue| {
        let usual = if head.uri.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 };
        let port = |authority: &Authority| authority.port_u16().unwrap_or(usual);
        Authority::try_from(host.as_bytes()).is_ok_and(|host| {
            host.host().eq_ignore_ascii_case(authority.host()) && port(&host) == port(authority)
        })
    };
    let is_valid = !authority.as_str().contains('@') && head.headers.get(header::HOST).is_none_or(is_same);
    if is_valid { Ok(()) } else { Err(Error::Host) }
}

/// RFC 9113 section 8.2.1: no value begins or ends with white space. HTTP/1.1 takes it away before it looks, so that
/// here somebody else could understand another value.
fn check_values(head: &Parts) -> Result<(), Error> {
    let is_blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    let is_padded = |value: &HeaderValue| {
        let bytes = value.as_bytes();
        is_blank(bytes.first()) || is_blank(bytes.last())
    };
    if head.headers.values().any(is_padded) { Err(Error::PaddedValue) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_plain_is_an_authority() {
        for text in ["a", "api.example.com", "10.0.0.1:8080", "x-1.y", "a:", "A:0443", "-", "."] {
            assert!(is_plain_host(text) && text.parse::<Authority>().is_ok(), "{text}");
        }
        for text in ["", ":80", "a@b", "[::1]:80", "a:b", "a:1:2", "a b", "a/b", "ä"] {
            assert!(!is_plain_host(text), "{text}");
        }
    }
}
