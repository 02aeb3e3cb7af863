//! What operators are promised about buckets: the share is the share, raising it only adds, salts do not conspire.
//!
//! The statistical tests use fixed keys, so they either hold or not: nothing here fails once in a thousand runs.

mod scale;

use decisions::bucket::{Share, WHOLE, contains, draw, position};
use decisions::plan::{Bucketing, FeatureSet, StickyBy};
use decisions::{Caller, Endpoint, Facts, StickyKeys, TenantId};
use proptest::prelude::*;

use crate::scale::scaled;

/// Salts as like each other as route names are.
const SALTS: [&str; 4] = ["acme-summaries", "acme-summaries-2", "a", "b"];

#[test]
fn raising_a_share_from_one_percent_to_fifty_moves_no_key_out() {
    let shares = [10_000, 10_001, 50_000, 100_000, 250_000, 500_000].map(share);
    for n in 0..scaled(1_000_000) {
        let key = format!("user-{n}");
        let sides = shares.map(|share| contains(share, "acme-summaries", key.as_bytes()));
        assert!(sides.is_sorted(), "{key}: {sides:?}");
    }
}

#[test]
fn the_share_of_keys_is_the_configured_one_within_four_sigma() {
    let keys = scaled(1_000_000);
    for salt in SALTS {
        let positions: Vec<u32> = (0..keys).map(|n| position(salt, format!("user-{n}").as_bytes())).collect();
        for ppm in [100, 1_000, 10_000, 50_000, 100_000, 500_000, 990_000] {
            let is_in = positions.iter().filter(|position| **position < ppm).count();
            assert_within_four_sigma(is_in, keys, f64::from(ppm) / f64::from(WHOLE), salt);
        }
    }
}

#[test]
fn two_salts_pick_their_keys_independently() {
    let (keys, tenth) = (scaled(1_000_000), share(100_000));
    for (at, first) in SALTS.into_iter().enumerate() {
        for second in SALTS.into_iter().skip(at + 1) {
            let in_both = (0..keys)
                .map(|n| format!("user-{n}"))
                .filter(|key| {
                    contains(tenth, first, key.as_bytes()) && contains(tenth, second, key.as_bytes())
                })
                .count();
            assert_within_four_sigma(in_both, keys, 0.01, &format!("{first} and {second}"));
        }
    }
}

/// Even draws as poor as a counter are split by the share, since they are hashed like any key.
#[test]
fn draws_per_request_split_by_the_share() {
    let requests = scaled(1_000_000);
    let random = |n: u32| u64::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31);
    let counter = |n: u32| u64::from(n);
    for ppm in [10_000, 50_000, 500_000] {
        let bucketing = bucketing(ppm, &[StickyBy::User, StickyBy::Request]);
        for draw_of in [random as fn(u32) -> u64, counter] {
            let is_in = (0..requests)
                .filter(|n| {
                    let facts = Facts { draw: draw_of(*n), ..plain_facts() };
                    draw(&bucketing, "acme", &facts) == Some((true, StickyBy::Request))
                })
                .count();
            assert_within_four_sigma(is_in, requests, f64::from(ppm) / f64::from(WHOLE), "draws");
        }
    }
}

