//! The log of one gate, played through the code that judges live traffic.

use std::path::Path;

use decisions::gate::Verdict;
use decisions::judged::{Judged, Told};
use decisions::rollout::{RolloutRules, StepVerdict};
use evidence::gate_log::{Segment, Segments};
use evidence::{Digest, Moment, Result};

use crate::gates::log::read_begin;

/// What came of the log of one gate.
#[derive(Debug)]
pub(super) struct Played {
    pub(super) gate: String,
    /// The oldest first.
    pub(super) files: Vec<PlayedFile>,
    /// In the order of the files, and of events in each.
    pub(super) decided: Vec<Decided>,
    /// Files that are not as they were written, and what is wrong with each.
    pub(super) damaged: Vec<String>,
}

/// A file that could be read.
#[derive(Debug)]
pub(super) struct PlayedFile {
    pub(super) name: String,
    pub(super) sha256: Digest,
    pub(super) run: u64,
    /// The number of its first event, and one more than that of its last.
    pub(super) events: std::ops::Range<u64>,
    /// Events that are lost before its first.
    pub(super) missing: u64,
    pub(super) began: Moment,
    /// Whether it was ended, not left by a kill or by a gateway that writes on.
    pub(super) is_ended: bool,
    /// Bytes of half an event at its end.
    pub(super) torn: u64,
    /// From this event on it could not be played: another version has written it.
    pub(super) unknown_from: Option<u64>,
}

/// A decision that the log leads to.
#[derive(Debug)]
pub(super) struct Decided {
    pub(super) run: u64,
    pub(super) event: u64,
    pub(super) at: Moment,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) enum What {
    Verdict(Verdict),
    Step(StepVerdict, RolloutRules),
}

impl Played {
    /// A gate of which nothing is kept.
    pub(super) fn nothing(gate: &str) -> Played {
        Played { gate: gate.to_owned(), files: Vec::new(), decided: Vec::new(), damaged: Vec::new() }
    }

    /// Plays what is kept in the store's directory.
    pub(super) fn of(store: &Path, gate: &str) -> Result<Played> {
        let mut played = Played::nothing(gate);
        for segment in Segments::of(store, gate)? {
            match segment {
                Ok(segment) => played.play(&segment),
                Err(damage) => played.damaged.push(damage.to_string()),
            }
        }
        Ok(played)
    }

    fn play(&mut self, segment: &Segment) {
        let name = segment.path.file_name().map(|name| name.to_string_lossy().into_owned());
        let mut file = PlayedFile {
            name: name.unwrap_or_default(),
            sha256: segment.sha256,
            run: segment.run(),
            events: segment.first_event()..segment.next_event(),
            missing: segment.missing,
            began: Moment::from_ms(segment.began_at_ms()),
            is_ended: segment.is_ended,
            torn: segment.torn,
            unknown_from: Some(segment.first_event()),
        };
        if let Ok((offset, judged)) = read_begin(segment.state()) {
            file.unknown_from = self.tell_all(segment, offset, judged);
        }
        self.files.push(file);
    }

    /// Tells it every event of a file; the first that is not known, if there is one.
    fn tell_all(&mut self, segment: &Segment, offset: i64, mut judged: Judged) -> Option<u64> {
        for event in segment.events() {
            let Some(told) = Told::from_words(&event.words) else { return Some(event.number) };
            let answer = judged.tell(event.at_ms.wrapping_sub(offset).cast_unsigned(), &told);
            let (run, at) = (segment.run(), Moment::from_ms(event.at_ms));
            let mut decide = |what| self.decided.push(Decided { run, event: event.number, at, what });
            if let Some(verdict) = answer.verdict {
                decide(What::Verdict(verdict));
            }
            if let (Some(step), Some(rules)) = (answer.climbed, judged.rollout_rules) {
                decide(What::Step(step, rules));
            }
        }
        None
    }

    /// Whether the log has this event, and it could be played.
    pub(super) fn has(&self, run: u64, event: u64) -> bool {
        let has = |file: &PlayedFile| {
            file.run == run
                && file.events.contains(&event)
                && file.unknown_from.is_none_or(|unknown| event < unknown)
        };
        self.files.iter().any(has)
    }

    /// Whether this is among the last that a run has told which was not ended: what followed may be on its way into the
    /// store, or a kill was quicker.
    pub(super) fn is_at_the_end(&self, decided: &Decided) -> bool {
        let last = self.files.iter().rfind(|file| file.run == decided.run);
        last.is_some_and(|file| !file.is_ended && file.events.contains(&decided.event))
    }
}
