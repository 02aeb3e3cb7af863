//! A probe as evidence: the field names of the runbooks, and no text of anybody.

use evidence::{Moment, Probe, ProbeResult};

use crate::Auth;
use crate::probe::plan::{Planned, Target};
use crate::probe::question::Question;
use crate::probe::seen::{Ending, Seen, Shape};

/// What all records of a run share.
#[derive(Clone, Debug)]
pub struct Context {
    /// Names the run.
    pub check_id: String,
    /// Of the route map.
    pub environment: Option<String>,
}

/// What is taken down of a probe.
#[must_use]
pub fn record(
    context: &Context,
    (provider, target): (&str, &Target),
    planned: &Planned,
    (at, seen): (Moment, &Seen),
    (result, note): (ProbeResult, &str),
) -> Probe {
    let is_of_model = !planned.question.is_about_no_model() && planned.question != Question::UnknownModel;
    let stream = seen.is_stream();
    Probe {
        ts: at,
        check_id: context.check_id.as_str().into(),
        environment: context.environment.as_deref().map(Into::into),
        probe: planned.question.as_str().into(),
        endpoint_family: planned.endpoint.map_or("models", decisions::Endpoint::as_str).into(),
        provider: provider.into(),
        provider_model_id: is_of_model.then(|| target.model_id.as_str().into()),
        model_alias: is_of_model.then(|| target.alias.as_str().into()),
        credential: match planned.auth {
            Auth::Ours => "valid",
            Auth::Invalid => "invalid",
            Auth::Omitted => "none",
        }
        .into(),
        http_status: seen.status,
        status_class: seen.status.map_or("none".to_owned(), |status| format!("{}xx", status / 100)).into(),
        error_class: seen.class.map(|class| class.as_str().into()),
        error_shape: seen.error_shape.map(Into::into),
        latency_ms: u64::try_from(seen.latency.as_millis()).unwrap_or(u64::MAX),
        timeout_ms: u64::try_from(planned.timeout.as_millis()).unwrap_or(u64::MAX),
        retry_count: 0,
        request_id_present: seen.request_id_in.is_some(),
        request_id_in: seen.request_id_in.map(Into::into),
        response_shape_seen: if seen.ending == Ending::Whole || seen.shape == Shape::EventStream {
            seen.shape.as_str()
        } else {
            Shape::None.as_str()
        }
        .into(),
        response_id_present: seen.has_id,
        response_object_type: seen.object.map(Into::into),
        finish_reason: seen.finish.map(Into::into),
        model_echo: seen.echo.as_str().into(),
        missing_fields: seen.missing.iter().map(|name| name.as_str().into()).collect(),
        usage_field_present: seen.usage.is_some(),
        input_token_count: seen.usage.map(|usage| usage.input),
        output_token_count: seen.usage.map(|usage| usage.output),
        usage_source: if seen.usage.is_some() { "reported" } else { "none" }.into(),
        planned_tokens: planned.tokens,
        done_seen: stream.then_some(seen.done),
        usage_chunk_seen: stream.then_some(seen.usage.is_some()),
        keep_alive_comments: stream.then_some(seen.comments),
        stream_complete: stream.then_some(seen.is_complete),
        connection_closed: seen.connection_closed,
        result,
        note: note.into(),
    }
}
