//! The HTTP side of a provider: accepts, reads a request whole, records it, plays the reply.

use std::error::Error;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::RecordedRequest;
use crate::answers::{self, Persona};
use crate::exchange::Exchanges;
use crate::provider::locked;
use crate::reply::{Answer, Reply, Scripted, Step};
use crate::script::Script;
use crate::scripted_body::{Dropped, ScriptedBody, wait};

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) persona: Persona,
    pub(crate) script: Mutex<Script>,
    pub(crate) record: bool,
    pub(crate) requests: Mutex<Vec<RecordedRequest>>,
    pub(crate) exchanges: Arc<Exchanges>,
}

/// Serves until dropped; dropping it drops every connection with it.
pub(crate) async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        // Finished connections are taken out as new ones come, so that the set stays as small as what is open.
        while connections.try_join_next().is_some() {}
        let Ok((stream, _)) = listener.accept().await else {
            tokio::task::yield_now().await;
            continue;
        };
        if stream.set_nodelay(true).is_err() {
            continue;
        }
        let shared = Arc::clone(&shared);
        // An error is a caller that left or a script that dropped the connection; the counters tell which.
        connections.spawn(serve(stream, move |request| respond(Arc::clone(&shared), request)));
    }
}

/// Serves one connection, in the protocol that it begins with. Whatever ends it is its caller's to know.
pub(crate) async fn serve<F, A, B, E>(stream: TcpStream, respond: F)
where
    F: Fn(Request<Incoming>) -> A,
    A: Future<Output = Result<Response<B>, E>> + Send + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    let service = service_fn(respond);
    if speaks_http2(&stream).await {
        let builder = http2::Builder::new(TokioExecutor::new());
        drop(builder.serve_connection(TokioIo::new(stream), service).await);
    } else {
        drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
    }
}

/// Whether a connection begins as HTTP/2 does; no method of HTTP/1.1 begins so.
async fn speaks_http2(stream: &TcpStream) -> bool {
    let mut seen = [0; 3];
    loop {
        match stream.peek(&mut seen).await {
            Ok(3) => return seen == *b"PRI",
            Ok(length @ 1..) if b"PRI".starts_with(seen.get(..length).unwrap_or_default()) => {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            Ok(_) | Err(_) => return false,
        }
    }
}

async fn respond(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<ScriptedBody>, Dropped> {
    let arrival = Instant::now();
    let mut exchange = shared.exchanges.begin();
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Dropped)?.to_bytes();
    let path_and_query = head.uri.path_and_query().map_or_else(|| head.uri.to_string(), ToString::to_string);
    let request =
        RecordedRequest { method: head.method, path_and_query, headers: head.headers, body, arrival };
    if shared.record {
        locked(&shared.requests).push(request.clone());
    }
    let number = shared.exchanges.receive();

    let reply = scripted(&shared, &request);
    for step in &reply.before_head {
        if matches!(step, Step::Abort) {
            exchange.end();
            return Err(Dropped);
        }
        if let Some(waiting) = wait(step) {
            waiting.await;
        }
    }
    let scripted = match reply.answer {
        Answer::Scripted(scripted) => scripted,
        Answer::Standard => answers::standard(&shared.persona, &request, number),
    };
    let request_id = format!("req_{}_{number}", shared.persona.name);
    let (status, headers) = head_of(&scripted, &request_id);
    let mut response = Response::new(ScriptedBody::new(scripted.body, scripted.length, exchange));
    *response.status_mut() = status;
    for (name, value) in headers {
        response.headers_mut().append(name, value);
    }
    Ok(response)
}

fn scripted(shared: &Shared, request: &RecordedRequest) -> Reply {
    let found = {
        let mut script = locked(&shared.script);
        if script.is_empty() { None } else { script.find(request) }
    };
    found.map_or_else(Reply::standard, |answering| answering.reply(request))
}

/// Status and headers; a script's `x-request-id` replaces ours. What is not valid HTTP becomes a 500 that says so.
fn head_of(scripted: &Scripted, request_id: &str) -> (StatusCode, Vec<(HeaderName, HeaderValue)>) {
    let mut headers = Vec::with_capacity(scripted.headers.len() + 1);
    for (name, value) in &scripted.headers {
        match (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            (Ok(name), Ok(value)) => headers.push((name, value)),
            _ => return invalid("x-testkit-invalid-header"),
        }
    }
    let Ok(status) = StatusCode::from_u16(scripted.status) else {
        return invalid("x-testkit-invalid-status");
    };
    let own = HeaderName::from_static("x-request-id");
    if let (false, Ok(id)) = (headers.iter().any(|(name, _)| *name == own), HeaderValue::try_from(request_id))
    {
        headers.push((own, id));
    }
    (status, headers)
}

fn invalid(what: &'static str) -> (StatusCode, Vec<(HeaderName, HeaderValue)>) {
    let header = (HeaderName::from_static(what), HeaderValue::from_static("the script is not valid HTTP"));
    (StatusCode::INTERNAL_SERVER_ERROR, vec![header])
}
