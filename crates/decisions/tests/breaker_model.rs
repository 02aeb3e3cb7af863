//! A breaker under every interleaving of what can happen to attempts: it never sticks, never probes twice at once, and
//! what was sent before a change never undoes it.

mod dice;
mod scale;

use std::time::Duration;

use decisions::attempts::breaker::{Change, State};
use decisions::attempts::{Breaker, BreakerSettings, Permit, Seen, Why};

use crate::dice::Dice;
use crate::scale::scaled;

/// The longest that a breaker may refuse in one go without a report: open, or paced, or a probe's deadline.
const LONGEST: Duration = Duration::from_secs(300);

/// What the test knows besides the breaker.
struct World {
    breaker: Breaker,
    settings: BreakerSettings,
    now: Duration,
    /// Attempts under way, each with whether a change or a later probe has come since.
    under_way: Vec<(Permit, bool)>,
    /// Up to when no other probe may go.
    probing_until: Option<Duration>,
    met: Met,
}

/// How often each thing was met, so that the test does not hold for want of it.
#[derive(Clone, Copy, Debug, Default)]
struct Met {
    opened: u32,
    closed: u32,
    stragglers: u32,
    cancelled_probes: u32,
    forgotten_probes: u32,
    paced: u32,
    probing: u32,
}

impl World {
    fn new(settings: BreakerSettings, dice: &mut Dice) -> World {
        let now = Duration::from_millis(dice.below(1_000_000));
        World {
            breaker: Breaker::new(settings),
            settings,
            now,
            under_way: Vec::new(),
            probing_until: None,
            met: Met::default(),
        }
    }

    fn admit(&mut self) -> bool {
        let (before, refuses) = (self.breaker.state(self.now), self.breaker.is_open(self.now));
        match self.breaker.admit(self.now) {
            Ok(permit) => {
                assert!(!refuses, "what is open refuses");
                assert_eq!(permit.is_probe(), before == State::HalfOpen);
                if permit.is_probe() {
                    let free = self.probing_until.is_none_or(|until| until <= self.now);
                    assert!(free, "two probes at once");
                    self.met.forgotten_probes += u32::from(self.probing_until.is_some());
                    self.probing_until = Some(self.now + self.settings.probe_deadline);
                    self.outdate();
                }
                self.under_way.push((permit, false));
                true
            }
            Err(refused) => {
                assert!(refuses, "what is closed admits");
                assert!(refused.until > self.now && refused.until <= self.now + LONGEST, "{refused:?}");
                match refused.why {
                    Why::Open => assert!(matches!(before, State::Open { .. })),
                    Why::Probing => {
                        assert_eq!(Some(refused.until), self.probing_until);
                        self.met.probing += 1;
                    }
                    Why::Pacing => {
                        assert!(refused.until <= self.now + Duration::from_secs(60));
                        self.met.paced += 1;
                    }
                }
                false
            }
        }
    }

    fn report(&mut self, index: usize, seen: Seen, jitter: u64) {
        let (permit, is_outdated) = self.under_way.swap_remove(index);
        let before = self.breaker;
        let change = self.breaker.report(permit, seen, self.now, jitter);
        if is_outdated {
            assert_eq!((self.breaker, change), (before, None), "a straggler changed something");
            self.met.stragglers += 1;
            return;
        }
        if permit.is_probe() {
            self.probing_until = None;
            assert_eq!(change.is_none(), seen == Seen::Neutral, "a probe decides");
            self.met.cancelled_probes += u32::from(change.is_none());
            assert_eq!(change == Some(Change::Closed), seen == Seen::Success);
        } else if !matches!(seen, Seen::Failure) {
            assert_eq!(change, None, "only failures open it");
        }
        if let Some(change) = change {
            self.outdate();
            self.check_change(change);
        }
    }

    fn check_change(&mut self, change: Change) {
        match change {
            Change::Closed => {
                assert_eq!(self.breaker.state(self.now), State::Closed);
                self.met.closed += 1;
            }
            Change::Opened { until } => {
                assert_eq!(self.breaker.state(self.now), State::Open { until });
                let length = until - self.now;
                assert!(length >= Duration::from_millis(2_500) && length <= LONGEST, "{length:?}");
                self.met.opened += 1;
            }
        }
    }

    fn outdate(&mut self) {
        for (_, is_outdated) in &mut self.under_way {
            *is_outdated = true;
        }
    }

    /// Whatever went before, a probe is admitted once the longest times are over, and its success closes it.
    fn must_recover(&mut self) {
        self.now += LONGEST + self.settings.probe_deadline;
        assert!(self.admit(), "stuck: {:?}", self.breaker);
        self.report(self.under_way.len() - 1, Seen::Success, 0);
        assert_eq!(self.breaker.state(self.now), State::Closed);
        assert!(self.admit());
    }
}

fn any_outcome(dice: &mut Dice, now: Duration, ill: u64) -> Seen {
    match dice.below(40) {
        draw if draw < ill => Seen::Failure,
        34 => Seen::Pushback { until: None },
        35 => Seen::Pushback { until: Some(Duration::from_nanos(dice.any())) },
        36 => Seen::Pushback { until: Some(now + Duration::from_millis(dice.below(90_000))) },
        37..40 => Seen::Neutral,
        _ => Seen::Success,
    }
}

#[test]
fn no_schedule_breaks_a_promise() {
    let mut met = Met::default();
    for seed in 0..u64::from(scaled(1_000_000)) {
        let mut dice = Dice::new(seed);
        let settings = match dice.below(3) {
            0 => BreakerSettings::primary(),
            1 => BreakerSettings::canary(),
            _ => BreakerSettings { consecutive: 1, statistics: true, probe_deadline: Duration::from_secs(7) },
        };
        let mut world = World { met, ..World::new(settings, &mut dice) };
        let (ill, pace) = (dice.below(35), [10, 1_000, 20_000][usize::try_from(dice.below(3)).unwrap()]);
        for _ in 0..dice.below(120) {
            match dice.below(8) {
                0..=3 => {
                    world.admit();
                }
                // Those that are never drawn again are the ones that never report.
                4..=6 if !world.under_way.is_empty() => {
                    let index = usize::try_from(dice.below(u64::try_from(world.under_way.len()).unwrap()));
                    let seen = any_outcome(&mut dice, world.now, ill);
                    world.report(index.unwrap(), seen, dice.any());
                }
                _ => world.now += Duration::from_millis(dice.below(pace)),
            }
        }
        world.must_recover();
        met = world.met;
    }
    let Met { opened, closed, stragglers, cancelled_probes, forgotten_probes, paced, probing } = met;
    let counts = [opened, closed, stragglers, cancelled_probes, forgotten_probes, paced, probing];
    assert!(counts.iter().all(|count| *count > 1_000), "{met:?}");
}
