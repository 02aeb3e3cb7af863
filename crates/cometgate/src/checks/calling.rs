//! The running gateway as checks use it: asked over its admin socket, and called at its public listener by the way that any
//! caller takes.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use bytes::Bytes;
use config::{BaseUrl, ClientCertificates, Scheme, Settings};
use decisions::plan::CredentialHeader;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use readiness::{
    Auth, CheckRequest, Gateway, GatewayError, LeaseTerms, Leased, Message, Provider, Reply, Seen,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use upstream::{Address, Credential, Origin, TlsClient};

use crate::checks::key::show_key;
use crate::control_client::ask_within;
use crate::exit::{Exit, Failure};
use crate::pem;

/// Names the lease of a request.
const LEASE: HeaderName = HeaderName::from_static("x-cometgate-check");

/// It is on this machine.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// Bytes of an answer that are read: what a check asks for is short.
const LONGEST_ANSWER: usize = 4 << 20;

/// The gateway of a state directory.
#[derive(Debug)]
pub(crate) struct CalledGateway {
    state_dir: PathBuf,
    credential: Credential,
    tls: Option<TlsClient>,
    /// The listener that was called last, with its connections.
    called: Mutex<Option<(String, Arc<Origin>)>>,
}

impl CalledGateway {
    /// The one that these settings are of.
    ///
    /// # Errors
    /// There is no key for checks, or callers need a certificate (3).
    pub(crate) fn of(settings: &Settings) -> Result<CalledGateway, Failure> {
        let credential = Credential::bearer(&show_key(settings)?).map_err(Failure::invalid)?;
        let tls = settings.tls.as_ref().map(|tls| {
            if tls.client_certificates == ClientCertificates::Required {
                return Err(anyhow!(
                    "callers must show a certificate here (`client_certificates = \"required\"`), and checks have none"
                ));
            }
            // The command may call it by another name than its certificate has; that it is this one is enough.
            let certificate = pem::certificates(&tls.certificate)?.swap_remove(0);
            let identity = Sha256::digest(&certificate).into();
            Ok(TlsClient::pinned(certificate, identity)?)
        });
        let tls = tls.transpose().context("the gateway's certificate").map_err(Failure::invalid)?;
        let (state_dir, called) = (settings.state_dir.clone(), Mutex::default());
        Ok(CalledGateway { state_dir, credential, tls, called })
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Result<T, GatewayError> {
        let answer = ask_within(&self.state_dir, method, path, body).await;
        let answer = answer.map_err(|failure| refused(&failure))?;
        serde_json::from_value(answer).map_err(|error| GatewayError::Internal(error.to_string()))
    }

    /// The public listener.
    fn origin(&self, listen: &str) -> anyhow::Result<Arc<Origin>> {
        let mut called = self.called.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, origin)) = called.as_ref().filter(|(known, _)| known == listen) {
            return Ok(Arc::clone(origin));
        }
        let url: BaseUrl = format!("{listen}/v1").parse()?;
        let is_tls = url.scheme == Scheme::Https;
        let address = Address {
            scheme: if is_tls { upstream::Scheme::Https } else { upstream::Scheme::Http },
            host: url.host,
            port: url.port,
            base_path: url.path,
            connect_timeout: CONNECT_WITHIN,
            http2: None,
            allow_private: true,
        };
        let origin = Arc::new(Origin::new(address, self.tls.as_ref().filter(|_| is_tls), 1)?);
        *called = Some((listen.to_owned(), Arc::clone(&origin)));
        Ok(origin)
    }

    /// The public listener, as a provider whose key is that of checks.
    fn listener(&self, leased: &Leased) -> anyhow::Result<Provider> {
        let headers = HeaderMap::from_iter([(LEASE, HeaderValue::try_from(&leased.lease)?)]);
        Ok(Provider {
            name: "the gateway".to_owned(),
            origin: self.origin(&leased.listen)?,
            credential: self.credential.clone(),
            credential_header: CredentialHeader::Authorization,
            headers,
        })
    }

    async fn try_send(
        &self,
        leased: &Leased,
        request: &CheckRequest,
        reply: &mut Reply,
    ) -> anyhow::Result<()> {
        let message = Message {
            method: Method::POST,
            path: request.endpoint.path(),
            auth: Auth::Ours,
            body: Some(request.body.clone()),
            timeout: request.timeout,
        };
        let mut answer = self.listener(leased)?.ask(message).await?;
        reply.status = Some(answer.status());
        reply.headers = answer.headers().clone();
        while let Some(bytes) = answer.chunk().await? {
            keep(&mut reply.body, &bytes)?;
        }
        Ok(())
    }
}

fn keep(body: &mut Vec<u8>, bytes: &Bytes) -> anyhow::Result<()> {
    if body.len() + bytes.len() > LONGEST_ANSWER {
        return Err(anyhow!("the answer has more than {LONGEST_ANSWER} bytes"));
    }
    body.extend_from_slice(bytes);
    Ok(())
}

impl Gateway for CalledGateway {
    async fn lease(&self, terms: &LeaseTerms) -> Result<Leased, GatewayError> {
        self.ask(Method::POST, "/checks/lease", &json!(terms)).await
    }

    async fn renew(&self, lease: &str, terms: Option<&LeaseTerms>) -> Result<(), GatewayError> {
        let mut said = terms.map_or_else(|| json!({}), |terms| json!(terms));
        said["lease"] = json!(lease);
        self.ask::<Value>(Method::POST, "/checks/renew", &said).await.map(drop)
    }

    async fn end(&self, lease: &str) -> Result<(), GatewayError> {
        self.ask::<Value>(Method::POST, "/checks/end", &json!({ "lease": lease })).await.map(drop)
    }

    async fn seen(&self, lease: &str, after: u64) -> Result<Seen, GatewayError> {
        self.ask(Method::GET, &format!("/checks/seen?lease={lease}&after={after}"), &Value::Null).await
    }

    async fn map_sha256(&self) -> Option<String> {
        let status = self.ask::<Value>(Method::GET, "/status", &Value::Null).await.ok()?;
        status["routes_sha256"].as_str().map(str::to_owned)
    }

    async fn send(&self, leased: &Leased, request: &CheckRequest) -> Reply {
        let mut reply = Reply::default();
        let sent = self.try_send(leased, request, &mut reply).await;
        reply.failure = sent.err().map(|error| format!("{error:#}"));
        reply
    }
}

/// Why the gateway does not do what it is asked over its socket.
pub(crate) fn refused(failure: &Failure) -> GatewayError {
    let why = failure.to_string();
    match failure.exit {
        Exit::Unreachable => GatewayError::Unreachable(why),
        Exit::NotAllowed => GatewayError::NotAllowed(why),
        Exit::InvalidInput => GatewayError::Invalid(why),
        Exit::Internal | Exit::Usage | Exit::DrillFailed => GatewayError::Internal(why),
    }
}

/// What a check that could not use the gateway ends with.
pub(crate) fn failure(error: &GatewayError) -> Failure {
    let why = anyhow!("{error}");
    match error {
        GatewayError::Unreachable(_) => Failure::unreachable(why),
        GatewayError::NotAllowed(_) => Failure::not_allowed(why),
        GatewayError::Invalid(_) => Failure::invalid(why),
        GatewayError::Internal(_) => Failure::internal(why),
    }
}
