//! Spans as the collector gets them.

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::span::{Event as EventMessage, SpanKind as KindMessage};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span as SpanMessage, Status};
use prost::Message as _;

use crate::otlp::resource::{Resource, scope};
use crate::span::{Event, Span, SpanKind};
use crate::span_names::SCHEMA_URL;

/// It is known whether the parent is another process's, and it is (`SPAN_FLAGS_CONTEXT_*` of the protocol).
const REMOTE_IS_KNOWN: u32 = 0x100;
const IS_REMOTE: u32 = 0x200;

/// One message with all of them.
#[must_use]
pub fn encode(resource: &Resource, spans: Vec<Span>) -> Bytes {
    let scope_spans = ScopeSpans {
        scope: Some(scope()),
        spans: spans.into_iter().map(span).collect(),
        schema_url: SCHEMA_URL.to_owned(),
    };
    let resource_spans = ResourceSpans {
        resource: Some(resource.message()),
        scope_spans: vec![scope_spans],
        schema_url: SCHEMA_URL.to_owned(),
    };
    ExportTraceServiceRequest { resource_spans: vec![resource_spans] }.encode_to_vec().into()
}

fn span(span: Span) -> SpanMessage {
    let is_remote = span.parent.is_some_and(|parent| parent.is_remote);
    let kind = match span.kind {
        SpanKind::Server => KindMessage::Server,
        SpanKind::Client => KindMessage::Client,
    };
    SpanMessage {
        trace_id: span.trace_id.0.to_vec(),
        span_id: span.id.0.to_vec(),
        parent_span_id: span.parent.map(|parent| parent.id.0.to_vec()).unwrap_or_default(),
        flags: u32::from(span.flags) | REMOTE_IS_KNOWN | if is_remote { IS_REMOTE } else { 0 },
        name: span.name,
        kind: kind.into(),
        start_time_unix_nano: span.begun_ns,
        end_time_unix_nano: span.ended_ns,
        attributes: span.attributes.0,
        events: span.events.into_iter().map(event).collect(),
        // Without a text: what a provider said of its failure is in no span.
        status: span.is_error.then(|| Status { code: StatusCode::Error.into(), ..Status::default() }),
        ..SpanMessage::default()
    }
}

fn event(event: Event) -> EventMessage {
    EventMessage {
        time_unix_nano: event.at_ns,
        name: event.name.name.to_owned(),
        attributes: event.attributes.0,
        ..EventMessage::default()
    }
}
