//! How many tokens an answer says it used. Both families of names (chat and responses) end here.

/// The counts of a `usage` object; each is there only if it was a whole number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// `prompt_tokens` or `input_tokens`.
    pub input: Option<u64>,
    /// `completion_tokens` or `output_tokens`.
    pub output: Option<u64>,
    /// `cached_tokens` of the input's details, or `cache_read_input_tokens`; part of `input`.
    pub cached: Option<u64>,
    /// `reasoning_tokens` of the output's details; part of `output`.
    pub reasoning: Option<u64>,
}

impl Usage {
    /// Its own counts, and another's where it has none.
    pub(super) fn or(self, other: Usage) -> Usage {
        Usage {
            input: self.input.or(other.input),
            output: self.output.or(other.output),
            cached: self.cached.or(other.cached),
            reasoning: self.reasoning.or(other.reasoning),
        }
    }

    /// `None` if no count was given.
    pub(super) fn if_any(self) -> Option<Usage> {
        (self != Usage::default()).then_some(self)
    }
}
