//! The admin socket of a gateway, and what its checks do with it.

use hyper::http::{HeaderValue, Method, Request};
use serde_json::{Value, json};
use tokio::net::UnixStream;

use super::client::{Answer, request};
use super::{Client, Files};

/// The key of checks, where [`CHECKS`] and [`Files::write_check_key`] are used.
pub(crate) const CHECK_KEY: &str = "cgk-checks-key-marker";

/// Settings with a key for checks.
pub(crate) const CHECKS: &str = "[checks]\nkey = { file = \"checks.key\" }\n";

/// The header that names a lease.
pub(crate) const LEASE: &str = "x-cometgate-check";

impl Files {
    /// Writes the key that [`CHECKS`] names.
    pub(crate) fn write_check_key(&self) {
        self.write("checks.key", &format!("{CHECK_KEY}\n"));
    }

    /// Asks the admin socket: status and answer.
    pub(crate) async fn admin(&self, method: Method, path: &str, body: &Value) -> (u16, Value) {
        let stream = UnixStream::connect(self.path().join("state/admin.sock")).await.unwrap();
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = Client::over(stream).await.send(request(method, path, "", &body)).await.unwrap();
        (answer.status.as_u16(), answer.json())
    }

    /// Takes a lease of `the-canary` on these terms besides, and returns its name.
    pub(crate) async fn lease(&self, terms: Value) -> String {
        let mut asked = json!({"route": "the-canary", "check_id": "c-1", "by": "kim"});
        asked.as_object_mut().unwrap().extend(terms.as_object().unwrap().clone());
        let (status, answer) = self.admin(Method::POST, "/checks/lease", &asked).await;
        assert_eq!(status, 200, "{answer}");
        answer["lease"].as_str().unwrap().to_owned()
    }

    /// What was seen of a lease.
    pub(crate) async fn seen(&self, lease: &str) -> Value {
        let path = format!("/checks/seen?lease={lease}&after=0");
        let (status, answer) = self.admin(Method::GET, &path, &Value::Null).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }
}

/// A request of a lease.
pub(crate) fn leased(
    path: &str,
    key: &str,
    lease: &str,
    body: &str,
) -> Request<http_body_util::Full<bytes::Bytes>> {
    let mut request = request(Method::POST, path, key, body);
    request.headers_mut().insert(LEASE, HeaderValue::from_str(lease).unwrap());
    request
}

/// Chats as a check does.
pub(crate) async fn check(client: &mut Client, lease: &str, body: &str) -> Answer {
    client.send(leased("/v1/chat/completions", CHECK_KEY, lease, body)).await.unwrap()
}
