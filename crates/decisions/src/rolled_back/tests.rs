//! What is proven by which counts.

use super::*;

fn counts(begun: u64, ended: u64) -> Counts {
    Counts { first: Count { begun, ended }, judged: ended, ..Counts::default() }
}

/// A rollback after 100 requests at either target, of which so many are under way at the one that was left.
fn begun(under_way: u64) -> Both {
    Both { left: counts(100, 100 - under_way), prior: counts(100, 100) }
}

/// What is seen when nothing is wrong: a hundred requests went home.
fn well() -> Look {
    let counts = Both { left: counts(100, 100), prior: counts(200, 200) };
    Look { at_ms: 5_000, counts, pinned_lately: 0, connections: Connections::Own(0) }
}

fn remaining(findings: &[Finding]) -> Vec<Item> {
    findings.iter().filter(|finding| !finding.is_proven).map(|finding| finding.item).collect()
}

fn remaining_of(look: &Look) -> Vec<Item> {
    remaining(&Watch::begin(begun(0), 0.02).look(look))
}

#[test]
fn what_went_home_with_nothing_left_behind_is_proven() {
    assert_eq!(remaining_of(&well()), []);
}

#[test]
fn each_thing_that_is_left_behind_is_said() {
    let with = |change: fn(&mut Look)| {
        let mut look = well();
        change(&mut look);
        remaining_of(&look)
    };
    assert_eq!(with(|look| look.counts.left.first.ended -= 3), [Item::InFlight]);
    let retry = with(|look| look.counts.left.retries = Count { begun: 1, ended: 0 });
    assert_eq!(retry, [Item::NewRequests, Item::InFlight, Item::Retries]);
    let hedge = with(|look| look.counts.left.hedges = Count { begun: 1, ended: 0 });
    assert_eq!(hedge, [Item::NewRequests, Item::InFlight, Item::Hedges]);
    let pinned = with(|look| look.counts.left.pinned = Count { begun: 1, ended: 0 });
    assert_eq!(pinned, [Item::InFlight, Item::PinnedSessions]);
    assert_eq!(with(|look| look.pinned_lately = 1), [Item::PinnedSessions]);
    assert_eq!(with(|look| look.connections = Connections::Own(2)), [Item::ConnectionPools]);
    let first = with(|look| look.counts.left.first = Count { begun: 101, ended: 101 });
    assert_eq!(first, [Item::NewRequests, Item::ObservedShare]);
    assert_eq!(with(|look| look.counts.prior.failed = 50), [Item::ErrorRate]);
}

#[test]
fn connections_that_others_use_are_left_alone() {
    let mut watch = Watch::begin(begun(0), 0.02);
    let findings = watch.look(&Look { connections: Connections::Shared, ..well() });
    assert_eq!(remaining(&findings), []);
    assert_eq!((findings[5].expected, findings[5].observed), (None, None));
}

#[test]
fn silence_proves_nothing() {
    let silent = Look { counts: begun(0), ..well() };
    assert_eq!(remaining_of(&silent), [Item::NewRequests, Item::ObservedShare, Item::ErrorRate]);
    let few = Look { counts: Both { prior: counts(110, 110), ..begun(0) }, ..well() };
    assert_eq!(remaining_of(&few), [Item::ErrorRate]);
}

#[test]
fn a_late_request_is_forgiven_when_others_go_home_after_it() {
    let mut watch = Watch::begin(begun(0), 0.02);
    let late = Both { left: counts(101, 101), prior: counts(140, 140) };
    let first = watch.look(&Look { counts: late, ..well() });
    assert_eq!(remaining(&first), [Item::NewRequests, Item::ObservedShare]);
    // Nobody has come since: that the last one went home is not shown.
    let silent = watch.look(&Look { counts: late, ..well() });
    assert_eq!(remaining(&silent), [Item::NewRequests, Item::ObservedShare]);
    let after = Both { prior: counts(240, 240), ..late };
    assert_eq!(remaining(&watch.look(&Look { counts: after, ..well() })), []);
    assert_eq!(watch.late(&after), 1);
}

#[test]
fn it_says_since_when_something_is_so_and_forgets_that_when_it_is_not() {
    let mut watch = Watch::begin(begun(1), 0.02);
    let in_flight = |watch: &mut Watch, at_ms, ended| {
        let mut look = Look { at_ms, ..well() };
        look.counts.left.first.ended = ended;
        watch.look(&look)[1].since_ms
    };
    assert_eq!(in_flight(&mut watch, 1_000, 99), None);
    assert_eq!(in_flight(&mut watch, 2_000, 100), Some(2_000));
    assert_eq!(in_flight(&mut watch, 3_000, 100), Some(2_000));
    assert_eq!(in_flight(&mut watch, 4_000, 99), None);
    assert_eq!(in_flight(&mut watch, 5_000, 100), Some(5_000));
}

#[test]
fn errors_are_compared_with_those_before_and_without_them_with_the_limit() {
    let errors = |before: (u64, u64), after: (u64, u64)| {
        let prior = |(judged, failed)| Counts { judged, failed, ..counts(1_000, 1_000) };
        let mut watch = Watch::begin(Both { prior: prior(before), ..begun(0) }, 0.02);
        let now = prior((before.0 + after.0, before.1 + after.1));
        watch.look(&Look { counts: Both { prior: now, ..begun(0) }, ..well() })[7]
    };
    // One of a hundred before: so are four of two hundred, and ten are not.
    assert!(errors((1_000, 10), (200, 4)).is_proven);
    assert!(!errors((1_000, 10), (200, 10)).is_proven);
    assert_eq!(errors((1_000, 10), (200, 4)).expected, Some(0.01));
    // Never one before: one may be chance.
    assert!(errors((1_000, 0), (200, 1)).is_proven);
    assert!(!errors((1_000, 0), (200, 2)).is_proven);
    // Too few before to know.
    assert_eq!(errors((29, 0), (200, 4)).expected, Some(0.02));
    assert!(!errors((1_000, 0), (29, 0)).is_proven);
}

#[test]
fn an_error_rate_that_comes_down_is_seen_to() {
    let mut watch = Watch::begin(begun(0), 0.0);
    let mut look = well();
    look.counts.prior.failed = 60;
    assert_eq!(remaining(&watch.look(&look)), [Item::ErrorRate]);
    // Another hundred, none of which failed.
    (look.counts.prior.judged, look.at_ms) = (300, 6_000);
    assert_eq!(remaining(&watch.look(&look)), []);
    // And so it stays when nobody comes any more.
    assert_eq!(remaining(&watch.look(&look)), []);
}
