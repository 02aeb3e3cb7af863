//! What probes are told, and that none of it is served where applications connect.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use std::io::Read as _;
use std::net::SocketAddr;
use std::time::Duration;

use hyper::http::Method;
use support::client::request;
use support::wire::listen;
use support::{ACME, Client, FIRST, Files, LAST, Map, PRIMARY_KEY, Program, tenants};
use testkit::{Gate, Provider, Reply, Step};
use tokio::net::TcpStream;

const ADMIN: &str = "[admin]\nlisten = \"127.0.0.1:0\"\n";

async fn serve(primary: &Provider, settings: &str) -> (Program, Files, SocketAddr) {
    let map = Map::new(&primary.base_url(), "http://127.0.0.1:9/v1", "0%").text();
    let files = Files::new(settings, &map, &tenants());
    let (program, probes) = Program::serve_with_probes(&files).await;
    (program, files, probes)
}

async fn ask(address: SocketAddr, method: Method, path: &str) -> (u16, String) {
    let mut client = Client::connect(address).await;
    let answer = client.send(request(method, path, "", "")).await.unwrap();
    (answer.status.as_u16(), String::from_utf8(answer.body.to_vec()).unwrap())
}

#[tokio::test]
async fn probes_hear_that_it_is_up_and_ready_and_while_it_drains_that_it_is_not() {
    let primary = Provider::builder("primary").require_key(PRIMARY_KEY).start().await;
    let (mut program, _files, probes) = serve(&primary, ADMIN).await;
    assert_eq!(ask(probes, Method::GET, "/healthz").await, (200, "{\"status\":\"up\"}\n".to_owned()));
    let (status, ready) = ask(probes, Method::GET, "/readyz").await;
    assert_eq!(status, 200);
    assert!(ready.contains("\"route_version\":\"test.1\""), "{ready}");
    assert_eq!(ask(probes, Method::POST, "/readyz").await.0, 405);
    for path in ["/", "/metrics/", "/v1/models", "/v1/chat/completions", "/healthz/", "/HEALTHZ", "//healthz"]
    {
        assert_eq!(ask(probes, Method::GET, path).await.0, 404, "{path}");
    }

    let gate = Gate::new();
    let steps = vec![Step::chunk(FIRST), Step::Wait(gate.clone()), Step::chunk(LAST)];
    primary.once("POST", "/v1/chat/completions", Reply::sse(steps));
    let mut client = Client::connect(program.address).await;
    let stream = r#"{"model":"summary","stream":true}"#;
    let answer = client.start(request(Method::POST, "/v1/chat/completions", ACME, stream)).await.unwrap();
    program.terminate();
    program.logged("ending:").await;
    let (status, draining) = ask(probes, Method::GET, "/readyz").await;
    assert_eq!(status, 503);
    assert!(draining.contains("\"draining\"") && draining.contains("\"reason\""), "{draining}");
    assert_eq!(ask(probes, Method::GET, "/healthz").await.0, 200);
    gate.open();
    drop(http_body_util::BodyExt::collect(answer.into_body()).await.unwrap());
    assert_eq!(program.ended().await, 0);
}

/// A page of thousands of series travels every 15 seconds.
#[tokio::test]
async fn metrics_come_compressed_to_whoever_takes_them_so() {
    let primary = Provider::builder("primary").require_key(PRIMARY_KEY).start().await;
    let (_program, _files, probes) = serve(&primary, ADMIN).await;
    let mut asked = request(Method::GET, "/metrics", "", "");
    asked.headers_mut().insert("accept-encoding", "gzip".parse().unwrap());
    let answer = Client::connect(probes).await.send(asked).await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.header("content-encoding")), (200, "gzip"));
    let mut page = String::new();
    flate2::read::GzDecoder::new(&answer.body[..]).read_to_string(&mut page).unwrap();
    assert!(page.contains("\ncometgate_build_info{") && page.len() > 2 * answer.body.len(), "{page}");
    let (_, plain) = ask(probes, Method::GET, "/metrics").await;
    assert!(plain.contains("\ncometgate_build_info{"));
}

/// Everything that is served in public stands below /v1, with a key or without, in whatever spelling.
#[tokio::test]
async fn the_public_listener_serves_nothing_but_the_api() {
    let primary = Provider::builder("primary").require_key(PRIMARY_KEY).start().await;
    let (program, _files, _probes) = serve(&primary, ADMIN).await;
    let mut client = Client::connect(program.address).await;
    let outside = [
        "/",
        "/healthz",
        "/readyz",
        "/livez",
        "/health",
        "/status",
        "/metrics",
        "/admin",
        "/admin/",
        "/debug/pprof",
        "/config",
        "/routes",
        "/v1",
        "/v2/models",
        "/V1/models",
        "/favicon.ico",
        "/robots.txt",
        "/.well-known/x",
        "/v1/../healthz",
        "/v1/%2e%2e/healthz",
        "/v1//healthz",
        "/%68ealthz",
        "/healthz?x=/v1/models",
        "/healthz/v1/models",
    ];
    for path in outside {
        for key in [ACME, "cgk-nobodys"] {
            for method in [Method::GET, Method::POST, Method::HEAD, Method::OPTIONS, Method::DELETE] {
                let answer = client.send(request(method.clone(), path, key, "")).await.unwrap();
                assert!(
                    matches!(answer.status.as_u16(), 400 | 404 | 405),
                    "{method} {path}: {}",
                    answer.status
                );
            }
        }
    }
    assert_eq!(primary.count(), 0);
    assert_eq!(client.send(request(Method::GET, "/v1/models", ACME, "")).await.unwrap().status, 200);
    // What the gateway does not know below /v1 is the provider's to answer: no name there is the gateway's own.
    for path in ["/v1/healthz", "/v1/readyz", "/v1/metrics", "/v1/admin"] {
        client.send(request(Method::GET, path, ACME, "")).await.unwrap();
        assert_eq!(primary.requests().last().unwrap().path(), path);
    }
}

#[tokio::test]
async fn there_are_no_probes_unless_asked_for_and_a_taken_port_is_a_reason_not_to_start() {
    let primary = Provider::builder("primary").require_key(PRIMARY_KEY).start().await;
    let map = Map::new(&primary.base_url(), "http://127.0.0.1:9/v1", "0%").text();
    let files = Files::new("", &map, &tenants());
    let mut program = Program::serve(&files).await;
    program.terminate();
    assert_eq!(program.ended().await, 0);
    assert!(program.has_not_logged("probes are answered").await);

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    files.write("cometgate.toml", &format!("listen = \"127.0.0.1:0\"\n[admin]\nlisten = \"{address}\"\n"));
    let (code, _, said) = files.run(&["serve"]).await;
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("`[admin]`"), "{said}");
}

#[tokio::test]
async fn a_probe_that_says_nothing_is_let_go() {
    let primary = Provider::builder("primary").start().await;
    let (_program, _files, probes) = serve(&primary, ADMIN).await;
    let mut silent = TcpStream::connect(probes).await.unwrap();
    assert!(listen(&mut silent, Duration::from_secs(20)).await.closed);
}
