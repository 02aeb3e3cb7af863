//! `forward_headers` of a provider: which of the headers that name a caller's account, session, program, trace or address
//! go on to it. The words are a closed set, and nothing that carries a credential for the gateway is among them.

use crate::code::Code;
use crate::document::Document;
use crate::fields::Fields;
use crate::names::quote;

/// A header, or a family of them, that goes on only where the map says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForwardHeader {
    /// `OpenAI-Organization`
    Organization,
    /// `OpenAI-Project`
    Project,
    /// `Cookie`
    Cookie,
    /// `X-Stainless-*`: what OpenAI's clients say of themselves.
    Stainless,
    /// `Baggage` (W3C).
    Baggage,
    /// `Tracestate` (W3C).
    Tracestate,
    /// `X-Forwarded-For`: where the caller is.
    ForwardedFor,
}

impl ForwardHeader {
    /// All of them.
    pub const ALL: [ForwardHeader; 7] = [
        ForwardHeader::Organization,
        ForwardHeader::Project,
        ForwardHeader::Cookie,
        ForwardHeader::Stainless,
        ForwardHeader::Baggage,
        ForwardHeader::Tracestate,
        ForwardHeader::ForwardedFor,
    ];

    /// The word in the map.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ForwardHeader::Organization => "openai-organization",
            ForwardHeader::Project => "openai-project",
            ForwardHeader::Cookie => "cookie",
            ForwardHeader::Stainless => "x-stainless-*",
            ForwardHeader::Baggage => "baggage",
            ForwardHeader::Tracestate => "tracestate",
            ForwardHeader::ForwardedFor => "x-forwarded-for",
        }
    }
}

/// Which span a request is below of, as a provider is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TraceParentTold {
    /// The caller's, as it came.
    #[default]
    Caller,
    /// The gateway's own, where it makes traces.
    Gateway,
    /// None.
    Nothing,
}

impl TraceParentTold {
    /// All of them.
    pub const ALL: [TraceParentTold; 3] =
        [TraceParentTold::Caller, TraceParentTold::Gateway, TraceParentTold::Nothing];

    /// The word in the map.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            TraceParentTold::Caller => "caller",
            TraceParentTold::Gateway => "gateway",
            TraceParentTold::Nothing => "none",
        }
    }
}

pub(crate) fn read_forward_headers(
    document: &Document<'_>,
    fields: &mut Fields<'_, '_>,
) -> Vec<ForwardHeader> {
    let mut forwarded = Vec::new();
    for word in fields.texts("forward_headers").unwrap_or_default() {
        let lower = word.text.to_ascii_lowercase();
        let found = ForwardHeader::ALL.into_iter().find(|header| header.as_str() == lower);
        match found {
            Some(header) if forwarded.contains(&header) => {
                document.problem(
                    Code::ListedTwice,
                    word.at,
                    format!("{} is listed twice", quote(&word.text)),
                );
            }
            Some(header) => forwarded.push(header),
            None if carries_credential(&lower) => {
                let message = format!("{} carries a credential and is never sent on", quote(&word.text));
                let help = "what pays at a provider is named in `credential`";
                document.problem_with_help(Code::BadHeader, word.at, message, help);
            }
            None => {
                let message = format!("{} cannot be sent on", quote(&word.text));
                let known = ForwardHeader::ALL.map(ForwardHeader::as_str);
                document.unknown(Code::NotAChoice, word.at, message, &word.text, known.into_iter());
            }
        }
    }
    forwarded
}

/// By its name.
fn carries_credential(name: &str) -> bool {
    let parts =
        ["authorization", "authenticate", "api-key", "apikey", "token", "secret", "credential", "signature"];
    parts.iter().any(|part| name.contains(part)) || name.ends_with("-key")
}
