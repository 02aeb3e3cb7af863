//! Who sends: what stands once before all spans and all metrics.

use opentelemetry_proto::tonic::common::v1::{InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource as Message;

use crate::span::{Value, key_value};

/// The process that sends.
#[derive(Clone, Debug, Default)]
pub struct Resource(Vec<KeyValue>);

impl Resource {
    /// Of these attributes, under the names of OpenTelemetry's conventions or the operator's own.
    pub fn new<'a>(attributes: impl IntoIterator<Item = (&'a str, &'a str)>) -> Resource {
        Resource(attributes.into_iter().map(|(name, value)| key_value(name, Value::from(value))).collect())
    }

    pub(crate) fn message(&self) -> Message {
        Message { attributes: self.0.clone(), ..Message::default() }
    }
}

/// What made the spans and metrics.
pub(crate) fn scope() -> InstrumentationScope {
    InstrumentationScope {
        name: "cometgate".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    }
}
