//! HTTP/2 towards a provider: requests share connections, and an end of one is not the end of another.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use testkit::{Gate, Provider, Reply, Step, TlsFront, TlsFrontOptions};
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;
use upstream::{Address, Http2, Lease, Origin, RequestBody, Scheme, SendError, SendErrorKind, TlsClient};

async fn front(behind: std::net::SocketAddr, protocol: &'static str) -> TlsFront {
    let options = TlsFrontOptions { protocol, ..TlsFrontOptions::default() };
    TlsFront::start_with("localhost", behind, options).await.unwrap()
}

fn origin(front: &TlsFront, max_streams: usize) -> Arc<Origin> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(front.authority_pem().as_bytes()).unwrap()).unwrap();
    let tls = TlsClient::new(roots, None, [0; 32]).unwrap();
    let address = Address {
        scheme: Scheme::Https,
        host: "localhost".into(),
        port: front.address().port(),
        base_path: String::new(),
        connect_timeout: Duration::from_secs(10),
        http2: Some(Http2 { stream_window: 1 << 18, connection_window: 1 << 30, max_streams }),
        allow_private: false,
    };
    Arc::new(Origin::new(address, Some(&tls), 1).unwrap())
}

async fn post(origin: &Origin, path: &str) -> Result<(Response<Incoming>, Lease), SendError> {
    let mut request = Request::new(RequestBody::whole(Bytes::from_static(b"{}")));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = path.parse().unwrap();
    origin.send(0, request).await
}

async fn whole(answer: (Response<Incoming>, Lease)) -> Bytes {
    let bytes = answer.0.into_body().collect().await.unwrap().to_bytes();
    answer.1.release();
    bytes
}

#[tokio::test]
async fn a_connection_takes_so_many_requests_and_the_next_gets_another() {
    let gate = Gate::new();
    let provider =
        Provider::builder("p").on("POST", "/held", Reply::json(200, &serde_json::json!({})).gated(&gate));
    let provider = provider.start().await;
    let front = front(provider.address(), "h2").await;
    let origin = origin(&front, 4);
    let requests: Vec<_> = (0..10)
        .map(|_| {
            let origin = Arc::clone(&origin);
            tokio::spawn(async move { whole(post(&origin, "/held").await.unwrap()).await })
        })
        .collect();
    provider.wait_requests(10).await;
    assert_eq!(front.accepted(), 3);
    gate.open();
    for request in requests {
        request.await.unwrap();
    }
    // There is room again, so that nothing more is connected.
    for _ in 0..10 {
        whole(post(&origin, "/held").await.unwrap()).await;
    }
    assert_eq!(front.accepted(), 3);
    let seen = &provider.requests()[0];
    assert_eq!(seen.header("host"), None);
    assert_eq!(seen.header("content-length"), Some("2"));
}

#[tokio::test]
async fn a_request_that_is_given_up_is_reset_at_once_and_its_neighbour_goes_on() {
    let gate = Gate::new();
    let provider = Provider::builder("p").on("POST", "/hang", Reply::hang_before_head());
    let stream = Reply::sse(vec![Step::chunk("a"), Step::Wait(gate.clone()), Step::chunk("b")]);
    let provider = provider.on("POST", "/stream", stream).start().await;
    let front = front(provider.address(), "h2").await;
    let origin = origin(&front, 64);
    let neighbour = post(&origin, "/stream").await.unwrap();
    let mut slowest = Duration::ZERO;
    for round in 1..=5 {
        // Before its head.
        let (asking, provider) = (Arc::clone(&origin), &provider);
        let asked = tokio::spawn(async move { post(&asking, "/hang").await.map(|_| ()) });
        provider.wait_requests(2 * round).await;
        let began = Instant::now();
        asked.abort();
        provider.wait_aborted(2 * round - 1).await;
        slowest = slowest.max(began.elapsed());
        // In the middle of its answer.
        let answer = post(&origin, "/stream").await.unwrap();
        let began = Instant::now();
        drop(answer);
        provider.wait_aborted(2 * round).await;
        slowest = slowest.max(began.elapsed());
    }
    assert!(slowest < Duration::from_millis(100), "{slowest:?}");
    gate.open();
    assert_eq!(whole(neighbour).await, "ab");
    assert_eq!(front.accepted(), 1);
}

