//! What a change says: by hand for a small map, and against drawn requests for random ones.

#![expect(clippy::unwrap_used, reason = "helpers of tests are not seen as tests")]

mod maps;
#[macro_use]
mod texts;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use config::diff::{Goes, Share, Traffic};
use config::{Changes, Diff, Loaded, diff};
use decisions::Endpoint;
use proptest::prelude::*;
use proptest::sample::select;

use crate::maps::{Became, MODELS, Map, TENANTS, agree, draw, load, map, scaled, share_of, split};

const TENANTS_TEXT: &str = concat!(tenants!("acme"; "globex"; "initech";), "# end 1\n");

const ROUTES: &str = concat!(
    "route_version = \"1\"\nenvironment = \"staging\"\nprimary_provider = \"openai\"\n",
    providers!("openai": "a", "A"; "cometapi": "b", "B";),
    "\
[aliases.support-summary-v3]
provider_model_id = { openai = \"gpt-5.4\", cometapi = \"gpt-5.4\" }
[aliases.search]
provider_model_id = { openai = \"e\", cometapi = \"e-large\" }
[[routes]]
name = \"acme-support\"
tenant_or_cohort = \"acme\"
model_alias = \"support-summary-v3\"
mode = \"canary\"
primary_provider = \"openai\"
[routes.canary]
provider = \"cometapi\"
share = \"5%\"
[[routes]]
name = \"all\"
tenant_or_cohort = \"*\"
model_alias = \"*\"
mode = \"primary\"
primary_provider = \"openai\"
# end 1
"
);

fn changed(edits: &[(&str, &str)]) -> Loaded {
    let text = edits.iter().fold(ROUTES.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    });
    load(&text, TENANTS_TEXT)
}

fn change(edits: &[(&str, &str)]) -> Vec<String> {
    diff(&changed(&[]), &changed(edits), Diff::Change).lines()
}

fn drift(edits: &[(&str, &str)]) -> Vec<String> {
    let mut all = vec![("\"staging\"", "\"production\"")];
    all.extend(edits);
    diff(&changed(&[]), &changed(&all), Diff::Parity).lines()
}

#[test]
fn a_share_is_told_in_shares() {
    let expected =
        ["support-summary-v3, tenant acme: cometapi (gpt-5.4) 5% -> 20%, openai (gpt-5.4) 95% -> 80%"];
    assert_eq!(change(&[("\"5%\"", "\"20%\"")]), expected);
}

#[test]
fn another_salt_at_the_same_share_moves_people() {
    let expected =
        ["support-summary-v3, tenant acme: cometapi (gpt-5.4) 5%, openai (gpt-5.4) 95% as before; another \
                     salt: 9.5% of keys change sides"];
    assert_eq!(change(&[("\"5%\"", "\"5%\"\nsalt = \"new\"")]), expected);
}

#[test]
fn plain_calls_are_told_of_where_they_differ() {
    let expected =
        ["support-summary-v3, tenant acme: cometapi (gpt-5.4) 5%, openai (gpt-5.4) 95% as before; plain \
                     calls: cometapi (gpt-5.4) 5% -> 0%, openai (gpt-5.4) 95% -> 100%"];
    let list = "sticky_by = [\"safety_identifier\", \"user\", \"prompt_cache_key\"]";
    assert_eq!(change(&[("\"5%\"", &format!("\"5%\"\n{list}"))]), expected);
}

#[test]
fn those_who_see_the_same_are_told_of_once() {
    let found = change(&[(
        "mode = \"primary\"\nprimary_provider = \"openai\"",
        "mode = \"primary\"\nprimary_provider = \"cometapi\"",
    )]);
    let expected = [
        "support-summary-v3, 2 tenants: globex, initech: cometapi (gpt-5.4) 0% -> 100%, openai (gpt-5.4) 100% -> 0%",
        "search, all 3 tenants: cometapi (e-large) 0% -> 100%, openai (e) 100% -> 0%",
        "unlisted models, all 3 tenants: cometapi 0% -> 100%, openai 100% -> 0%",
    ];
    assert_eq!(found, expected);
}

#[test]
fn aliases_whose_model_ids_differ_are_told_of_together_where_the_ids_stay() {
    let wide = ("model_alias = \"support-summary-v3\"", "model_alias = \"*\"");
    let changes = diff(&changed(&[wide]), &changed(&[wide, ("\"5%\"", "\"20%\"")]), Diff::Change);
    let expected =
        ["2 aliases: support-summary-v3, search, tenant acme: cometapi 5% -> 20%, openai 95% -> 80%"];
    assert_eq!(changes.lines(), expected);
}

#[test]
fn endpoints_are_told_of_where_they_differ() {
    let expected = ["support-summary-v3, tenant acme, all but chat: cometapi (gpt-5.4) 5% -> 0%, \
                     openai (gpt-5.4) 95% -> 100%"];
    assert_eq!(change(&[("mode = \"canary\"", "endpoint = \"chat\"\nmode = \"canary\"")]), expected);
}

#[test]
fn fields_have_a_line_each() {
    let found = change(&[
        ("https://b/v1", "https://c/v1"),
        (
            "{ env = \"B\" }",
            "{ file = \"/run/b\" }\napproved_models = [\"gpt-5.4\", \"e-large\"]\n[providers.cometapi.headers]\nX-Team = \"a\"",
        ),
        ("mode = \"primary\"", "mode = \"primary\"\ntimeout_ms = 30000\nfallback_provider = \"cometapi\""),
        ("environment = \"staging\"", "environment = \"staging\"\nowner = \"kim\""),
    ]);
    let expected = [
        "map: owner none -> kim",
        "provider cometapi: base_url https://b/v1 -> https://c/v1",
        "provider cometapi: credential env B -> file /run/b",
        "provider cometapi: headers.x-team none -> a",
        "provider cometapi: approved_models all -> e-large, gpt-5.4",
        "route all: fallback_provider none -> cometapi",
        "route all: timeout_ms 600000 -> 30000",
    ];
    assert_eq!(found, expected);
}

#[test]
fn tenants_are_told_of_without_their_hashes() {
    let hash = "ab".repeat(32);
    let after = TENANTS_TEXT
        .replacen("key_sha256 = []", &format!("key_sha256 = [\"{hash}\"]\nallowed_aliases = [\"search\"]"), 1)
        .replace("initech", "umbrella");
    let changes = diff(&changed(&[]), &load(ROUTES, &after), Diff::Change);
    assert!(!changes.to_json().to_string().contains("abab"));
    let expected = [
        "support-summary-v3, tenant acme: cometapi (gpt-5.4) 5% -> 0%, openai (gpt-5.4) 95% -> 0%, refused (unknown model) 0% -> 100%",
        "unlisted models, tenant acme: openai 100% -> 0%, refused (unknown model) 0% -> 100%",
        "tenant acme: allowed_aliases all -> search",
        "tenant acme: keys 0 -> 1",
        "tenant umbrella: new",
        "tenant initech: gone",
    ];
    assert_eq!(changes.lines(), expected);
}

#[test]
fn what_has_to_differ_between_environments_is_no_drift() {
    let edits = [
        ("https://b/v1", "https://c/v1"),
        ("{ env = \"B\" }", "\"client\""),
        ("\"5%\"", "\"50%\"\nsalt = \"other\"\ngeneration = 3"),
        (
            "environment = \"production\"",
            "environment = \"production\"\nowner = \"kim\"\nexpires_at = 2027-01-01T00:00:00Z",
        ),
    ];
    assert_eq!(drift(&edits), [""; 0]);
}

#[test]
fn drift_names_both_sides() {
    let edits = [
        ("cometapi = \"gpt-5.4\"", "cometapi = \"GPT-5.4\""),
        ("\"e-large\"", "\"\u{435}-large\""),
        ("mode = \"primary\"", "mode = \"primary\"\ntimeout_ms = 30000"),
    ];
    let expected = [
        "alias search: provider_model_id at cometapi is \"e-large\" in staging, \"\u{435}-large\" in production (from \
         byte 1: 65 against d0 b5)",
        "alias support-summary-v3: provider_model_id at cometapi is \"gpt-5.4\" in staging, \"GPT-5.4\" in production \
         (differs only in case)",
        "route all: timeout_ms is \"600000\" in staging, \"30000\" in production",
    ];
    let mut found = drift(&edits);
    found.sort();
    assert_eq!(found, expected);
}

/// One change of a random map.
#[derive(Clone, Debug)]
enum Edit {
    Share(usize, maps::Split),
    Mode(usize, &'static str),
    Cohort(usize, maps::Split),
    Drop(usize),
    Swap(usize),
}

fn edit() -> impl Strategy<Value = Edit> {
    let modes = select(vec!["canary", "primary", "fallback", "disabled"]);
    prop_oneof![
        4 => (0..7_usize, split()).prop_map(|(at, split)| Edit::Share(at, split)),
        2 => (0..7_usize, modes).prop_map(|(at, mode)| Edit::Mode(at, mode)),
        2 => (0..2_usize, split()).prop_map(|(at, split)| Edit::Cohort(at, split)),
        1 => (0..7_usize).prop_map(Edit::Drop),
        1 => (0..7_usize).prop_map(Edit::Swap),
    ]
}

fn edited(map: &Map, edits: &[Edit]) -> Map {
    let mut map = map.clone();
    for edit in edits {
        let count = map.routes.len();
        match edit.clone() {
            _ if count == 0 => {}
            Edit::Share(at, split) => map.routes[at % count].split = split,
            Edit::Mode(at, mode) => map.routes[at % count].mode = mode,
            Edit::Cohort(at, split) => map.cohorts[at] = split,
            Edit::Drop(at) => drop(map.routes.remove(at % count)),
            Edit::Swap(at) => map.routes.swap(at % count, 0),
        }
    }
    map
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(scaled(100)))]

    #[test]
    fn the_figures_are_those_of_drawn_requests(
        map in map(), other in prop::option::weighted(0.3, maps::map()), edits in prop::collection::vec(edit(), 1..3),
        at in 0_usize..3, seed in any::<u64>(),
    ) {
        let other = other.unwrap_or_else(|| edited(&map, &edits));
        let is_drawn = [&map, &other].iter().any(|map| map.goes_by_request());
        let (before, after) = (map.load(), other.load());
        let changes = diff(&before, &after, Diff::Change);
        let endpoint = Endpoint::ALL[at];
        for tenant in TENANTS {
            for model in MODELS {
                let found = find(&changes, tenant, model, endpoint);
                let class = (tenant, model, endpoint);
                for has_keys in [true, false] {
                    let then = draw(&before.plan, class, has_keys, seed);
                    let now = draw(&after.plan, class, has_keys, seed);
                    check_shares(found, has_keys, &then, &now)?;
                    if has_keys {
                        check_moved(found, is_drawn, &then, &now)?;
                    }
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(scaled(2_000)))]

    #[test]
    fn nothing_differs_from_itself(map in map()) {
        for kind in [Diff::Change, Diff::Parity] {
            let changes = diff(&map.load(), &map.load(), kind);
            prop_assert!(changes.is_empty(), "{:?}", changes.lines());
        }
    }

    #[test]
    fn what_sends_nobody_elsewhere_is_no_change(map in map(), split in split()) {
        let mut other = map.clone();
        for route in &mut other.routes {
            if route.mode != "canary" {
                route.split = split.clone();
            } else if route.split.ppm == 0 || route.split.ppm == 1_000_000 && !route.split.sticky_by.contains("safety") {
                route.split.salt = split.salt;
            }
        }
        let changes = diff(&map.load(), &other.load(), Diff::Change);
        prop_assert!(changes.is_empty(), "{:?}", changes.lines());
    }
}

fn find<'c>(changes: &'c Changes, tenant: &str, model: &str, endpoint: Endpoint) -> Option<&'c Traffic> {
    let is_it = |traffic: &&Traffic| {
        let has_model = if model == "no alias" {
            traffic.aliases.is_empty()
        } else {
            traffic.aliases.iter().any(|alias| alias == model)
        };
        has_model
            && traffic.tenants.iter().any(|name| name == tenant)
            && traffic.endpoints.contains(&endpoint)
    };
    let mut found = changes.traffic.iter().filter(is_it);
    let first = found.next();
    assert!(found.next().is_none(), "told of twice");
    first
}

