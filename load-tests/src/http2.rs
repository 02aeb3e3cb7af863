//! Load over HTTP/2: few connections, each shared by several workers, which wait for their answers.
//!
//! The client is hyper's, which costs the load's core more than the client of HTTP/1.1 does; the target's CPU, which is what
//! is measured, is not touched by that.

use std::rc::Rc;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::Request;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::task::JoinSet;

use crate::client::connect;
use crate::clock;
use crate::measured::{Measured, Window, join, watch};
use crate::request::{Ask, body};
use crate::tally::Tally;
use crate::target::Target;

type Sender = SendRequest<Full<Bytes>>;

/// Keeps that many streams busy on each of so many connections, with small requests.
pub(crate) async fn run(
    target: &Target,
    connections: usize,
    streams: usize,
    window: Window,
) -> Result<Measured> {
    let tally = Rc::new(Tally::new()?);
    let mut workers = JoinSet::new();
    for _ in 0..connections {
        let sender = open(target).await?;
        for _ in 0..streams {
            let mut sender = sender.clone();
            let (tally, ask) = (Rc::clone(&tally), Prepared::of(target));
            workers.spawn_local(async move {
                while !tally.stop.get() {
                    let due = clock::now();
                    ask.exchange(&mut sender).await?;
                    tally.answered(due);
                }
                Ok(())
            });
        }
    }
    let measured = watch(&mut workers, tally, target.pid(), window).await?;
    join(&mut workers).await?;
    Ok(measured)
}

/// One small request over a connection of its own.
pub(crate) async fn ask_once(target: &Target) -> Result<()> {
    Prepared::of(target).exchange(&mut open(target).await?).await
}

async fn open(target: &Target) -> Result<Sender> {
    let stream = TokioIo::new(connect(target.address()).await?);
    let (sender, connection) = http2::handshake(TokioExecutor::new(), stream).await?;
    tokio::task::spawn_local(connection);
    Ok(sender)
}

struct Prepared {
    uri: String,
    authorization: String,
    body: Bytes,
}

impl Prepared {
    fn of(target: &Target) -> Prepared {
        let (key, model) = target.caller(0);
        Prepared {
            uri: format!("http://{}/v1/chat/completions", target.address()),
            authorization: format!("Bearer {key}"),
            body: body(&model, Ask::Small).into(),
        }
    }

    async fn exchange(&self, sender: &mut Sender) -> Result<()> {
        let request = Request::post(&self.uri)
            .header(AUTHORIZATION, &self.authorization)
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(self.body.clone()))?;
        sender.ready().await?;
        let answer = sender.send_request(request).await.context("cannot send")?;
        let status = answer.status();
        let body = answer.into_body().collect().await.context("cannot read")?.to_bytes();
        ensure!(status == 200, "status {status}: {}", String::from_utf8_lossy(&body));
        ensure!(!body.is_empty(), "an answer without a body");
        Ok(())
    }
}
