//! How far a stream has come: what its finished events add up to.

use crate::scan::{ErrorSigns, Usage};

/// The sum of the events so far. An event counts when its blank line has come, as it does for a client.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    pub(super) choices: Choices,
    pub(super) terminal: bool,
    pub(super) done: bool,
    pub(super) content_events: u64,
    pub(super) usage: Option<Usage>,
    pub(super) sequence_number: Option<u64>,
    /// Boxed, because most streams have none.
    pub(super) error: Option<Box<ErrorSigns>>,
}

impl Progress {
    /// The answer came to its own end: chat: every choice seen (and at least one) has its finish reason; responses
    /// and messages: a terminal event came.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.terminal || self.choices.all_finished()
    }

    /// `[DONE]` came. It proves little: relays write it after a cut too.
    #[must_use]
    pub fn saw_done(&self) -> bool {
        self.done
    }

    /// How many events carried content.
    #[must_use]
    pub fn content_events(&self) -> u64 {
        self.content_events
    }

    /// The last counts that were given.
    #[must_use]
    pub fn usage(&self) -> Option<Usage> {
        self.usage
    }

    /// The last one of a responses stream.
    #[must_use]
    pub fn sequence_number(&self) -> Option<u64> {
        self.sequence_number
    }

    /// The first error that came.
    #[must_use]
    pub fn error(&self) -> Option<&ErrorSigns> {
        self.error.as_deref()
    }
}

/// Which choices have been seen, and which of them have finished. The API allows 128 of them; beyond that they are
/// counted only: as many finish reasons must come as the highest index asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Choices {
    seen: u128,
    finished: u128,
    beyond_seen: u64,
    beyond_finished: u64,
}

impl Choices {
    pub(super) fn note(&mut self, index: u64, finished: bool) {
        if index < u64::from(u128::BITS) {
            let bit = 1_u128 << index;
            self.seen |= bit;
            if finished {
                self.finished |= bit;
            }
        } else {
            self.beyond_seen = self.beyond_seen.max(index - u64::from(u128::BITS) + 1);
            self.beyond_finished = self.beyond_finished.saturating_add(u64::from(finished));
        }
    }

    pub(super) fn add(&mut self, other: Choices) {
        self.seen |= other.seen;
        self.finished |= other.finished;
        self.beyond_seen = self.beyond_seen.max(other.beyond_seen);
        self.beyond_finished = self.beyond_finished.saturating_add(other.beyond_finished);
    }

    pub(super) fn is_none(&self) -> bool {
        self.seen == 0 && self.beyond_seen == 0
    }

    pub(super) fn any_finished(&self) -> bool {
        self.finished != 0 || self.beyond_finished != 0
    }

    fn all_finished(&self) -> bool {
        (self.seen != 0 || self.beyond_seen != 0)
            && self.seen == self.finished
            && self.beyond_finished >= self.beyond_seen
    }
}
