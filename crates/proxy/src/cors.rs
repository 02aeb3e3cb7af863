//! Browsers: a page of a listed origin may call the gateway. Off unless the settings list one.
//!
//! A page that can call the gateway holds a key of it, so this is for pages of one's own. Keys travel in headers and
//! never in cookies, so credentials in the sense of browsers are not allowed.

use std::sync::Arc;

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

use crate::handler::{Arriving, handle};
use crate::response::GatewayBody;
use crate::worker::Context;

/// The origins whose pages may call.
#[derive(Clone, Debug, Default)]
pub struct Cors(Vec<HeaderValue>);

impl Cors {
    /// Origins as browsers send them, `https://app.example`; any that no header can carry is left out.
    #[must_use]
    pub fn new(origins: &[String]) -> Cors {
        Cors(origins.iter().filter_map(|origin| HeaderValue::try_from(origin).ok()).collect())
    }

    /// The origin of a request, if it is listed.
    fn origin(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        if self.0.is_empty() {
            return None;
        }
        let origin = headers.get(ORIGIN)?;
        self.0.iter().find(|listed| *listed == origin).cloned()
    }
}

/// Answers a request, and says to a browser what its page may see of that.
pub(crate) async fn handle_for_browsers(context: Arc<Context>, arriving: Arriving) -> Response<GatewayBody> {
    let head = &arriving.head;
    let origin = context.cors.origin(&head.headers);
    let is_preflight = origin.is_some()
        && head.method == Method::OPTIONS
        && head.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if is_preflight { preflight(&head.headers) } else { handle(context, arriving).await };
    let Some(origin) = origin else { return response };
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("*"));
    headers.append(VARY, HeaderValue::from_static("Origin"));
    response
}

/// What a browser asks before a request that carries a key.
fn preflight(asked: &HeaderMap) -> Response<GatewayBody> {
    let mut response = Response::new(GatewayBody::whole(bytes::Bytes::new()));
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(
        ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE"),
    );
    // What of it goes on is decided by the allow-list, as for every request.
    if let Some(names) = asked.get(ACCESS_CONTROL_REQUEST_HEADERS) {
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
    }
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    response
}