fn check_shares(
    found: Option<&Traffic>,
    has_keys: bool,
    then: &[Became],
    now: &[Became],
) -> Result<(), TestCaseError> {
    let mut drawn: BTreeMap<(String, String), [f64; 2]> = BTreeMap::new();
    for (side, all) in [then, now].into_iter().enumerate() {
        for one in all {
            drawn.entry(one.goes.clone()).or_default()[side] += 1.0 / f64::from(maps::DRAWS);
        }
    }
    let Some(traffic) = found else {
        for (goes, [then, now]) in drawn {
            prop_assert!((then - now).abs() < 0.03, "{goes:?} {then} -> {now} is not told of");
        }
        return Ok(());
    };
    let shares = if has_keys {
        &traffic.shift.keyed
    } else {
        traffic.shift.plain.as_ref().unwrap_or(&traffic.shift.keyed)
    };
    for share in shares {
        let [then, now] = drawn.remove(&place(share)).unwrap_or_default();
        for (exact, drawn) in [(share.before, then), (share.after, now)] {
            let exact = f64::from(u32::try_from(exact).unwrap()) / 1e9;
            prop_assert!(agree(exact, drawn), "{share:?}: drawn {then} -> {now}");
        }
    }
    prop_assert!(drawn.values().flatten().all(|share| agree(0.0, *share)), "{drawn:?} in {shares:?}");
    Ok(())
}

