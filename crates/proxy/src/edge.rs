//! The only place where tower layers are composed: what surrounds every request, whatever it asks for.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper_util::service::TowerToHyperService;
use tower::{Service, ServiceBuilder, service_fn};
use tower_http::BoxError;
use tower_http::body::UnsyncBoxBody;
use tower_http::catch_panic::{CatchPanicLayer, ResponseForPanic};
use tower_http::request_id::{MakeRequestId, PropagateRequestIdLayer, RequestId, SetRequestIdLayer};
use tower_http::sensitive_headers::SetSensitiveRequestHeadersLayer;

use crate::auth::CallerAddress;
use crate::caller_tls::CallerCertificate;
use crate::cors::handle_for_browsers;
use crate::dialect::Dialect;
use crate::error::Error;
use crate::error_response;
use crate::handler::REQUEST_ID;
use crate::response::GatewayBody;
use crate::websocket::Slot;
use crate::worker::Context;

/// What OpenAI's clients show as the id of a request: the provider's where it answered, else the gateway's.
static CLIENTS_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The body as it leaves the edge.
pub(crate) type EdgeBody = UnsyncBoxBody<Bytes, BoxError>;

/// The service of one connection.
pub(crate) fn service(
    context: Arc<Context>,
    certificate: Option<CallerCertificate>,
    slot: Slot,
    from: CallerAddress,
) -> TowerToHyperService<
    impl Service<Request<Incoming>, Response = Response<EdgeBody>, Error = Infallible, Future: Send + 'static>
    + Clone
    + Send
    + 'static,
> {
    let handler = service_fn(move |mut request: Request<Incoming>| {
        let context = Arc::clone(&context);
        if let Some(certificate) = certificate {
            request.extensions_mut().insert(certificate);
        }
        let asks_for_another = request.headers().contains_key(header::UPGRADE);
        if asks_for_another {
            request.extensions_mut().insert(slot.clone());
        }
        async move {
            let mut response = handle_for_browsers(context, request, from).await;
            if asks_for_another && response.status() != StatusCode::SWITCHING_PROTOCOLS {
                // The guard before hyper has let go of this connection.
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(response)
        }
    });
    let stack = ServiceBuilder::new()
        .map_response(with_request_id)
        .layer(SetRequestIdLayer::new(REQUEST_ID, RandomId))
        .layer(PropagateRequestIdLayer::new(REQUEST_ID))
        .layer(SetSensitiveRequestHeadersLayer::new([
            header::AUTHORIZATION,
            header::COOKIE,
            HeaderName::from_static("x-api-key"),
        ]))
        .layer(CatchPanicLayer::custom(PanicAnswer))
        .service(handler);
    TowerToHyperService::new(stack)
}

fn with_request_id<B>(mut response: Response<B>) -> Response<B> {
    let headers = response.headers_mut();
    if let Some(ours) = headers.get(&REQUEST_ID).cloned() {
        headers.entry(&CLIENTS_REQUEST_ID).or_insert(ours);
    }
    response
}

/// Ids that say nothing but which request.
#[derive(Clone, Copy)]
struct RandomId;

impl MakeRequestId for RandomId {
    fn make_request_id<B>(&mut self, _request: &Request<B>) -> Option<RequestId> {
        let text = format!("{:032x}", fastrand::u128(..));
        HeaderValue::try_from(text).ok().map(RequestId::new)
    }
}

/// A panic is a fault of ours: a 500 for this request, and every other goes on.
#[derive(Clone, Copy)]
struct PanicAnswer;

impl ResponseForPanic for PanicAnswer {
    type ResponseBody = GatewayBody;

    fn response_for_panic(
        &mut self,
        _cause: Box<dyn std::any::Any + Send + 'static>,
    ) -> Response<GatewayBody> {
        tracing::error!("a request handler panicked; the caller was answered with 500");
        error_response::respond(&Error::Internal, Dialect::OpenAi).0
    }
}
