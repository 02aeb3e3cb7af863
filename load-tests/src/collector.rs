//! A collector of OpenTelemetry that takes everything and keeps nothing but the number of messages: what a gateway with
//! everything on sends to. Not `testkit`'s, which keeps what it gets.

use std::cell::Cell;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;

use anyhow::Result;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// A running collector, on this thread, until the program ends.
pub(crate) struct Collector {
    address: SocketAddr,
    taken: Rc<Cell<u64>>,
}

impl Collector {
    /// Starts it on a free port.
    pub(crate) async fn start() -> Result<Collector> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let taken = Rc::new(Cell::new(0));
        tokio::task::spawn_local(accept(listener, Rc::clone(&taken)));
        Ok(Collector { address, taken })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many messages have come: none would mean that what is called "everything on" is not.
    pub(crate) fn taken(&self) -> u64 {
        self.taken.get()
    }
}

async fn accept(listener: TcpListener, taken: Rc<Cell<u64>>) -> Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        let taken = Rc::clone(&taken);
        tokio::task::spawn_local(async move {
            let service = service_fn(move |request| take(Rc::clone(&taken), request));
            let mut builder = http1::Builder::new();
            builder.header_read_timeout(None);
            // A gateway that ends is no concern of its collector.
            drop(builder.serve_connection(TokioIo::new(stream), service).await);
        });
    }
}

/// An empty message is a full success: OTLP/HTTP, "full success".
async fn take(
    taken: Rc<Cell<u64>>,
    request: Request<Incoming>,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    let mut body = request.into_body();
    while let Some(Ok(_)) = body.frame().await {}
    taken.set(taken.get() + 1);
    Ok(Response::new(Empty::new()))
}
