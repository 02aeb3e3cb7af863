//! `[admin]` of the settings: where probes connect to, apart from applications.

use std::net::SocketAddr;

use crate::document::Document;
use crate::fields::Fields;
use crate::settings::read_address;

const HELP: &str =
    "\"127.0.0.1:9080\" for this machine only, \"0.0.0.0:9080\" for probes from others; no key is asked";

/// What is wrong is reported; then there is nothing.
pub(super) fn read(document: &Document<'_>, mut fields: Fields<'_, '_>) -> Option<SocketAddr> {
    fields.required("listen");
    let listen = read_address(document, &mut fields, "listen", HELP);
    fields.finish();
    listen
}
