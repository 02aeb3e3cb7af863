//! What a map's gates and steps become in the plan.

#![expect(clippy::unwrap_used, reason = "helpers of tests are not seen as tests")]

#[macro_use]
mod texts;

use std::path::Path;

use config::{Diff, Loaded, Source, diff, load_map, who};
use decisions::RouteId;
use decisions::bucket::Share;
use decisions::exposure::raised;
use decisions::gate::{Control, GateSettings, Mode, OnTrip, Rate, Tenants};
use decisions::plan::{Check, Feature, Gates, Watched, gate_identity};

const HEAD: &str = concat!(
    "route_version = \"1\"\nenvironment = \"staging\"\nprimary_provider = \"a\"\n",
    providers!("a": "a", "A"; "b": "b", "B"; "c": "c", "C";),
    "\
[aliases.m]
family = \"fam\"
provider_model_id = { a = \"m\", b = \"m\", c = \"m\" }
enabled_features = [\"streaming\"]
[aliases.n]
family = \"fam\"
provider_model_id = { a = \"n\", b = \"n\", c = \"n\" }
enabled_features = [\"tools\", \"streaming\"]
[cohorts.two]
tenants = [\"acme\", \"globex\"]
"
);
const ROUTE: &str = "\
[[routes]]
name = \"r\"
tenant_or_cohort = \"*\"
model_alias = \"m\"
mode = \"canary\"
primary_provider = \"a\"
fallback_provider = \"c\"
timeout_ms = 60000
";
const CANARY: &str = "[routes.canary]\nprovider = \"b\"\n";
const STEPS: &str = "steps = [\"1%\", \"5%\", \"25%\", \"100%\"]\n";
const TENANTS: &str = tenants!("acme"; "globex"; "initech"; "umbrella";);

fn load_text(routes: &str) -> Loaded {
    let (routes, tenants) = (format!("{routes}# end 1\n"), format!("{TENANTS}# end 1\n"));
    load_map(
        Source { path: Path::new("routes.toml"), text: &routes },
        Source { path: Path::new("tenants.toml"), text: &tenants },
    )
    .unwrap()
}

/// With gates of the map, and what the canary and the route say.
fn load(of_map: &str, canary: &str) -> Loaded {
    load_text(&format!("{HEAD}{of_map}{ROUTE}{CANARY}{canary}"))
}

fn gates(loaded: &Loaded) -> &Gates {
    &loaded.plan.route(RouteId(0)).gates
}

fn canary_of(loaded: &Loaded) -> GateSettings {
    *gates(loaded).canary.as_ref().unwrap().settings()
}

fn share(loaded: &Loaded) -> u32 {
    loaded.plan.route(RouteId(0)).canary.as_ref().unwrap().bucketing.share.ppm()
}

fn steps(loaded: &Loaded) -> Vec<u32> {
    gates(loaded).rollout.as_ref().map(|rules| rules.steps().to_vec()).unwrap_or_default()
}

#[test]
fn every_canary_and_every_fallback_is_gated_unless_the_map_says_otherwise() {
    let loaded = load("", "share = \"5%\"\n");
    let canary = canary_of(&loaded);
    assert_eq!(
        (canary.mode, canary.control, canary.tenants),
        (Mode::Act, Control::Primary, Tenants::Several)
    );
    let fallback = *gates(&loaded).fallback.as_ref().unwrap().settings();
    assert_eq!((fallback.mode, fallback.control), (Mode::Observe, Control::None));
    assert!(gates(&loaded).rollout.is_none());

    let at_home = ROUTE.replace("\"canary\"", "\"primary\"").replace("fallback_provider = \"c\"\n", "");
    let loaded = load_text(&format!("{HEAD}{at_home}"));
    assert_eq!(gates(&loaded), &Gates::default());
}

#[test]
fn each_field_arrives() {
    let of_map = "\
[gates]
mode = \"observe\"
fallback_mode = \"act\"
tenants = \"single\"
false_alarms = \"0.5%\"
hard_failure = \"5%\"
timeout = \"2.5%\"
malformed = \"0.01%\"
slow_first_token = \"20%\"
rejected = \"30%\"
on_trip = { hard_failure = \"hold\", timeout = \"hold\", malformed = \"hold\", slow_first_token = \"rollback\", rejected = \"hold\" }
worse_than_primary = \"rollback\"
token_budget = 5000000
unreported_answers = 3
queue_limit = 50
queue_patience_ms = 30000
silence_ms = 900000
hold_limit_ms = 3600000
";
    let loaded = load(of_map, "share = \"5%\"\n");
    let said = canary_of(&loaded);
    let limits = said.rates.map(|rate| rate.limit);
    for (limit, expected) in limits.into_iter().zip([0.05, 0.025, 0.0001, 0.2, 0.3]) {
        assert!((limit - expected).abs() < 1e-12, "{limits:?}");
    }
    let on_trip = said.rates.map(|rate| rate.on_trip);
    assert_eq!(on_trip, [OnTrip::Hold, OnTrip::Hold, OnTrip::Hold, OnTrip::RollBack, OnTrip::Hold]);
    let expected = GateSettings {
        mode: Mode::Observe,
        control: Control::Primary,
        tenants: Tenants::Single,
        false_alarms: 0.005,
        rates: said.rates,
        worse_than_primary: OnTrip::RollBack,
        budget: Some(5_000_000),
        unreported_answers: Some(3),
        queue_limit: Some(50),
        queue_patience_ms: 30_000,
        silence_ms: 900_000,
        hold_limit_ms: Some(3_600_000),
    };
    assert_eq!(said, expected);
    assert_eq!(gates(&loaded).fallback.as_ref().unwrap().settings().mode, Mode::Act);
}

#[test]
fn zero_is_no_limit_where_nothing_is_one() {
    let said = canary_of(&load("[gates]\nunreported_answers = 0\nhold_limit_ms = 0\n", "share = \"5%\"\n"));
    assert_eq!((said.unreported_answers, said.hold_limit_ms), (None, None));
}

#[test]
fn a_route_says_otherwise_field_by_field() {
    let of_map = "[gates]\nmode = \"off\"\nhard_failure = \"5%\"\ntimeout = \"off\"\n\
                  on_trip = { malformed = \"hold\" }\n";
    let own = "share = \"5%\"\n[routes.gates]\nmode = \"act\"\nhard_failure = \"1%\"\non_trip = { rejected = \"hold\" }\n";
    let said = load(of_map, own);
    let rules = gates(&said).canary.unwrap();
    assert!((rules.limit(Rate::HardFailure) - 0.01).abs() < 1e-12);
    assert!(rules.threshold(Rate::Timeout).is_infinite());
    let on_trip = rules.settings().rates.map(|rate| rate.on_trip);
    assert_eq!(on_trip[2..], [OnTrip::Hold, OnTrip::Hold, OnTrip::Hold]);
    assert!(gates(&load(of_map, "share = \"5%\"\n")).canary.is_none());
}

#[test]
fn a_fallback_can_be_left_alone() {
    let said = load("[gates]\nfallback_mode = \"off\"\n", "share = \"5%\"\n");
    assert!(gates(&said).canary.is_some() && gates(&said).fallback.is_none());
    let said = load("[gates]\nmode = \"off\"\n", "share = \"5%\"\n");
    assert!(gates(&said).canary.is_none() && gates(&said).fallback.is_none());
}

#[test]
fn a_route_for_one_tenant_is_a_canary_for_one() {
    let text = format!("{HEAD}{ROUTE}{CANARY}{STEPS}");
    let for_scope = |scope: &str| {
        let loaded =
            load_text(&text.replace("tenant_or_cohort = \"*\"", &format!("tenant_or_cohort = \"{scope}\"")));
        let rollout = gates(&loaded).rollout.unwrap();
        (canary_of(&loaded).tenants, rollout.settings().tenants)
    };
    assert_eq!(for_scope("acme"), (Tenants::Single, 1));
    assert_eq!(for_scope("two"), (Tenants::Several, 2));
    assert_eq!(for_scope("*"), (Tenants::Several, 3));
}

#[test]
fn steps_begin_at_the_first_and_end_at_the_share() {
    let cases: [(&str, u32, &[u32]); 7] = [
        ("", 10_000, &[10_000, 50_000, 250_000, 1_000_000]),
        ("share = \"100%\"\n", 10_000, &[10_000, 50_000, 250_000, 1_000_000]),
        ("share = \"10%\"\n", 10_000, &[10_000, 50_000, 100_000]),
        ("share = \"5%\"\n", 10_000, &[10_000, 50_000]),
        ("share = \"1%\"\n", 10_000, &[10_000]),
        ("share = \"0.5%\"\n", 5_000, &[5_000]),
        ("share = \"0%\"\n", 0, &[]),
    ];
    for (written, first, expected) in cases {
        let loaded = load("", &format!("{STEPS}{written}"));
        assert_eq!((share(&loaded), steps(&loaded).as_slice()), (first, expected), "{written}");
        let highest = loaded.plan.route(RouteId(0)).highest_share().ppm();
        assert_eq!(highest, *expected.last().unwrap_or(&0), "{written}");
    }
    let beyond = load("", "steps = [\"1%\", \"5%\"]\nshare = \"50%\"\n");
    assert_eq!(steps(&beyond), [10_000, 50_000], "a share beyond the last step adds none");
}

#[test]
fn what_a_step_needs_arrives() {
    let needs = "dwell_ms = 900000\n[routes.canary.step_needs]\neach_feature = 7\ntenants = 4\n\
                 checks = [\"drill\", \"models\"]\nfailures = \"1%\"\nfalse_promotions = \"10%\"\n";
    let loaded = load("", &format!("{STEPS}{needs}"));
    let said = *gates(&loaded).rollout.unwrap().settings();
    assert_eq!((said.mode, said.dwell_ms, said.timeout_ms), (Mode::Act, 900_000, 60_000));
    assert_eq!((said.times_each_feature, said.tenants), (7, 4));
    assert_eq!(said.checks, Check::Drill.bit() | Check::Models.bit());
    assert!((said.limit - 0.01).abs() < 1e-12 && (said.false_promotions - 0.1).abs() < 1e-12);
    assert_eq!(said.features, 1 << Feature::Streaming as u16);
    let observed = load("[gates]\nmode = \"observe\"\n", STEPS);
    assert_eq!(gates(&observed).rollout.unwrap().settings().mode, Mode::Observe);
    assert_eq!(observed.plan.route(RouteId(0)).highest_share(), Share::from_ppm(10_000).unwrap());
}

#[test]
fn a_step_of_a_family_needs_what_any_of_its_aliases_relies_on() {
    let text =
        format!("{HEAD}{ROUTE}{CANARY}{STEPS}").replace("model_alias = \"m\"", "model_family = \"fam\"");
    let features = gates(&load_text(&text)).rollout.unwrap().settings().features;
    assert_eq!(features, 1 << Feature::Streaming as u16 | 1 << Feature::Tools as u16);
}

#[test]
fn a_step_shows_what_the_gate_asks_for() {
    let limit = |of_map: &str| gates(&load(of_map, STEPS)).rollout.unwrap().settings().limit;
    assert!((limit("") - 0.02).abs() < 1e-12);
    assert!((limit("[gates]\nhard_failure = \"0.5%\"\n") - 0.005).abs() < 1e-12);
    assert!((limit("[gates]\nhard_failure = \"off\"\n") - 0.02).abs() < 1e-12);
}

/// A canary that may climb to more sends more away, though it begins where it began.
#[test]
fn higher_steps_raise_exposure_and_lower_ones_do_not() {
    let (low, high) = (load("", "steps = [\"1%\", \"5%\"]\n"), load("", STEPS));
    assert_eq!(raised(&low.plan, &high.plan), [RouteId(0)]);
    assert!(raised(&high.plan, &low.plan).is_empty());
    assert!(raised(&high.plan, &load("", &format!("{STEPS}share = \"5%\"\n")).plan).is_empty());
    let observed = load("[gates]\nmode = \"observe\"\n", STEPS);
    assert_eq!(
        raised(&observed.plan, &high.plan),
        [RouteId(0)],
        "steps that were only observed are now taken"
    );
    let fixed = load("", "share = \"100%\"\n");
    assert!(raised(&fixed.plan, &high.plan).is_empty());
}

#[test]
fn a_generation_is_a_new_try_of_the_target_in_either_role() {
    let identity = |routes: &str, watched| {
        gate_identity(&load_text(&format!("{HEAD}{routes}")).plan, RouteId(0), watched).unwrap()
    };
    let text = format!("{ROUTE}{CANARY}share = \"5%\"\n");
    let again = format!("{text}generation = 2\n");
    assert_ne!(identity(&text, Watched::Canary), identity(&again, Watched::Canary));
    assert_eq!(identity(&text, Watched::Fallback), identity(&again, Watched::Fallback));
    let fallback_again = text.replace("timeout_ms", "fallback_generation = 2\ntimeout_ms");
    assert_ne!(identity(&text, Watched::Fallback), identity(&fallback_again, Watched::Fallback));
    let both = |text: &str| text.replace("fallback_provider = \"c\"", "fallback_provider = \"b\"");
    for watched in Watched::ALL {
        assert_ne!(identity(&both(&text), watched), identity(&both(&again), watched), "{watched:?}");
    }
    // Other gates and other shares are no new try.
    let stricter = format!("{text}[routes.gates]\nhard_failure = \"1%\"\n").replace("5%", "50%");
    assert_eq!(identity(&text, Watched::Canary), identity(&stricter, Watched::Canary));
}

#[test]
fn who_is_in_says_how_far_the_canary_may_climb() {
    let first_line = |canary: &str| who(&load("", canary), "r").unwrap().lines()[0].clone();
    assert_eq!(first_line(STEPS), "route r: mode canary, 1% (and up to 100% by steps) to b, the rest to a");
    assert_eq!(first_line("share = \"1%\"\n"), "route r: mode canary, 1% to b, the rest to a");
}

fn lines(before: (&str, &str), after: (&str, &str)) -> Vec<String> {
    diff(&load(before.0, before.1), &load(after.0, after.1), Diff::Change).lines()
}

#[test]
fn a_change_of_gates_and_steps_has_a_line_each() {
    let share = "share = \"1%\"\n";
    let own =
        "share = \"1%\"\n[routes.gates]\nhard_failure = \"5%\"\nmalformed = \"off\"\ntoken_budget = 1000\n";
    assert_eq!(
        lines(("", share), ("[gates]\nmode = \"observe\"\n", own)),
        [
            "route r: gates.mode act -> observe",
            "route r: gates.hard_failure 2% -> 5%",
            "route r: gates.malformed 0.1% -> off",
            "route r: gates.token_budget no limit -> 1000",
        ]
    );
    let needs = format!("{STEPS}[routes.canary.step_needs]\nchecks = [\"drill\"]\n");
    assert_eq!(
        lines(("", share), ("", &needs)),
        [
            "route r: canary.steps none -> 1%, 5%, 25%, 100%",
            "route r: canary.step_needs.checks none -> drill",
        ]
    );
    assert_eq!(
        lines(("", STEPS), ("", &format!("{STEPS}share = \"10%\"\n"))),
        ["route r: canary.steps 1%, 5%, 25%, 100% -> 1%, 5%, 10%"]
    );
    let off = lines(("", share), ("[gates]\nmode = \"off\"\nfallback_mode = \"act\"\n", share));
    assert_eq!(off, ["route r: gates.mode act -> off", "route r: gates.fallback_mode observe -> act"]);
}

#[test]
fn a_default_that_is_written_out_is_no_change() {
    let written =
        "[gates]\nmode = \"act\"\nhard_failure = \"2%\"\nfalse_alarms = \"1%\"\nunreported_answers = 10\n";
    assert_eq!(lines(("", "share = \"1%\"\n"), (written, "share = \"1%\"\n")), [""; 0]);
}
