//! What HTTP asks of a request's head and hyper leaves to whoever uses it.

use http::request::Parts;
use http::uri::Authority;
use http::{Version, header};

use crate::error::Error;

/// Refuses a head that is not in order.
pub(crate) fn check(head: &Parts) -> Result<(), Error> {
    check_host(head)?;
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
            let is_host =
                |text: &str| text.is_empty() || !text.contains('@') && text.parse::<Authority>().is_ok();
            if host.to_str().is_ok_and(is_host) { Ok(()) } else { Err(Error::Host) }
        }
        (None, _) if head.version == Version::HTTP_11 => Err(Error::Host),
        (None, _) => Ok(()),
    }
}
