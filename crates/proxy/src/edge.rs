//! What surrounds every request, whatever it asks for: it gets an ID, its credentials are hidden from whatever prints a head,
//! and a panic is a 500 for it alone.
//!
//! Plain functions around one future. As layers of tower they moved the request and the future, which is kilobytes, from
//! one to the next, and put the body of every answer into a box.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::service::{HttpService, service_fn};

use crate::auth::CallerAddress;
use crate::caller_tls::CallerCertificate;
use crate::cors::handle_for_browsers;
use crate::dialect::Dialect;
use crate::error::Error;
use crate::error_response;
use crate::handler::{Arriving, REQUEST_ID};
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
pub(crate) type EdgeBody = Telling<GatewayBody>;

/// In a box, so that a connection which lies idle does not keep its room.
type Handling = Pin<Box<dyn Future<Output = Result<Response<EdgeBody>, Infallible>> + Send>>;

/// The service of one connection.
pub(crate) fn service(
    context: Arc<Context>,
    certificate: Option<CallerCertificate>,
    slot: Slot,
    from: CallerAddress,
) -> impl HttpService<Incoming, ResBody = EdgeBody, Error = Infallible, Future = Handling> {
    service_fn(move |request: Request<Incoming>| -> Handling {
        let (mut head, incoming) = request.into_parts();
        if let Some(certificate) = certificate {
            head.extensions.insert(certificate);
        }
        let asks_for_another = head.headers.contains_key(header::UPGRADE);
        if asks_for_another {
            head.extensions.insert(slot.clone());
        }
        conceal(&mut head.headers);
        let id = named(&head.headers);
        let arriving = Arriving { head: Box::new(head), body: incoming, from, id };
        Box::pin(answer(Arc::clone(&context), arriving, asks_for_another))
    })
}

async fn answer(
    context: Arc<Context>,
    arriving: Arriving,
    asks_for_another: bool,
) -> Result<Response<EdgeBody>, Infallible> {
    let dialect = Dialect::of(arriving.head.uri.path());
    let id = arriving.id.clone();
    let handling = pin!(handle_for_browsers(context, arriving));
    let mut response = unless_it_panics(handling, dialect).await;
    if asks_for_another && response.status() != StatusCode::SWITCHING_PROTOCOLS {
        // The guard before hyper has let go of this connection.
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    name(response.headers_mut(), id);
    Ok(response.map(Telling::new))
}

/// A panic is a fault of ours: a 500 for this request in the words that its client reads, and every other goes on.
async fn unless_it_panics(
    mut handling: Pin<&mut impl Future<Output = Response<GatewayBody>>>,
    dialect: Dialect,
) -> Response<GatewayBody> {
    // What a panic leaves behind is not used again: the future is dropped, and what it shares with others is safe in itself.
    let answered =
        std::future::poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| handling.as_mut().poll(cx))) {
            Ok(polled) => polled.map(Some),
            Err(_) => Poll::Ready(None),
        });
    match answered.await {
        Some(response) => response,
        None => {
            tracing::error!("a request handler panicked; the caller was answered with 500");
            error_response::respond(&Error::Internal, dialect).0
        }
    }
}

/// The id of a request: its caller's, or one that says nothing but which request.
fn named(headers: &HeaderMap) -> HeaderValue {
    headers.get(&REQUEST_ID).cloned().unwrap_or_else(|| hex(fastrand::u128(..)))
}

fn hex(mut number: u128) -> HeaderValue {
    let mut text = [0; 32];
    for digit in text.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(number & 0xf) as usize];
        number >>= 4;
    }
    // With an owner, because it is copied more than once: a copied slice would take memory anew for that.
    let id = HeaderValue::from_maybe_shared(Bytes::from_owner(text));
    id.unwrap_or_else(|_| HeaderValue::from_static("-"))
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
    headers.entry(&CLIENTS_REQUEST_ID).or_insert_with(|| id.clone());
    headers.insert(REQUEST_ID, id);
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    /// What a handler that panics answers at a path.
    async fn panicked(path: &str) -> (StatusCode, serde_json::Value) {
        let handler = async {
            assert!(path.is_empty(), "a fault of ours");
            Response::new(GatewayBody::whole(bytes::Bytes::new()))
        };
        let response = unless_it_panics(pin!(handler), Dialect::of(path)).await;
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
