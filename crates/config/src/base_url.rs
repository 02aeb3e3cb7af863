//! Where a provider lives: scheme, host, port and path, and nothing that could hide a secret or change a request.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use decisions::addresses::{Reach, reach};

/// A provider's base URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl {
    /// How it is spoken to.
    pub scheme: Scheme,
    /// A name in lower case or an IP address; an IPv6 address without its brackets.
    pub host: String,
    /// Given or the scheme's own.
    pub port: u16,
    /// What stands before every path of a request: `/v1`, without a slash at the end; may be empty.
    pub path: String,
}

/// How a provider is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// In the clear.
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    /// As it stands in a URL.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }

    /// The port when a URL names none.
    #[must_use]
    pub fn default_port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
        }
    }
}

/// Why a text is not a base URL. It never repeats the text, which may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BaseUrlError {
    /// Neither of the two schemes.
    #[error("a base URL starts with `https://` or `http://`")]
    Scheme,
    /// `user:password@`.
    #[error("a base URL has no user or password in it; name the secret in `credential`")]
    UserInfo,
    /// `?` or `#`.
    #[error("a base URL has no query or fragment")]
    QueryOrFragment,
    /// Not a host name or an address.
    #[error("the host is neither a name nor an IP address (an IPv6 address stands in brackets)")]
    Host,
    /// Metadata of a cloud, link-local, multicast: no provider is there.
    #[error(
        "nothing is ever sent to this address: it is link-local, multicast, unspecified or a cloud's metadata"
    )]
    Unreachable,
    /// Not 1 to 65535.
    #[error("the port is not a number from 1 to 65535")]
    Port,
    /// Characters or segments that servers read in different ways.
    #[error("the path has an empty or dotted segment, or a character that must be percent-encoded")]
    Path,
}

impl BaseUrl {
    /// Host and port as in a `Host` header: the port only when it is not the scheme's own.
    #[must_use]
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == self.scheme.default_port() { host } else { format!("{host}:{}", self.port) }
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme.as_str(), self.authority(), self.path)
    }
}

impl FromStr for BaseUrl {
    type Err = BaseUrlError;

    fn from_str(text: &str) -> Result<BaseUrl, BaseUrlError> {
        let (scheme, rest) = text.split_once("://").ok_or(BaseUrlError::Scheme)?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "https" => Scheme::Https,
            "http" => Scheme::Http,
            _ => return Err(BaseUrlError::Scheme),
        };
        if rest.contains(['?', '#']) {
            return Err(BaseUrlError::QueryOrFragment);
        }
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(BaseUrlError::UserInfo);
        }
        let (host, port) = split_authority(authority)?;
        if host.parse().is_ok_and(|address| reach(address) == Reach::Never) {
            return Err(BaseUrlError::Unreachable);
        }
        let port = match port {
            None => scheme.default_port(),
            Some(digits) => parse_port(digits)?,
        };
        Ok(BaseUrl { scheme, host, port, path: parse_path(path)? })
    }
}

fn split_authority(authority: &str) -> Result<(String, Option<&str>), BaseUrlError> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (address, after) = rest.split_once(']').ok_or(BaseUrlError::Host)?;
        let address: Ipv6Addr = address.parse().map_err(|_| BaseUrlError::Host)?;
        return match after.strip_prefix(':') {
            Some(port) => Ok((address.to_string(), Some(port))),
            None if after.is_empty() => Ok((address.to_string(), None)),
            None => Err(BaseUrlError::Host),
        };
    }
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    if is_host(host) { Ok((host.to_ascii_lowercase(), port)) } else { Err(BaseUrlError::Host) }
}

fn is_host(host: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let is_number = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
    // A last label of digits makes it an address, and some resolvers read `127.1` as one.
    let looks_like_address = host.rsplit('.').next().is_some_and(is_number);
    host.len() <= 253
        && host.split('.').all(is_label)
        && (!looks_like_address || host.parse::<Ipv4Addr>().is_ok())
}

fn parse_port(digits: &str) -> Result<u16, BaseUrlError> {
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    match digits.parse::<u16>() {
        Ok(port) if port > 0 && is_plain => Ok(port),
        _ => Err(BaseUrlError::Port),
    }
}

pub(crate) fn parse_path(path: &str) -> Result<String, BaseUrlError> {
    let trimmed = path.trim_end_matches('/');
    let segments_ok = trimmed.split('/').skip(1).all(|part| !matches!(part, "" | "." | ".."));
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(&byte);
    let mut bytes = trimmed.bytes();
    while let Some(byte) = bytes.next() {
        let is_escape = byte == b'%'
            && bytes.next().is_some_and(|high| high.is_ascii_hexdigit())
            && bytes.next().is_some_and(|low| low.is_ascii_hexdigit());
        if !is_plain(byte) && !is_escape {
            return Err(BaseUrlError::Path);
        }
    }
    if segments_ok { Ok(trimmed.to_owned()) } else { Err(BaseUrlError::Path) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_reads_as_it_is_written() {
        let cases = [
            ("https://api.openai.com/v1", "https://api.openai.com/v1", 443),
            ("HTTPS://API.openai.com:443/v1/", "https://api.openai.com/v1", 443),
            ("http://127.0.0.1:8081", "http://127.0.0.1:8081", 8081),
            ("http://[::1]:8081/a/b%20c", "http://[::1]:8081/a/b%20c", 8081),
            ("http://my_service/", "http://my_service", 80),
            ("https://[2001:DB8:0:0::1]", "https://[2001:db8::1]", 443),
        ];
        for (text, written, port) in cases {
            let url: BaseUrl = text.parse().unwrap();
            assert_eq!((url.to_string().as_str(), url.port), (written, port), "{text}");
        }
    }

    #[test]
    fn what_could_hide_a_secret_or_change_a_request_is_refused() {
        let cases = [
            ("api.openai.com/v1", BaseUrlError::Scheme),
            ("ftp://a", BaseUrlError::Scheme),
            ("https://user:pw@host/v1", BaseUrlError::UserInfo),
            ("https://host/v1?key=x", BaseUrlError::QueryOrFragment),
            ("https://host#x", BaseUrlError::QueryOrFragment),
            ("https://", BaseUrlError::Host),
            ("https:///v1", BaseUrlError::Host),
            ("https://a..b", BaseUrlError::Host),
            ("https://a b", BaseUrlError::Host),
            ("https://127.1", BaseUrlError::Host),
            ("https://::1/v1", BaseUrlError::Host),
            ("https://[::1", BaseUrlError::Host),
            ("https://[::1]x", BaseUrlError::Host),
            ("https://host:0", BaseUrlError::Port),
            ("https://host:65536", BaseUrlError::Port),
            ("https://host:", BaseUrlError::Port),
            ("https://host:+1", BaseUrlError::Port),
            ("https://host/a//b", BaseUrlError::Path),
            ("https://host/../b", BaseUrlError::Path),
            ("https://host/a b", BaseUrlError::Path),
            ("https://host/%zz", BaseUrlError::Path),
        ];
        for (text, error) in cases {
            assert_eq!(text.parse::<BaseUrl>(), Err(error), "{text}");
        }
    }
}
