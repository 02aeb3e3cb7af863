//! `[tls]` of the settings: the gateway's certificate, and what becomes of callers' certificates.
//!
//! Paths only: the files are read by whoever serves, at the start and whenever they change.

use std::path::{Path, PathBuf};

use crate::code::Code;
use crate::document::Document;
use crate::fields::Fields;
use crate::settings::read_path;

pub(crate) const CLIENT_CERTIFICATES: [(&str, ClientCertificates); 3] = [
    ("off", ClientCertificates::Off),
    ("optional", ClientCertificates::Optional),
    ("required", ClientCertificates::Required),
];

/// TLS towards applications.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSettings {
    /// The certificate chain, the gateway's own first, as PEM.
    pub certificate: PathBuf,
    /// Its private key, as PEM.
    pub key: PathBuf,
    /// Who may have signed callers' certificates, as PEM.
    pub client_ca: Option<PathBuf>,
    /// Whether callers show certificates.
    pub client_certificates: ClientCertificates,
}

/// Whether callers show certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientCertificates {
    /// None is asked for.
    Off,
    /// One that is shown must be good.
    Optional,
    /// No connection without a good one.
    Required,
}

/// What is wrong is reported; then there is nothing, or not all that was meant.
pub(super) fn read(
    document: &Document<'_>,
    mut fields: Fields<'_, '_>,
    directory: &Path,
) -> Option<TlsSettings> {
    let at = fields.at();
    fields.required("certificate");
    let certificate = read_path(document, &mut fields, "certificate", directory);
    fields.required("key");
    let key = read_path(document, &mut fields, "key", directory);
    let client_ca = read_path(document, &mut fields, "client_ca", directory);
    let has_client_ca = fields.value("client_ca").is_some();
    let says_how = fields.value("client_certificates").is_some();
    let client_certificates = fields.choice("client_certificates", &CLIENT_CERTIFICATES);
    fields.finish();
    if has_client_ca && !says_how {
        // Silence would be taken for "required" by one reader and for "off" by the next.
        let message =
            "`client_ca` is there, and no `client_certificates` says what becomes of callers without one";
        let help = "write client_certificates = \"optional\" or \"required\", or \"off\" not to ask for any";
        document.problem_with_help(Code::MissingField, at, message, help);
    }
    let client_certificates = client_certificates.unwrap_or(ClientCertificates::Off);
    if client_certificates != ClientCertificates::Off && !has_client_ca {
        let message = "callers' certificates are asked for, and no `client_ca` says who may have signed them";
        document.problem(Code::MissingField, at, message);
    }
    Some(TlsSettings { certificate: certificate?, key: key?, client_ca, client_certificates })
}
