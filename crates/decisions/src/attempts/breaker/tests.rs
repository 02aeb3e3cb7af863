//! One promise after the other; all of them together under random schedules stand in `tests/breaker_model.rs`.

use super::*;

fn at(seconds: u64) -> Duration {
    Duration::from_secs(1_000 + seconds)
}

/// Admits an attempt and reports it at once, without jitter beyond the fixed half.
fn send(breaker: &mut Breaker, seen: Seen, now: Duration) -> Option<Change> {
    let permit = breaker.admit(now).unwrap();
    breaker.report(permit, seen, now, 0)
}

/// One that has just opened.
fn tripped(now: Duration) -> Breaker {
    let mut breaker = Breaker::new(BreakerSettings::primary());
    for _ in 0..5 {
        send(&mut breaker, Seen::Failure, now);
    }
    breaker
}

/// Fails probes from its first one on, and tells for how long it opened each time, in milliseconds.
fn open_times(breaker: &mut Breaker, mut now: Duration, jitter: u64, count: usize) -> Vec<u128> {
    let mut times = Vec::new();
    while times.len() < count {
        let State::Open { until } = breaker.state(now) else { panic!("{breaker:?}") };
        times.push((until - now).as_millis());
        now = until;
        let probe = breaker.admit(now).unwrap();
        breaker.report(probe, Seen::Failure, now, jitter);
    }
    times
}

#[test]
fn five_failures_in_a_row_open_a_primary_and_twelve_a_canary() {
    for (settings, count) in [(BreakerSettings::primary(), 5), (BreakerSettings::canary(), 12)] {
        let mut breaker = Breaker::new(settings);
        for _ in 1..count {
            assert_eq!(send(&mut breaker, Seen::Failure, at(0)), None);
        }
        let opened = send(&mut breaker, Seen::Failure, at(0));
        assert_eq!(opened, Some(Change::Opened { until: at(0) + Duration::from_millis(2_500) }));
    }
}

#[test]
fn a_success_begins_the_row_anew_and_what_is_neutral_does_not() {
    let mut breaker = Breaker::new(BreakerSettings { statistics: false, ..BreakerSettings::primary() });
    for _ in 0..4 {
        send(&mut breaker, Seen::Failure, at(0));
    }
    send(&mut breaker, Seen::Success, at(0));
    for _ in 0..4 {
        assert_eq!(send(&mut breaker, Seen::Failure, at(0)), None);
        assert_eq!(send(&mut breaker, Seen::Neutral, at(0)), None);
        assert_eq!(send(&mut breaker, Seen::Pushback { until: None }, at(0)), None);
    }
    assert!(send(&mut breaker, Seen::Failure, at(0)).is_some());
}

#[test]
fn every_second_failure_opens_a_primary_and_never_a_canary() {
    for (settings, opens) in [(BreakerSettings::primary(), true), (BreakerSettings::canary(), false)] {
        let mut breaker = Breaker::new(settings);
        for n in 0..200 {
            let seen = if n % 2 == 0 { Seen::Failure } else { Seen::Success };
            if send(&mut breaker, seen, at(0)).is_some() {
                break;
            }
        }
        assert_eq!(breaker.is_open(at(0)), opens);
    }
}

#[test]
fn open_times_double_up_to_five_minutes_with_half_of_each_drawn() {
    let seconds = [5, 10, 20, 40, 80, 160, 300, 300];
    let mut breaker = tripped(at(0));
    assert_eq!(open_times(&mut breaker, at(0), 0, 8), seconds.map(|seconds| seconds * 500));
    let mut breaker = tripped(at(0));
    let longest = open_times(&mut breaker, at(0), u64::MAX, 8);
    assert_eq!(longest[1..], seconds.map(|seconds| seconds * 1_000)[1..]);
}

