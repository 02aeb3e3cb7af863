//! The only place where tower layers are composed: what surrounds every request, whatever it asks for.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::service::{HttpService, service_fn};
use tower::Service;
use tower_http::BoxError;
use tower_http::body::UnsyncBoxBody;
use tower_http::catch_panic::{CatchPanic, ResponseForPanic};

use crate::auth::CallerAddress;
use crate::caller_tls::CallerCertificate;
use crate::cors::handle_for_browsers;
use crate::dialect::Dialect;
use crate::error::Error;
use crate::error_response;
use crate::handler::REQUEST_ID;
use crate::response::GatewayBody;
use crate::stream_stall::Telling;
use crate::websocket::Slot;
use crate::worker::Context;

/// What OpenAI's clients show as the id of a request: the provider's where it answered, else the gateway's.
static CLIENTS_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What nothing may show, whatever prints a head.
static SECRET: [HeaderName; 3] =
    [header::AUTHORIZATION, header::COOKIE, HeaderName::from_static("x-api-key")];

/// The body as it leaves the edge.
pub(crate) type EdgeBody = Telling<UnsyncBoxBody<Bytes, BoxError>>;

/// Boxed once: the layers around it would each move it, and it is kilobytes.
type Handling = Pin<Box<dyn Future<Output = Result<Response<GatewayBody>, Infallible>> + Send>>;

/// The service of one connection.
pub(crate) fn service(
    context: Arc<Context>,
    certificate: Option<CallerCertificate>,
    slot: Slot,
    from: CallerAddress,
) -> impl HttpService<Incoming, ResBody = EdgeBody, Error = Infallible, Future: Send + 'static> {
    let handler = tower::service_fn(move |mut request: Request<Incoming>| -> Handling {
        let context = Arc::clone(&context);
        if let Some(certificate) = certificate {
            request.extensions_mut().insert(certificate);
        }
        let asks_for_another = request.headers().contains_key(header::UPGRADE);
        if asks_for_another {
            request.extensions_mut().insert(slot.clone());
        }
        Box::pin(async move {
            let mut response = handle_for_browsers(context, request, from).await;
            if asks_for_another && response.status() != StatusCode::SWITCHING_PROTOCOLS {
                // The guard before hyper has let go of this connection.
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Ok(response)
        })
    });
    service_fn(move |mut request: Request<Incoming>| {
        let id = named(request.headers_mut());
        conceal(request.headers_mut());
        let panicked = PanicAnswer(Dialect::of(request.uri().path()));
        let answering = CatchPanic::custom(handler.clone(), panicked).call(request);
        async move {
            let mut response = answering.await?;
            name(response.headers_mut(), id);
            Ok(response.map(Telling::new))
        }
    })
}

/// The id of a request: its caller's, or one that says nothing but which request.
fn named(headers: &mut HeaderMap) -> HeaderValue {
    if let Some(shown) = headers.get(&REQUEST_ID) {
        return shown.clone();
    }
    let mut text = [0; 32];
    let id = hex(fastrand::u128(..), &mut text);
    headers.insert(REQUEST_ID, id.clone());
    id
}

fn hex(mut number: u128, text: &mut [u8; 32]) -> HeaderValue {
    for digit in text.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(number & 0xf) as usize];
        number >>= 4;
    }
    HeaderValue::from_bytes(text).unwrap_or_else(|_| HeaderValue::from_static("-"))
}

fn conceal(headers: &mut HeaderMap) {
    for (name, value) in headers {
        if SECRET.contains(name) {
            value.set_sensitive(true);
        }
    }
}

/// Says which request was answered, also under the name that clients show.
fn name(headers: &mut HeaderMap, id: HeaderValue) {
    let id = headers.entry(&REQUEST_ID).or_insert(id).clone();
    headers.entry(&CLIENTS_REQUEST_ID).or_insert(id);
}

/// A panic is a fault of ours: a 500 for this request in the words that its client reads, and every other goes on.
#[derive(Clone, Copy)]
struct PanicAnswer(Dialect);

impl ResponseForPanic for PanicAnswer {
    type ResponseBody = GatewayBody;

    fn response_for_panic(
        &mut self,
        _cause: Box<dyn std::any::Any + Send + 'static>,
    ) -> Response<GatewayBody> {
        tracing::error!("a request handler panicked; the caller was answered with 500");
        error_response::respond(&Error::Internal, self.0).0
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    /// What a handler that panics answers at a path.
    async fn panicked(path: &str) -> (StatusCode, serde_json::Value) {
        let handler = tower::service_fn(|request: Request<()>| async move {
            assert!(request.uri().path().is_empty(), "a fault of ours");
            Ok::<_, Infallible>(Response::new(GatewayBody::whole(Bytes::new())))
        });
        let request = Request::builder().uri(path).body(()).unwrap();
        let answer = PanicAnswer(Dialect::of(path));
        let response = CatchPanic::custom(handler, answer).call(request).await.unwrap();
        let (head, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        (head.status, serde_json::from_slice(&bytes).unwrap())
    }

    #[tokio::test]
    async fn a_panic_is_answered_in_the_shape_that_the_caller_reads() {
        let (status, anthropic) = panicked("/v1/messages").await;
        assert_eq!((status, &anthropic["type"]), (StatusCode::INTERNAL_SERVER_ERROR, &"error".into()));
        assert_eq!(anthropic["error"]["type"], "api_error");
        let (status, openai) = panicked("/v1/chat/completions").await;
        assert_eq!((status, &openai["type"]), (StatusCode::INTERNAL_SERVER_ERROR, &serde_json::Value::Null));
        assert!(openai["error"]["code"].is_string(), "{openai}");
    }
}
