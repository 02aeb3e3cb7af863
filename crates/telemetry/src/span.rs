//! A span, ready to be sent: what it is called, when it was, what is known of it.

use opentelemetry_proto::tonic::common::v1::any_value::Value as AnyValueKind;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};

use crate::span_names::{Attribute, EventName};
use crate::trace_context::{SpanId, TraceId};

/// A span.
#[derive(Clone, Debug)]
pub struct Span {
    /// Of which trace.
    pub trace_id: TraceId,
    /// Its own ID.
    pub id: SpanId,
    /// The span that it is below of.
    pub parent: Option<Parent>,
    /// The flags of its trace.
    pub flags: u8,
    /// What it is called: from closed sets and names of the plan, so that there are few.
    pub name: String,
    /// Whose side of a call it is.
    pub kind: SpanKind,
    /// Nanoseconds since 1970.
    pub begun_ns: u64,
    /// Nanoseconds since 1970.
    pub ended_ns: u64,
    /// What is known of it.
    pub attributes: Attributes,
    /// What happened during it, in whatever order.
    pub events: Vec<Event>,
    /// It failed.
    pub is_error: bool,
}

/// The span above a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parent {
    /// Its ID.
    pub id: SpanId,
    /// It is another process's.
    pub is_remote: bool,
}

/// Whose side of a call a span is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanKind {
    /// The side that is called.
    Server,
    /// The side that calls.
    Client,
}

/// Something at one moment of a span.
#[derive(Clone, Debug)]
pub struct Event {
    /// What.
    pub name: &'static EventName,
    /// Nanoseconds since 1970.
    pub at_ns: u64,
    /// What is known of it.
    pub attributes: Attributes,
}

/// Attributes, each once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attributes(pub(crate) Vec<KeyValue>);

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A text.
    Text(String),
    /// A whole number.
    Whole(i64),
    /// Any other number.
    Number(f64),
    /// Yes or no.
    Flag(bool),
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(text.to_owned())
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Value {
        Value::Flag(flag)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Value {
        Value::Number(number)
    }
}

impl From<u64> for Value {
    fn from(whole: u64) -> Value {
        Value::Whole(i64::try_from(whole).unwrap_or(i64::MAX))
    }
}

impl Attributes {
    /// Adds one.
    pub fn put(&mut self, attribute: &'static Attribute, value: impl Into<Value>) {
        self.0.push(key_value(attribute.name, value.into()));
    }

    /// Adds one, if there is a value.
    pub fn put_some(&mut self, attribute: &'static Attribute, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.put(attribute, value);
        }
    }

    /// The names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Value)> {
        self.0.iter().filter_map(|pair| Some((pair.key.as_str(), value_of(pair)?)))
    }

    /// The value of one.
    #[must_use]
    pub fn get(&self, attribute: &Attribute) -> Option<Value> {
        self.iter().find(|(name, _)| *name == attribute.name).map(|(_, value)| value)
    }
}

pub(crate) fn key_value(name: &str, value: Value) -> KeyValue {
    let kind = match value {
        Value::Text(text) => AnyValueKind::StringValue(text),
        Value::Whole(whole) => AnyValueKind::IntValue(whole),
        Value::Number(number) => AnyValueKind::DoubleValue(number),
        Value::Flag(flag) => AnyValueKind::BoolValue(flag),
    };
    KeyValue { key: name.to_owned(), value: Some(AnyValue { value: Some(kind) }), ..KeyValue::default() }
}

fn value_of(pair: &KeyValue) -> Option<Value> {
    Some(match pair.value.as_ref()?.value.as_ref()? {
        AnyValueKind::StringValue(text) => Value::Text(text.clone()),
        AnyValueKind::IntValue(whole) => Value::Whole(*whole),
        AnyValueKind::DoubleValue(number) => Value::Number(*number),
        AnyValueKind::BoolValue(flag) => Value::Flag(*flag),
        _ => return None,
    })
}
