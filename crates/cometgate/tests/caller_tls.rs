//! TLS towards callers: both protocols, tenants by certificate, files that change, and peers that never finish.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::http::{Method, Request, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use support::client::request;
use support::tls::{Caller, fingerprint, write};
use support::wire::listen;
use support::{ACME, Client, FIRST, Files, GLOBEX, LAST, Map, PRIMARY_KEY, Program, hash, tenants};
use testkit::{Authority, Gate, Provider, Reply, Step};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;

const TLS: &str = "[tls]\ncertificate = \"gateway.pem\"\nkey = \"gateway.key\"\n";
const BODY: &str = r#"{"model":"summary"}"#;
const PATH: &str = "/v1/chat/completions";

struct Gateway {
    program: Program,
    files: Files,
    authority: Authority,
    primary: Provider,
}

impl Gateway {
    /// `tls` stands within `[tls]`, `settings` before it.
    async fn start(settings: &str, tls: &str, tenants: &str) -> Gateway {
        let primary = Provider::builder("primary").require_key(PRIMARY_KEY).start().await;
        let map = Map::new(&primary.base_url(), "http://127.0.0.1:9/v1", "0%").text();
        let files = Files::new(&format!("{settings}\n{TLS}{tls}"), &map, tenants);
        let authority = Authority::new().unwrap();
        write(&files, &authority.certify("gateway.test").unwrap());
        files.write("clients.pem", &authority.pem());
        let program = Program::serve(&files).await;
        Gateway { program, files, authority, primary }
    }

