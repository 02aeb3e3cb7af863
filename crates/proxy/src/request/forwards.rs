//! What goes on to a provider only because the map says so: headers that name the caller's account, session, program,
//! trace or address.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::auth::{CallerAddress, Identity};
use crate::request::headers::{copy, is_listed};
use crate::trace::{TRACEPARENT, TRACESTATE};

const BAGGAGE: HeaderName = HeaderName::from_static("baggage");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// What OpenAI's clients say of themselves.
const STAINLESS: &str = "x-stainless-";

/// W3C Baggage section 3.3.2: so much is kept whole. Of more, nothing is: a part would say something else.
const LONGEST_BAGGAGE: usize = 8192;

/// What of a caller's headers goes on to a provider besides what goes to every one.
#[derive(Clone, Debug, Default)]
pub struct Forwards {
    /// These, as they came. None of them may carry a credential for the gateway.
    pub names: Vec<HeaderName>,
    /// `x-stainless-*`
    pub stainless: bool,
    /// `x-forwarded-for`, written by the gateway.
    pub caller_address: bool,
}

impl Forwards {
    /// Adds them to an outgoing head.
    pub(crate) fn add(&self, incoming: &HeaderMap, identity: &Identity, to: &mut HeaderMap) {
        for name in &self.names {
            // A provider that takes the caller's own key may have it already.
            if to.contains_key(name) || *name == TRACESTATE && !incoming.contains_key(TRACEPARENT) {
                continue;
            }
            let length = || incoming.get_all(name).iter().map(HeaderValue::len).sum::<usize>();
            if *name != BAGGAGE || length() <= LONGEST_BAGGAGE {
                copy(incoming, to, |sent| sent == name);
            }
        }
        if self.stainless {
            for (name, value) in incoming {
                if name.as_str().starts_with(STAINLESS) && !is_listed(incoming, name) {
                    to.append(name.clone(), value.clone());
                }
            }
        }
        if self.caller_address
            && let Some(value) = forwarded_for(incoming, identity.from)
        {
            to.insert(FORWARDED_FOR, value);
        }
    }
}

/// The caller's address, behind what the caller says of others where that is trusted.
fn forwarded_for(incoming: &HeaderMap, from: CallerAddress) -> Option<HeaderValue> {
    let address = from.address?.to_string();
    if !from.is_trusted {
        return HeaderValue::try_from(address).ok();
    }
    let sent = incoming.get_all(FORWARDED_FOR).iter().map(HeaderValue::as_bytes);
    let parts: Vec<&[u8]> = sent.chain([address.as_bytes()]).collect();
    HeaderValue::from_bytes(&parts.join(&b", "[..])).ok()
}
