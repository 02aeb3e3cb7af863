//! What is told, as a few numbers and back.

use super::Told;
use crate::gate::{Arm, Attempt, Event, Outcome, Usage};

/// How many numbers one telling is.
pub const TOLD_WORDS: usize = 4;

const ARMS: [Arm; 3] = [Arm::Canary, Arm::Primary, Arm::Mirror];

const OUTCOMES: [Outcome; 6] = [
    Outcome::Good,
    Outcome::HardFailure,
    Outcome::Timeout,
    Outcome::Malformed,
    Outcome::Auth,
    Outcome::NotCounted,
];

/// What the lowest byte says.
mod kind {
    pub(super) const ATTEMPT: u8 = 1;
    pub(super) const ACCEPTED: u8 = 2;
    pub(super) const QUEUE: u8 = 3;
    pub(super) const TICK: u8 = 4;
    pub(super) const EXPIRED: u8 = 5;
    pub(super) const HOLD: u8 = 6;
    pub(super) const RESUME: u8 = 7;
    pub(super) const ROLL_BACK: u8 = 8;
    pub(super) const QUIET: u8 = 9;
    pub(super) const PROMOTE: u8 = 10;
    pub(super) const CHECKED: u8 = 11;
}

impl Told {
    /// As numbers.
    #[must_use]
    pub fn to_words(&self) -> [u64; TOLD_WORDS] {
        let plain = |kind: u8, number: u64, flag: bool| [u64::from(kind), number, u64::from(flag), 0];
        match self {
            Told::Event { event: Event::Attempt(attempt), features } => attempt_words(attempt, *features),
            Told::Event { event, .. } => match event {
                Event::Attempt(attempt) => attempt_words(attempt, 0),
                Event::Accepted { arm, tenant, pass } => {
                    [u64::from(kind::ACCEPTED), *arm as u64, u64::from(*pass), *tenant]
                }
                Event::Queue { depth } => plain(kind::QUEUE, u64::from(*depth), false),
                Event::Tick => plain(kind::TICK, 0, false),
                Event::Expired => plain(kind::EXPIRED, 0, false),
                Event::Hold => plain(kind::HOLD, 0, false),
                Event::Resume => plain(kind::RESUME, 0, false),
                Event::RollBack => plain(kind::ROLL_BACK, 0, false),
            },
            Told::Quiet { ticks } => plain(kind::QUIET, u64::from(*ticks), false),
            Told::Promote => plain(kind::PROMOTE, 0, false),
            Told::Checked { check, passed } => plain(kind::CHECKED, u64::from(*check), *passed),
        }
    }

    /// What these numbers say; `None` where nothing that is told has them.
    #[must_use]
    pub fn from_words(words: &[u64]) -> Option<Told> {
        let words: &[u64; TOLD_WORDS] = words.try_into().ok()?;
        let [kind, ..] = words[0].to_le_bytes();
        let small = || u32::try_from(words[1]).ok();
        let event = |event| Some(Told::Event { event, features: 0 });
        let told = match kind {
            kind::ATTEMPT => read_attempt(words),
            kind::ACCEPTED => {
                let arm = *ARMS.get(small()? as usize)?;
                event(Event::Accepted { arm, tenant: words[3], pass: words[2] == 1 })
            }
            kind::QUEUE => event(Event::Queue { depth: small()? }),
            kind::TICK => event(Event::Tick),
            kind::EXPIRED => event(Event::Expired),
            kind::HOLD => event(Event::Hold),
            kind::RESUME => event(Event::Resume),
            kind::ROLL_BACK => event(Event::RollBack),
            kind::QUIET => Some(Told::Quiet { ticks: small()? }),
            kind::PROMOTE => Some(Told::Promote),
            kind::CHECKED => Some(Told::Checked { check: small()?, passed: words[2] == 1 }),
            _ => None,
        }?;
        // What does not come out as it went in was never written.
        (told.to_words() == *words).then_some(told)
    }
}

fn attempt_words(attempt: &Attempt, features: u16) -> [u64; TOLD_WORDS] {
    let (usage, amount) = match attempt.usage {
        Usage::NotExpected => (0, 0),
        Usage::Missing => (1, 0),
        Usage::Reported(amount) => (2, amount),
    };
    let [low, high] = features.to_le_bytes();
    let has_first_token = u8::from(attempt.first_token_us.is_some());
    let head =
        [kind::ATTEMPT, attempt.arm as u8, attempt.outcome as u8, usage, low, high, has_first_token, 0];
    let first_token = u64::from(attempt.first_token_us.unwrap_or(0));
    [u64::from_le_bytes(head), attempt.tenant, u64::from(attempt.share_ppm) << 32 | first_token, amount]
}

fn read_attempt(words: &[u64; TOLD_WORDS]) -> Option<Told> {
    let [_, arm, outcome, usage, low, high, has_first_token, _] = words[0].to_le_bytes();
    let [.., a, b, c, d] = words[2].to_le_bytes();
    let [e, f, g, h, ..] = words[2].to_le_bytes();
    let attempt = Attempt {
        arm: *ARMS.get(usize::from(arm))?,
        outcome: *OUTCOMES.get(usize::from(outcome))?,
        tenant: words[1],
        share_ppm: u32::from_le_bytes([a, b, c, d]),
        first_token_us: (has_first_token == 1).then_some(u32::from_le_bytes([e, f, g, h])),
        usage: match usage {
            0 => Usage::NotExpected,
            1 => Usage::Missing,
            2 => Usage::Reported(words[3]),
            _ => return None,
        },
    };
    Some(Told::Event { event: Event::Attempt(attempt), features: u16::from_le_bytes([low, high]) })
}