/// Computed with Python's xxhash 4.1.0; the table of `docs/bucketing.md` has no place for these.
#[test]
fn long_keys_long_salts_and_draws_agree_with_python() {
    for (length, expected) in [(241, 845_109), (242, 241_513), (300, 279_447)] {
        assert_eq!(position("acme-summaries", "k".repeat(length).as_bytes()), expected, "length {length}");
    }
    assert_eq!(position(&"s".repeat(300), b"user-1"), 601_097);
    for (random, at) in [(0, 104_484), (1, 90_042), (0x0123_4567_89ab_cdef, 754_657), (u64::MAX, 499_775)] {
        let facts = Facts { draw: random, ..plain_facts() };
        let side = |ppm| draw(&bucketing(ppm, &[StickyBy::Request]), "acme", &facts);
        assert_eq!(side(at), Some((false, StickyBy::Request)), "draw {random}");
        assert_eq!(side(at + 1), Some((true, StickyBy::Request)), "draw {random}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(scaled(5_000)))]

    #[test]
    fn a_key_that_is_in_stays_in_at_every_higher_share(
        salt in ".{0,40}", key in prop::collection::vec(any::<u8>(), 0..400), a in 0..=WHOLE, b in 0..=WHOLE,
    ) {
        let (low, high) = (share(a.min(b)), share(a.max(b)));
        prop_assert!(!contains(low, &salt, &key) || contains(high, &salt, &key));
        prop_assert!(contains(Share::ALL, &salt, &key) && !contains(Share::NONE, &salt, &key));
    }

    /// Stated with a comparison of 128-bit products instead of a shift, over bytes joined in a vector.
    #[test]
    fn a_key_is_in_as_the_formula_says(
        salt in ".{0,300}", key in prop::collection::vec(any::<u8>(), 0..400), ppm in 0..=WHOLE,
    ) {
        let joined = [salt.as_bytes(), &[0x1F], &key].concat();
        let scaled_hash = u128::from(xxhash_rust::xxh3::xxh3_64(&joined)) * 1_000_000;
        prop_assert_eq!(contains(share(ppm), &salt, &key), scaled_hash < u128::from(ppm) << 64);
    }

    #[test]
    fn the_same_sticky_key_is_on_the_same_side_whatever_else_the_request_holds(
        ppm in 0..=WHOLE, user in ".{1,20}", cache_key in prop::option::of(".{0,20}"), draws in any::<[u64; 2]>(),
        stateful in any::<[bool; 2]>(), models in any::<[bool; 2]>(),
    ) {
        let list = [StickyBy::SafetyIdentifier, StickyBy::User, StickyBy::PromptCacheKey, StickyBy::Request];
        let bucketing = bucketing(ppm, &list);
        let side = |at: usize, tenant, prompt_cache_key| {
            draw(&bucketing, tenant, &Facts {
                model: if models[at] { "a" } else { "b" },
                keys: StickyKeys { safety_identifier: Some(""), user: Some(&user), prompt_cache_key },
                stateful: stateful[at],
                draw: draws[at],
                ..plain_facts()
            })
        };
        let first = side(0, "acme", cache_key.as_deref());
        prop_assert_eq!(first, side(1, "globex", None));
        prop_assert_eq!(first, Some((contains(share(ppm), "salt", user.as_bytes()), StickyBy::User)));
    }

    #[test]
    fn a_tenant_is_in_or_out_as_a_whole(ppm in 0..=WHOLE, tenant in ".{1,20}", draws in any::<[u64; 2]>()) {
        let bucketing = bucketing(ppm, &[StickyBy::Tenant, StickyBy::User, StickyBy::Request]);
        let sides = draws.map(|draw_of| draw(&bucketing, &tenant, &Facts { draw: draw_of, ..plain_facts() }));
        prop_assert_eq!(sides[0], sides[1]);
        prop_assert_eq!(sides[0].map(|(_, by)| by), Some(StickyBy::Tenant));
    }

    #[test]
    fn without_a_key_and_without_request_in_the_list_nobody_is_in(random in any::<u64>(), empty in any::<bool>()) {
        let list = [StickyBy::SafetyIdentifier, StickyBy::User, StickyBy::PromptCacheKey];
        let keys = StickyKeys { user: empty.then_some(""), ..StickyKeys::default() };
        let facts = Facts { keys, draw: random, ..plain_facts() };
        prop_assert_eq!(draw(&bucketing(WHOLE, &list), "acme", &facts), None);
    }
}

fn share(ppm: u32) -> Share {
    Share::from_ppm(ppm).unwrap_or(Share::ALL)
}

fn bucketing(ppm: u32, sticky_by: &[StickyBy]) -> Bucketing {
    let salt = if sticky_by == [StickyBy::Request] { "acme-summaries" } else { "salt" };
    Bucketing { share: share(ppm), sticky_by: sticky_by.to_vec(), salt: salt.to_owned() }
}

fn plain_facts() -> Facts<'static> {
    Facts {
        tenant: TenantId(0),
        caller: Caller::Known,
        endpoint: Endpoint::Chat,
        model: "support-summary-v3",
        keys: StickyKeys::default(),
        stateful: false,
        features: FeatureSet::EMPTY,
        draw: 0,
    }
}

/// Whether as many tries succeeded as a binomial of this chance yields in all but 6 of 100,000 cases.
fn assert_within_four_sigma(successes: usize, tries: u32, chance: f64, what: &str) {
    let expected = f64::from(tries) * chance;
    let sigma = (expected * (1.0 - chance)).sqrt();
    let off_by = (successes as f64 - expected) / sigma;
    assert!(
        off_by.abs() <= 4.0,
        "{what}: {successes} of {tries} at a chance of {chance}, {off_by:.2} sigma off"
    );
}