    fn caller(&self, speaks: &'static str) -> Caller<'_> {
        Caller { trusts: &self.authority, shows: None, speaks }
    }

    async fn client(&self, caller: Caller<'_>) -> Client {
        Client::over(caller.connect(self.program.address).await.unwrap()).await
    }
}

fn without_key() -> Request<Full<Bytes>> {
    let mut request = request(Method::POST, PATH, "", BODY);
    request.headers_mut().remove("authorization");
    request
}

#[tokio::test]
async fn both_protocols_are_negotiated_and_cleartext_is_not_answered() {
    let gateway = Gateway::start("", "", &tenants()).await;
    let mut client = gateway.client(gateway.caller("http/1.1")).await;
    for _ in 0..3 {
        assert_eq!(client.chat(ACME, BODY).await.status, 200);
    }

    let stream = gateway.caller("h2").connect(gateway.program.address).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut request = request(Method::POST, PATH, ACME, BODY);
    request.headers_mut().remove("host");
    *request.uri_mut() = format!("https://gateway.test{PATH}").parse().unwrap();
    let answer = sender.send_request(request).await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.into_body().collect().await.unwrap();

    let mut plain = TcpStream::connect(gateway.program.address).await.unwrap();
    plain.write_all(b"GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let heard = listen(&mut plain, Duration::from_secs(5)).await;
    assert!(heard.closed && heard.statuses().is_empty(), "{:?}", heard.text());
}

#[tokio::test]
async fn whoever_does_not_finish_the_handshake_or_begin_the_protocol_is_let_go() {
    let limits = "[limits]\nheader_timeout_ms = 400\n";
    let gateway = Gateway::start(limits, "", &tenants()).await;
    let address = gateway.program.address;
    let began = Instant::now();
    let mut silent = TcpStream::connect(address).await.unwrap();
    let mut halting = TcpStream::connect(address).await.unwrap();
    halting.write_all(&[0x16, 0x03, 0x01, 0x02]).await.unwrap();
    let mut mute = gateway.caller("h2").connect(address).await.unwrap();
    let mut idle = gateway.caller("http/1.1").connect(address).await.unwrap();
    for (name, closed) in [
        ("silent", silent.read_to_end(&mut Vec::new()).await.is_ok()),
        ("halting", halting.read_to_end(&mut Vec::new()).await.is_ok()),
    ] {
        assert!(closed, "{name}");
    }
    // What TLS or HTTP/2 says for goodbye does not matter, but that it ends does.
    mute.read_to_end(&mut Vec::new()).await.ok();
    idle.read_to_end(&mut Vec::new()).await.ok();
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert!(began.elapsed() >= Duration::from_millis(400), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_caller_that_leaves_or_stops_reading_ends_its_request_over_tls_too() {
    let limits = "[limits]\nwrite_stall_timeout_ms = 500\n";
    let gateway = Gateway::start(limits, "", &tenants()).await;
    let gate = Gate::new();
    let begins = vec![Step::chunk(FIRST), Step::Wait(gate.clone()), Step::chunk(LAST)];
    gateway.primary.once("POST", PATH, Reply::sse(begins));
    let mut client = gateway.client(gateway.caller("http/1.1")).await;
    let stream = r#"{"model":"summary","stream":true}"#;
    let answer = client.start(request(Method::POST, PATH, ACME, stream)).await.unwrap();
    assert_eq!(answer.status(), 200);
    client.leave();
    drop(answer);
    gateway.primary.wait_aborted(1).await;

    // One that reads nothing: the rest may all have gone into buffers of TLS, and it must be noticed all the same.
    let much: String = std::iter::repeat_n(FIRST, 400_000).collect();
    gateway.primary.once("POST", PATH, Reply::sse(vec![Step::chunk(much), Step::chunk(LAST)]));
    let mut stalled = gateway.caller("http/1.1").connect(gateway.program.address).await.unwrap();
    let length = stream.len();
    let head = format!(
        "POST {PATH} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {ACME}\r\ncontent-length: {length}\r\n\r\n{stream}"
    );
    stalled.write_all(head.as_bytes()).await.unwrap();
    stalled.flush().await.unwrap();
    gateway.primary.wait_aborted(2).await;
}

fn tenants_by_certificate(acme: &str, globex: &str) -> String {
    format!(
        "version = \"1\"\n[tenants.acme]\nkey_sha256 = [\"{}\"]\nclient_certificate_sha256 = [\"{acme}\"]\n\
         [tenants.globex]\nkey_sha256 = [\"{}\"]\nclient_certificate_sha256 = [\"{globex}\"]\n\
         allowed_aliases = [\"other\"]\n# end 1\n",
        hash(ACME),
        hash(GLOBEX)
    )
}

#[tokio::test]
async fn a_certificate_names_the_tenant_and_a_key_beside_it_must_agree() {
    let tls = "client_ca = \"clients.pem\"\nclient_certificates = \"optional\"\n";
    let mut gateway = Gateway::start("", tls, &tenants()).await;
    let [acme, globex, unlisted] =
        ["acme", "globex", "nobody"].map(|name| gateway.authority.certify(name).unwrap());
    let listed = tenants_by_certificate(&fingerprint(&acme), &fingerprint(&globex));
    gateway.files.write("tenants.toml", &listed.replace("\"1\"", "\"2\"").replace("end 1", "end 2"));
    gateway.program.logged("tenants 2").await;

    let showing = |shown| Caller { shows: Some(shown), ..gateway.caller("http/1.1") };
    let mut client = gateway.client(showing(&acme)).await;
    assert_eq!(client.send(without_key()).await.unwrap().status, 200);
    assert_eq!(client.chat(ACME, BODY).await.status, 200);
    for key in [GLOBEX, "cgk-nobodys", "sk-own"] {
        let answer = client.chat(key, BODY).await;
        let expected = if key == GLOBEX { "key_and_certificate_differ" } else { "invalid_api_key" };
        assert_eq!((answer.status, answer.error().0.as_str()), (StatusCode::UNAUTHORIZED, expected), "{key}");
    }
    // The other tenant is another: it may not use this alias.
    let mut other = gateway.client(showing(&globex)).await;
    assert_eq!(other.send(without_key()).await.unwrap().status, 404);
    // Signed and not listed, or none at all: nobody; with a key, whose it is.
    for shows in [Some(&unlisted), None] {
        let mut client = gateway.client(Caller { shows, ..gateway.caller("http/1.1") }).await;
        let answer = client.send(without_key()).await.unwrap();
        assert_eq!((answer.status.as_u16(), answer.error().0.as_str()), (401, "missing_api_key"));
        assert_eq!(client.chat(GLOBEX, r#"{"model":"other"}"#).await.status, 200);
    }
    // Signed by somebody else: no connection, or none that answers.
    let stranger = Authority::new().unwrap().certify("acme").unwrap();
    let refused = showing(&stranger).connect(gateway.program.address).await;
    if let Ok(mut stream) = refused {
        assert!(stream.read_to_end(&mut Vec::new()).await.is_err());
    }
    // Taken out of the list: from the next request on, over the connection that stands.
    gateway.files.write("tenants.toml", &tenants().replace("\"1\"", "\"3\"").replace("end 1", "end 3"));
    gateway.program.logged("tenants 3").await;
    assert_eq!(client.send(without_key()).await.unwrap().status, 401);
}

#[tokio::test]
async fn without_a_certificate_there_is_no_connection_where_one_is_required() {
    let tls = "client_ca = \"clients.pem\"\nclient_certificates = \"required\"\n";
    let gateway = Gateway::start("", tls, &tenants()).await;
    // In TLS 1.3 a client has finished before the server judges; the refusal comes with the first read.
    if let Ok(mut stream) = gateway.caller("http/1.1").connect(gateway.program.address).await {
        assert!(stream.read_to_end(&mut Vec::new()).await.is_err());
    }
    let shown = gateway.authority.certify("acme").unwrap();
    let caller = Caller { shows: Some(&shown), ..gateway.caller("http/1.1") };
    assert_eq!(gateway.client(caller).await.chat(ACME, BODY).await.status, 200);
}

#[tokio::test]
async fn changed_files_are_served_without_cutting_anybody_and_broken_ones_change_nothing() {
    let mut gateway = Gateway::start("", "", &tenants()).await;
    let gate = Gate::new();
    let begins = vec![Step::chunk(FIRST), Step::Wait(gate.clone()), Step::chunk(LAST)];
    gateway.primary.once("POST", PATH, Reply::sse(begins));
    let mut streaming = gateway.client(gateway.caller("http/1.1")).await;
    let stream = request(Method::POST, PATH, ACME, r#"{"model":"summary","stream":true}"#);
    let under_way = streaming.start(stream).await.unwrap();

    // Half of a pair, garbage, nothing: what is served stays.
    let next = Authority::new().unwrap();
    let renewed = next.certify("gateway.test").unwrap();
    for (name, text) in [
        ("gateway.pem", renewed.certificate.as_str()),
        ("gateway.pem", "-----BEGIN CERTIFICATE-----\nSECRET\n"),
        ("gateway.key", ""),
    ] {
        gateway.files.write(name, text);
        let line = gateway.program.logged("the old one stays").await;
        assert!(!line.contains("SECRET"), "{line}");
        assert_eq!(gateway.client(gateway.caller("http/1.1")).await.chat(ACME, BODY).await.status, 200);
    }
    write(&gateway.files, &renewed);
    gateway.program.logged("has changed and is in use").await;
    let trusting = Caller { trusts: &next, ..gateway.caller("http/1.1") };
    assert_eq!(gateway.client(trusting).await.chat(ACME, BODY).await.status, 200);
    assert!(gateway.caller("http/1.1").connect(gateway.program.address).await.is_err());

    gate.open();
    let body = under_way.into_body().collect().await.unwrap().to_bytes();
    assert!(body.ends_with(b"data: [DONE]\n\n"), "{body:?}");
}

#[tokio::test]
async fn files_that_cannot_be_used_are_a_reason_not_to_start() {
    let authority = Authority::new().unwrap();
    let (one, other) = (authority.certify("a.test").unwrap(), authority.certify("b.test").unwrap());
    let cases = [
        ("", one.key.as_str(), "holds no certificate"),
        (one.certificate.as_str(), "", "holds no unencrypted private key"),
        (one.certificate.as_str(), other.key.as_str(), "cannot be used with its key"),
    ];
    for (certificate, key, expected) in cases {
        let map = Map::new("http://127.0.0.1:9/v1", "http://127.0.0.1:9/v1", "0%").text();
        let files = Files::new(TLS, &map, &tenants());
        files.write("gateway.pem", certificate);
        files.write("gateway.key", key);
        let (code, _, said) = files.run(&["serve"]).await;
        assert_eq!(code, 3, "{said}");
        assert!(said.contains(expected), "{said}");
    }
}

#[tokio::test]
async fn a_certificate_that_ends_soon_or_has_ended_is_spoken_of() {
    let mut gateway = Gateway::start("", "", &tenants()).await;
    let soon = std::time::SystemTime::now() + Duration::from_secs(13 * 86_400 + 3600);
    write(&gateway.files, &gateway.authority.certify_until("gateway.test", soon).unwrap());
    let line = gateway.program.logged("ends at").await;
    assert!(line.contains("WARN") && line.contains("gateway.pem") && line.contains("in 13 days"), "{line}");
    write(&gateway.files, &gateway.authority.certify_until("gateway.test", std::time::UNIX_EPOCH).unwrap());
    let line = gateway.program.logged("callers refuse it").await;
    assert!(line.contains("ERROR") && line.contains("1970-01-01"), "{line}");
}