fn check_moved(
    found: Option<&Traffic>,
    is_drawn: bool,
    then: &[Became],
    now: &[Became],
) -> Result<(), TestCaseError> {
    let pairs: Vec<_> = then.iter().zip(now).collect();
    let drawn = share_of(&pairs, |(then, now)| then.goes != now.goes);
    match found.map(|traffic| traffic.shift.moved) {
        Some(Some(moved)) => {
            let exact = f64::from(u32::try_from(moved.share).unwrap()) / 1e9;
            prop_assert!(agree(exact, drawn), "{exact}, drawn {drawn}");
        }
        None if !is_drawn => prop_assert!(drawn <= 0.0, "{drawn} move, and nothing is told of"),
        // Each request is drawn by itself: nobody changes sides, since nobody has one.
        Some(None) => prop_assert!(is_drawn),
        None => {}
    }
    Ok(())
}

fn place(share: &Share) -> (String, String) {
    match &share.goes {
        Goes::To { provider, .. } => (provider.clone(), share.goes.role().unwrap().to_owned()),
        Goes::Refused(why) => ("refused".to_owned(), (*why).to_owned()),
    }
}

/// A tenant's own routes by the thousand, and all of them changed: anything quadratic would be felt here.
#[test]
fn ten_thousand_routes_for_a_thousand_tenants_are_compared() {
    let (tenants, before) = large("5%", "openai");
    let (_, after) = large("20%", "cometapi");
    let (before, after) = (load(&before, &tenants), load(&after, &tenants));
    let changes = diff(&before, &after, Diff::Change);
    let chat = "10 aliases: m0, m1, m2 …, all 1,000 tenants, chat only: cometapi (x) 5% -> 20%, openai (x) 95% -> 80%";
    assert_eq!(changes.lines()[2], chat);
    assert_eq!(changes.traffic.len(), 5);
    assert!(diff(&before, &before, Diff::Change).is_empty());
}