#[tokio::test]
async fn a_provider_that_does_not_negotiate_http2_gets_no_request() {
    let provider = Provider::builder("p").start().await;
    for protocol in ["http/1.1", ""] {
        let front = front(provider.address(), protocol).await;
        let error = post(&origin(&front, 64), "/x").await.unwrap_err();
        assert_eq!(error.kind, SendErrorKind::Tls);
        assert!(error.to_string().contains("ALPN"), "{error}");
    }
    assert_eq!(provider.count(), 0);
}

/// Says goodbye (GOAWAY) on every connection as soon as it is told, and finishes what has begun.
async fn leaving(goodbye: Arc<Notify>, held: Arc<Semaphore>) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (goodbye, held) = (Arc::clone(&goodbye), Arc::clone(&held));
            tokio::spawn(async move {
                let service = service_fn(move |request: Request<Incoming>| {
                    let held = Arc::clone(&held);
                    async move {
                        if request.uri().path() == "/held" {
                            held.acquire().await.unwrap().forget();
                        }
                        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"done"))))
                    }
                });
                let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), service);
                let mut connection = std::pin::pin!(connection);
                tokio::select! {
                    ended = connection.as_mut() => return drop(ended),
                    () = goodbye.notified() => connection.as_mut().graceful_shutdown(),
                }
                drop(connection.await);
            });
        }
    });
    address
}

#[tokio::test]
async fn a_connection_that_says_goodbye_is_replaced_and_finishes_what_it_has() {
    let (goodbye, held) = (Arc::new(Notify::new()), Arc::new(Semaphore::new(0)));
    let front = front(leaving(Arc::clone(&goodbye), Arc::clone(&held)).await, "h2").await;
    let origin = origin(&front, 64);
    assert_eq!(whole(post(&origin, "/x").await.unwrap()).await, "done");
    let under_way = {
        let origin = Arc::clone(&origin);
        tokio::spawn(async move { whole(post(&origin, "/held").await.unwrap()).await })
    };
    tokio::time::sleep(Duration::from_millis(100)).await;
    goodbye.notify_waiters();
    // At whatever moment the goodbye arrives: nothing is lost.
    for _ in 0..20 {
        assert_eq!(whole(post(&origin, "/x").await.unwrap()).await, "done");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(front.accepted(), 2);
    held.add_permits(1);
    assert_eq!(under_way.await.unwrap(), "done");
}

/// Of a provider that nobody is to use any more.
#[tokio::test]
async fn connections_that_are_let_go_of_close_when_their_last_request_ends() {
    let gate = Gate::new();
    let stream = Reply::sse(vec![Step::chunk("a"), Step::Wait(gate.clone()), Step::chunk("b")]);
    let provider = Provider::builder("p").on("POST", "/stream", stream).start().await;
    let front = front(provider.address(), "h2").await;
    let origin = origin(&front, 64);
    assert_eq!(origin.connections(), 0);
    let answer = post(&origin, "/stream").await.unwrap();
    origin.close_idle();
    assert_eq!(origin.connections(), 1, "one that is in use stays");
    gate.open();
    assert_eq!(whole(answer).await, "ab");
    let deadline = Instant::now() + Duration::from_secs(20);
    while origin.connections() > 0 {
        assert!(Instant::now() < deadline, "it stays open");
        tokio::task::yield_now().await;
    }
    // Whoever needs it all the same gets another.
    assert_eq!(whole(post(&origin, "/stream").await.unwrap()).await, "ab");
    assert_eq!((origin.connections(), front.accepted()), (1, 2));
    origin.close_idle();
    while origin.connections() > 0 {
        assert!(Instant::now() < deadline, "one that is idle stays open");
        tokio::task::yield_now().await;
    }
}
