//! What is read of a request: its path, its body up to the cap, the few fields that route it, its headers.

pub(crate) mod body;
pub(crate) mod conformance;
pub mod features;
pub(crate) mod form;
pub(crate) mod forwards;
pub(crate) mod headers;
pub(crate) mod pace;
pub(crate) mod path;
pub(crate) mod payload;
pub mod peek;
pub(crate) mod receive;
pub mod references;
pub mod splice;
