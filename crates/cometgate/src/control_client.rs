//! How a command talks to a running gateway: one request over its Unix socket.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use serde_json::Value;

use crate::control_socket::{connect, socket_path};
use crate::exit::Failure;
use crate::running::block_on;

/// How long a gateway may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// How all canaries and fallbacks stand, or those of one route.
pub(crate) fn ask_status(state_dir: &Path, route: Option<&str>) -> Result<Value, Failure> {
    let is_plain =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    match route {
        None => ask(state_dir, Method::GET, "/status", &Value::Null),
        Some(route) if is_plain(route) => {
            ask(state_dir, Method::GET, &format!("/status?route={route}"), &Value::Null)
        }
        Some(route) => Err(Failure::invalid(anyhow!("no route can be called {route:?}"))),
    }
}

/// Asks the gateway of a state directory, and returns what it answers.
///
/// # Errors
/// Nobody answers (5), there is no such route or the request is faulty (3), or what was asked for is not allowed (4).
pub(crate) fn ask(state_dir: &Path, method: Method, path: &str, body: &Value) -> Result<Value, Failure> {
    block_on(ask_within(state_dir, method, path, body))
}

/// The same for whoever waits for several things at once.
pub(crate) async fn ask_within(
    state_dir: &Path,
    method: Method,
    path: &str,
    body: &Value,
) -> Result<Value, Failure> {
    let asked = tokio::time::timeout(ANSWER_WITHIN, exchange(state_dir, method, path, body)).await;
    let (status, answer) = match asked {
        Ok(Ok(answered)) => answered,
        Ok(Err(error)) => return Err(unreachable(state_dir, &error)),
        Err(_) => return Err(unreachable(state_dir, &anyhow!("it has not answered for {ANSWER_WITHIN:?}"))),
    };
    let why = || anyhow!("{}", answer["error"].as_str().unwrap_or("the gateway gives no reason"));
    match status {
        StatusCode::OK => Ok(answer),
        StatusCode::CONFLICT => Err(Failure::not_allowed(why())),
        StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST => Err(Failure::invalid(why())),
        _ => Err(Failure::internal(why())),
    }
}

fn unreachable(state_dir: &Path, error: &anyhow::Error) -> Failure {
    Failure::unreachable(anyhow!(
        "no gateway answers at {}: {error:#}; is one running with this `state_dir`, by the same user?",
        socket_path(state_dir).display()
    ))
}

async fn exchange(
    state_dir: &Path,
    method: Method,
    path: &str,
    body: &Value,
) -> anyhow::Result<(StatusCode, Value)> {
    let stream = connect(state_dir).await?;
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
    let request =
        Request::builder().method(method).uri(path).header(header::HOST, "gateway").body(Full::new(body))?;
    let (head, body) = sender.send_request(request).await?.into_parts();
    let answer = body.collect().await?.to_bytes();
    Ok((head.status, serde_json::from_slice(&answer).context("the answer is not JSON")?))
}
