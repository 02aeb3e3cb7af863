//! The yardstick: the least that a relay on our own stack can cost. Hidden subcommand `floor`.
//!
//! A bare hyper server and hyper's bare client connection, one thread, a stack of idle connections, bodies passed frame
//! by frame. It replaces the key as a gateway must, and does nothing else: no routing, limits, retries or timers. A
//! ratio to it says what the gateway itself costs, on any machine.

use std::cell::RefCell;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use anyhow::Result;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONNECTION, HOST, HeaderValue};
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

/// Serves on a free port, which it prints, until killed.
pub(crate) async fn serve(upstream: SocketAddr, key: &str) -> Result<()> {
    let relay = Rc::new(Relay {
        upstream,
        host: HeaderValue::try_from(upstream.to_string())?,
        authorization: HeaderValue::try_from(format!("Bearer {key}"))?,
        idle: RefCell::default(),
    });
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    println!("{}", listener.local_addr()?.port());
    std::io::stdout().flush()?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let relay = Rc::clone(&relay);
        tokio::task::spawn_local(async move {
            let service = service_fn(|request| forward(Rc::clone(&relay), request));
            let mut builder = http1::Builder::new();
            builder.header_read_timeout(None);
            // A client that leaves, or a provider that fails: the connection is gone either way.
            drop(builder.serve_connection(TokioIo::new(stream), service).await);
        });
    }
}

struct Relay {
    upstream: SocketAddr,
    host: HeaderValue,
    authorization: HeaderValue,
    /// Last in, first out: few connections stay busy and warm.
    idle: RefCell<Vec<SendRequest<Incoming>>>,
}

impl Relay {
    async fn connection(&self) -> Result<SendRequest<Incoming>> {
        loop {
            // A statement of its own, so that the stack is not borrowed while waiting.
            let idle = self.idle.borrow_mut().pop();
            let Some(mut connection) = idle else { break };
            if connection.ready().await.is_ok() {
                return Ok(connection);
            }
        }
        let stream = TcpStream::connect(self.upstream).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::task::spawn_local(connection);
        Ok(sender)
    }
}

async fn forward(relay: Rc<Relay>, mut request: Request<Incoming>) -> Result<Response<Relayed>> {
    let headers = request.headers_mut();
    headers.remove(CONNECTION);
    headers.insert(HOST, relay.host.clone());
    headers.insert(AUTHORIZATION, relay.authorization.clone());
    let mut connection = relay.connection().await?;
    let (mut head, body) = connection.send_request(request).await?.into_parts();
    head.headers.remove(CONNECTION);
    let mut relayed = Relayed { body, connection: Some(connection), relay };
    relayed.give_back_at_end();
    Ok(Response::from_parts(head, relayed))
}

/// A provider's body on its way to the client. Dropped early, it takes its connection with it.
struct Relayed {
    body: Incoming,
    connection: Option<SendRequest<Incoming>>,
    relay: Rc<Relay>,
}

impl Relayed {
    fn give_back_at_end(&mut self) {
        if self.body.is_end_stream() {
            self.relay.idle.borrow_mut().extend(self.connection.take());
        }
    }
}

impl Body for Relayed {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.body).poll_frame(context);
        match polled {
            Poll::Ready(Some(Ok(_))) => this.give_back_at_end(),
            Poll::Ready(None) => this.relay.idle.borrow_mut().extend(this.connection.take()),
            Poll::Ready(Some(Err(_))) | Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
