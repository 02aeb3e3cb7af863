//! What has happened within about the last minute, from counts that only grow: one sample every ten seconds.

/// Between two samples, in milliseconds.
pub(super) const EVERY_MS: u64 = 10_000;

/// How far back it is looked, in milliseconds.
const BACK_MS: u64 = 60_000;

const SAMPLES: usize = 7;

/// The counts of a target and its primary at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) at_ms: u64,
    /// Requests that began at the target.
    pub(super) there: u64,
    /// Requests that began at the primary.
    pub(super) home: u64,
    /// Attempts for what lives at the target.
    pub(super) pinned: u64,
}

/// The samples of the last minute.
#[derive(Clone, Copy, Debug)]
pub(super) struct Minute {
    samples: [Sample; SAMPLES],
    /// Where the next one goes.
    next: usize,
}

impl Minute {
    /// Begins now.
    pub(super) fn new(now: Sample) -> Minute {
        Minute { samples: [now; SAMPLES], next: 1 }
    }

    /// To be called every second or so.
    pub(super) fn note(&mut self, now: Sample) {
        let last = self.samples[(self.next + SAMPLES - 1) % SAMPLES];
        if now.at_ms.saturating_sub(last.at_ms) >= EVERY_MS {
            self.samples[self.next] = now;
            self.next = (self.next + 1) % SAMPLES;
        }
    }

    /// What has happened since the oldest sample that is no older than a minute; `at_ms` is how long ago that was.
    pub(super) fn until(&self, now: Sample) -> Sample {
        let is_recent = |sample: &&Sample| now.at_ms.saturating_sub(sample.at_ms) <= BACK_MS;
        let oldest = self.samples.iter().filter(is_recent).min_by_key(|sample| sample.at_ms);
        let then = oldest.copied().unwrap_or(now);
        Sample {
            at_ms: now.at_ms.saturating_sub(then.at_ms),
            there: now.there.saturating_sub(then.there),
            home: now.home.saturating_sub(then.home),
            pinned: now.pinned.saturating_sub(then.pinned),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One request a second at the primary, from the beginning.
    fn at(second: u64) -> Sample {
        Sample { at_ms: second * 1_000, home: second, ..Sample::default() }
    }

    #[test]
    fn it_looks_back_for_a_minute_and_no_longer() {
        let mut minute = Minute::new(at(0));
        for second in 1..=500 {
            minute.note(at(second));
            let seen = minute.until(at(second));
            assert_eq!(seen.at_ms, seen.home * 1_000);
            assert!(seen.home <= 60 && seen.home >= second.min(51), "{second}: {seen:?}");
        }
    }

    #[test]
    fn what_was_before_a_long_silence_is_forgotten() {
        let mut minute = Minute::new(at(0));
        minute.note(at(10));
        assert_eq!(minute.until(at(1_000)), Sample::default());
        minute.note(at(1_000));
        assert_eq!(minute.until(at(1_005)).home, 5);
    }
}
