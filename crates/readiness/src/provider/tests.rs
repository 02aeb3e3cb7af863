use testkit::Reply;
use upstream::{Address, Scheme};

use super::*;

const PATIENCE: Duration = Duration::from_secs(10);

async fn scripted() -> (testkit::Provider, Provider) {
    let server = testkit::Provider::builder("cometapi").require_key("sk-real").start().await;
    let address = Address {
        scheme: Scheme::Http,
        host: server.address().ip().to_string(),
        port: server.address().port(),
        base_path: "/v1".to_owned(),
        connect_timeout: PATIENCE,
        http2: None,
        allow_private: true,
    };
    let provider = Provider {
        name: "cometapi".to_owned(),
        origin: Arc::new(Origin::new(address, None, 1).unwrap()),
        credential: Credential::bearer("sk-real").unwrap(),
        credential_header: CredentialHeader::Authorization,
        headers: HeaderMap::new(),
    };
    (server, provider)
}

fn models(auth: Auth) -> Message<'static> {
    Message { method: Method::GET, path: "/models", auth, body: None, timeout: PATIENCE }
}

#[tokio::test]
async fn each_auth_shows_what_it_says_and_nothing_else_differs() {
    let (server, provider) = scripted().await;
    let mut statuses = Vec::new();
    for auth in [Auth::Ours, Auth::Omitted, Auth::Invalid] {
        statuses.push(provider.ask(models(auth)).await.unwrap().status().as_u16());
    }
    assert_eq!(statuses, [200, 401, 401]);
    let shown: Vec<_> =
        server.requests().iter().map(|request| request.header("authorization").map(str::to_owned)).collect();
    let Credential::Ours(invalid) = Credential::invalid(CredentialHeader::Authorization) else {
        panic!("ours")
    };
    let invalid = invalid.to_str().unwrap();
    assert_eq!(shown, [Some("Bearer sk-real".to_owned()), None, Some(invalid.to_owned())]);
}

#[tokio::test]
async fn a_key_that_callers_bring_is_asked_for_and_never_made_up() {
    let (server, mut provider) = scripted().await;
    provider.credential = Credential::Client;
    assert!(matches!(provider.ask(models(Auth::Ours)).await, Err(Unanswered::NoKey)));
    assert_eq!(server.count(), 0);
}

#[tokio::test]
async fn a_redirect_is_an_answer() {
    let (server, provider) = scripted().await;
    server.on("GET", "/v1/models", Reply::new(301).header("location", "/v1/elsewhere"));
    assert_eq!(provider.ask(models(Auth::Ours)).await.unwrap().status(), 301);
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn an_answer_ends_in_time_and_in_bytes() {
    let (server, provider) = scripted().await;
    let long = provider.ask(models(Auth::Ours)).await.unwrap().whole(10).await;
    assert!(matches!(long, Err(Unanswered::TooLong(10))));
    server.on("GET", "/v1/models", Reply::hang_before_head());
    let timeout = Duration::from_millis(20);
    let late = provider.ask(Message { timeout, ..models(Auth::Ours) }).await;
    assert!(matches!(late, Err(Unanswered::Timeout(after)) if after == timeout));
    server.on("GET", "/v1/models", Reply::abort_before_head());
    assert!(matches!(provider.ask(models(Auth::Ours)).await, Err(Unanswered::Send(_))));
}
