//! `tls` of a provider: an authority of one's own, roots that are not the system's, a certificate that is shown.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use support::{ACME, Client, Files, Map, PRIMARY_KEY, Program, tenants};
use testkit::{Authority, Certified, Provider, TlsFront, TlsFrontOptions};

const BODY: &str = r#"{"model":"summary"}"#;

/// The map with lines for the primary.
fn map(version: &str, front: &TlsFront, lines: &str) -> String {
    let url = format!("https://localhost:{}/v1", front.address().port());
    let text = Map { version, ..Map::new(&url, "http://127.0.0.1:9/v1", "0%") }.text();
    text.replace(
        "credential = { env = \"PRIMARY_KEY\" }",
        &format!("credential = {{ env = \"PRIMARY_KEY\" }}\n{lines}"),
    )
}

async fn status(program: &Program) -> u16 {
    Client::connect(program.address).await.chat(ACME, BODY).await.status.as_u16()
}

fn write(files: &Files, certified: &Certified) {
    files.write("client.pem", &certified.certificate);
    files.write("client.key", &certified.key);
}

#[tokio::test]
async fn an_authority_of_ones_own_is_trusted_and_only_by_the_provider_that_names_it() {
    let provider = Provider::builder("primary").require_key(PRIMARY_KEY).start().await;
    let front = TlsFront::start("localhost", provider.address()).await.unwrap();
    let stranger = Authority::new().unwrap();
    let files = Files::new("", "", &tenants());
    let ca = files.path().join("ca.pem").display().to_string();
    files.write("ca.pem", front.authority_pem());
    // The system trusts somebody else.
    files.write("system.pem", &stranger.pem());
    files.write("routes.toml", &map("1", &front, &format!("tls = {{ ca = \"{ca}\" }}")));
    let system = files.path().join("system.pem").display().to_string();
    let mut program = Program::serve_with(files.path(), &[("SSL_CERT_FILE", &system)]).await;
    assert_eq!(status(&program).await, 200);
    let accepted = front.accepted();

    // A map that says the same keeps the connection; the roots beside `ca` make no difference to it.
    files.write("routes.toml", &map("2", &front, &format!("tls = {{ ca = \"{ca}\" }}")));
    program.logged("route map 2 is live").await;
    assert_eq!((status(&program).await, front.accepted()), (200, accepted));
    for (version, roots) in [("3", "none"), ("4", "bundled")] {
        let tls = format!("tls = {{ ca = \"{ca}\", roots = \"{roots}\" }}");
        files.write("routes.toml", &map(version, &front, &tls));
        program.logged(&format!("route map {version} is live")).await;
        assert_eq!(status(&program).await, 200, "{roots}");
    }
    for (version, tls) in [("5", ""), ("6", "tls = { roots = \"bundled\" }")] {
        files.write("routes.toml", &map(version, &front, tls));
        program.logged(&format!("route map {version} is live")).await;
        assert_eq!(status(&program).await, 502, "{tls}");
    }
}

#[tokio::test]
async fn a_certificate_is_shown_and_another_is_shown_once_its_files_have_changed() {
    let provider = Provider::builder("primary").require_key(PRIMARY_KEY).start().await;
    let clients = Authority::new().unwrap();
    let options = TlsFrontOptions { clients: Some(clients.pem()), ..TlsFrontOptions::default() };
    let front = TlsFront::start_with("localhost", provider.address(), options).await.unwrap();
    let files = Files::new("", "", &tenants());
    files.write("ca.pem", front.authority_pem());
    write(&files, &Authority::new().unwrap().certify("gateway").unwrap());
    let at = files.path().display();
    let tls = format!(
        "tls = {{ ca = \"{at}/ca.pem\", roots = \"none\", client_certificate = \"{at}/client.pem\", client_key = \"{at}/client.key\" }}"
    );
    files.write("routes.toml", &map("1", &front, &tls));
    let mut program = Program::serve(&files).await;
    // Signed by nobody whom the provider trusts.
    assert_eq!(status(&program).await, 502);
    let good = clients.certify("gateway").unwrap();
    write(&files, &good);
    program.logged("a provider's key or certificate has changed and is in use").await;
    assert_eq!(status(&program).await, 200);

    // A key of another certificate, and a file that is none: what is in use stays.
    for (name, text) in [
        ("client.key", clients.certify("other").unwrap().key),
        ("client.pem", "-----BEGIN CERTIFICATE-----\nSECRET".to_owned()),
        ("ca.pem", String::new()),
    ] {
        files.write(name, &text);
        program.logged("cannot be used, so the old one stays").await;
        assert_eq!(status(&program).await, 200, "{name}");
    }

    // At the start, or in a new map, it is a problem of the map.
    files.write("routes.toml", &map("2", &front, &tls));
    let refused = program.logged("provider `openai`").await;
    assert!(refused.contains("ca.pem") && refused.contains("holds no certificate"), "{refused}");
}