#[test]
fn trips_are_forgotten_after_as_long_a_time_closed_as_it_was_last_open() {
    for (closed_for, opens_for) in [(9, 20_000 / 2), (10, 5_000 / 2)] {
        let mut breaker = tripped(at(0));
        send(&mut breaker, Seen::Failure, at(5));
        assert_eq!(send(&mut breaker, Seen::Success, at(20)), Some(Change::Closed));
        for _ in 0..5 {
            send(&mut breaker, Seen::Failure, at(20 + closed_for));
        }
        let opened = open_times(&mut breaker, at(20 + closed_for), 0, 1);
        assert_eq!(opened, [opens_for], "closed for {closed_for} s");
    }
}

#[test]
fn one_probe_goes_at_a_time_and_is_forgotten_at_its_deadline() {
    let mut breaker = tripped(at(0));
    let first = breaker.admit(at(5)).unwrap();
    assert!(first.is_probe());
    let refused = breaker.admit(at(6)).unwrap_err();
    assert_eq!(refused, Refused { until: at(5) + PROBE_DEADLINE, why: Why::Probing });
    let second = breaker.admit(at(5) + PROBE_DEADLINE).unwrap();
    assert_eq!(breaker.report(first, Seen::Success, at(40), 0), None, "it was forgotten");
    assert_eq!(breaker.report(second, Seen::Success, at(40), 0), Some(Change::Closed));
}

#[test]
fn a_cancelled_probe_makes_room_for_another() {
    let mut breaker = tripped(at(0));
    assert_eq!(send(&mut breaker, Seen::Neutral, at(5)), None);
    assert_eq!(send(&mut breaker, Seen::Success, at(5)), Some(Change::Closed));
}

#[test]
fn stragglers_change_nothing() {
    let mut breaker = Breaker::new(BreakerSettings::primary());
    let old: Vec<Permit> = (0..20).map(|_| breaker.admit(at(0)).unwrap()).collect();
    for _ in 0..5 {
        send(&mut breaker, Seen::Failure, at(0));
    }
    let probe = breaker.admit(at(5)).unwrap();
    let before = breaker;
    for permit in old {
        for seen in [Seen::Success, Seen::Failure, Seen::Pushback { until: Some(at(9)) }] {
            assert_eq!((breaker.report(permit, seen, at(6), 0), breaker), (None, before));
        }
    }
    assert_eq!(breaker.report(probe, Seen::Success, at(6), 0), Some(Change::Closed));
}

#[test]
fn pushback_with_a_time_holds_requests_until_then_and_a_minute_at_the_most() {
    for (told, held) in [(at(10), at(10)), (at(1_000_000), at(60))] {
        let mut breaker = Breaker::new(BreakerSettings::primary());
        let burst: Vec<Permit> = (0..10).map(|_| breaker.admit(at(0)).unwrap()).collect();
        for permit in burst {
            assert_eq!(breaker.report(permit, Seen::Pushback { until: Some(told) }, at(0), 0), None);
        }
        assert_eq!(breaker.admit(at(1)).unwrap_err(), Refused { until: held, why: Why::Pacing });
        assert_eq!((breaker.state(at(1)), breaker.paced_until(at(1))), (State::Closed, Some(held)));
        assert!(breaker.admit(held).is_ok());
    }
}

#[test]
fn pushback_fails_a_probe_and_does_not_lengthen_the_open_time() {
    let mut breaker = tripped(at(0));
    for round in 0..10 {
        let now = at(100 * (round + 1));
        let opened = send(&mut breaker, Seen::Pushback { until: None }, now);
        assert_eq!(opened, Some(Change::Opened { until: now + Duration::from_millis(2_500) }));
    }
    for (told, lasts_ms) in [(0, 2_500), (20, 20_000), (9_000, 60_000)] {
        let mut breaker = tripped(at(0));
        let opened = send(&mut breaker, Seen::Pushback { until: Some(at(10 + told)) }, at(10));
        assert_eq!(opened, Some(Change::Opened { until: at(10) + Duration::from_millis(lasts_ms) }));
    }
}
