//! Providers over TLS: trusted by the system's roots, by name, or not at all.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use support::{ACME, Client, Files, Map, PRIMARY_KEY, Program, tenants};
use testkit::{Provider, TlsFront};

/// `SSL_CERT_FILE` stands for the system's roots, so that nothing of the machine is changed.
async fn serve(files: &Files, roots: &str) -> Program {
    files.write("roots.pem", roots);
    let roots = files.path().join("roots.pem");
    Program::serve_with(files.path(), &[("SSL_CERT_FILE", roots.to_str().unwrap())]).await
}

fn map(host: &str, front: &TlsFront) -> String {
    let url = format!("https://{host}:{}/v1", front.address().port());
    Map::new(&url, "http://127.0.0.1:9/v1", "0%").text()
}

#[tokio::test]
async fn a_provider_over_tls_is_reached_and_its_connection_used_again() {
    let provider = Provider::builder("primary").require_key(PRIMARY_KEY).start().await;
    let front = TlsFront::start("localhost", provider.address()).await.unwrap();
    let files = Files::new("", &map("localhost", &front), &tenants());
    let program = serve(&files, front.authority_pem()).await;
    let mut client = Client::connect(program.address).await;
    for _ in 0..5 {
        assert_eq!(client.chat(ACME, r#"{"model":"summary"}"#).await.status, 200);
    }
    assert_eq!(
        provider.requests()[0].header("host"),
        Some(format!("localhost:{}", front.address().port()).as_str())
    );
}

#[tokio::test]
async fn a_certificate_of_another_name_or_authority_is_refused_before_anything_is_sent() {
    let provider = Provider::builder("primary").start().await;
    let front = TlsFront::start("localhost", provider.address()).await.unwrap();
    let stranger = TlsFront::start("localhost", provider.address()).await.unwrap();
    for (host, roots) in [("127.0.0.1", front.authority_pem()), ("localhost", stranger.authority_pem())] {
        let files = Files::new("", &map(host, &front), &tenants());
        let program = serve(&files, roots).await;
        let mut client = Client::connect(program.address).await;
        let answer = client.chat(ACME, r#"{"model":"summary"}"#).await;
        assert_eq!((answer.status.as_u16(), answer.error().0.as_str()), (502, "provider_unreachable"));
        assert!(answer.error().1.contains("TLS handshake failed"), "{}", answer.error().1);
    }
    assert_eq!(provider.count(), 0);
}

#[tokio::test]
async fn without_any_root_the_start_fails_with_the_remedy() {
    let provider = Provider::builder("primary").start().await;
    let front = TlsFront::start("localhost", provider.address()).await.unwrap();
    let files = Files::new("", &map("localhost", &front), &tenants());
    files.write("roots.pem", "");
    let settings = files.path().join("cometgate.toml");
    let refused = support::program::command(&["serve", "--config", settings.to_str().unwrap()])
        .env("SSL_CERT_FILE", files.path().join("roots.pem"))
        .env("SSL_CERT_DIR", files.path().join("nowhere"))
        .output()
        .await
        .unwrap();
    assert_eq!(refused.status.code(), Some(3));
    let message = String::from_utf8(refused.stderr).unwrap();
    assert!(
        message.contains("no trusted root certificates") && message.contains("SSL_CERT_FILE"),
        "{message}"
    );
}