/// What nobody can read is counted.
#[test]
fn there_are_some_sixty_lines_at_most() {
    let (tenants, before) = large("5%", "openai");
    let mut after = String::new();
    let mut at = 0;
    for line in before.split_inclusive('\n') {
        if line.starts_with("share = ") {
            at += 1;
            writeln!(after, "share = \"0.{at:04}%\"\ntimeout_ms = {}", 1000 + at % 9_000).unwrap();
        } else {
            after.push_str(line);
        }
        if at == 2_000 {
            break;
        }
    }
    let rest: String = before.split_inclusive('\n').skip(after.lines().count() - at).collect();
    let changes = diff(&load(&before, &tenants), &load(&(after + &rest), &tenants), Diff::Change);
    let lines = changes.lines();
    assert!(lines.len() <= 80, "{}", lines.len());
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("and ") && line.ends_with("more lines on where requests go"))
    );
    assert!(changes.to_json()["traffic"].as_array().unwrap().len() > 1_000);
}

fn large(share: &str, primary: &str) -> (String, String) {
    let mut tenants = String::from("version = \"t\"\n");
    let mut routes =
        ROUTES.replace("# end 1\n", "").replace("tenant_or_cohort = \"acme\"", "tenant_or_cohort = \"t0\"");
    routes = routes.replace(
        "mode = \"primary\"\nprimary_provider = \"openai\"",
        &format!("mode = \"primary\"\nprimary_provider = \"{primary}\""),
    );
    for at in 0..1000 {
        write!(tenants, "[tenants.t{at}]\nkey_sha256 = []\n").unwrap();
    }
    for at in 0..10 {
        write!(routes, "[aliases.m{at}]\nprovider_model_id = {{ openai = \"x\", cometapi = \"x\" }}\n")
            .unwrap();
    }
    for at in 0..10_000 {
        write!(
            routes,
            "[[routes]]\nname = \"r{at}\"\ntenant_or_cohort = \"t{}\"\nmodel_alias = \"m{}\"\nmode = \"canary\"\n\
             endpoint = \"chat\"\nprimary_provider = \"openai\"\n[routes.canary]\nprovider = \"cometapi\"\n\
             share = \"{share}\"\n",
            at % 1000,
            at / 1000
        )
        .unwrap();
    }
    tenants.push_str("# end t\n");
    routes.push_str("# end 1\n");
    (tenants, routes)
}
