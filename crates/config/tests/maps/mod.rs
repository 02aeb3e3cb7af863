//! Small random maps as texts, and what becomes of thousands of drawn requests under them: the opinion to hold exact
//! shares against.

#![allow(clippy::unwrap_used, clippy::panic, dead_code, reason = "helpers of tests are not seen as tests")]

use std::fmt::Write as _;
use std::path::Path;

use config::{Loaded, Source, load_map};
use decisions::plan::{FeatureSet, Plan};
use decisions::{Caller, Decision, Endpoint, Facts, Refusal, Role, StickyKeys, decide, no_gates};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

pub(crate) const DRAWS: u32 = 20_000;
pub(crate) const TENANTS: [&str; 3] = ["t0", "t1", "t2"];
pub(crate) const MODELS: [&str; 3] = ["a0", "a1", "no alias"];
const PROVIDERS: [&str; 3] = ["p", "q", "r"];

/// A count of tries in full, or a tenth of it.
pub(crate) fn scaled(full: u32) -> u32 {
    match std::env::var("COMETGATE_FULL") {
        Ok(value) if value == "1" => full,
        _ => full / 10,
    }
}

pub(crate) fn load(routes: &str, tenants: &str) -> Loaded {
    load_map(
        Source { path: Path::new("routes.toml"), text: routes },
        Source { path: Path::new("tenants.toml"), text: tenants },
    )
    .unwrap_or_else(|problems| panic!("{problems}\n{routes}"))
}

/// A list of names, or what its absence means.
type Names = Option<Vec<&'static str>>;

#[derive(Clone, Debug)]
pub(crate) struct Split {
    pub(crate) ppm: u32,
    pub(crate) sticky_by: &'static str,
    pub(crate) salt: &'static str,
}

#[derive(Clone, Debug)]
pub(crate) struct RouteText {
    pub(crate) matched: (&'static str, &'static str, Option<Endpoint>),
    pub(crate) mode: &'static str,
    pub(crate) providers: [&'static str; 3],
    pub(crate) split: Split,
}

#[derive(Clone, Debug)]
pub(crate) struct Map {
    pub(crate) unlisted: &'static str,
    pub(crate) members: Vec<&'static str>,
    pub(crate) cohorts: [Split; 2],
    pub(crate) routes: Vec<RouteText>,
    pub(crate) allowed: Vec<(Names, Names)>,
}

pub(crate) fn split() -> impl Strategy<Value = Split> {
    let lists = vec![
        "\"user\"",
        "\"safety_identifier\", \"user\"",
        "\"user\", \"request\"",
        "\"user\", \"tenant\"",
        "\"tenant\"",
        "\"request\"",
    ];
    let ppm = prop_oneof![1 => Just(0), 1 => Just(1_000_000), 5 => 0..=1_000_000_u32];
    (ppm, select(lists), select(vec!["x", "y", "z"])).prop_map(|(ppm, sticky_by, salt)| Split {
        ppm,
        sticky_by,
        salt,
    })
}

fn route() -> impl Strategy<Value = RouteText> {
    let scopes = select(vec!["t0", "t1", "named", "keys-0", "keys-1", "keys-0", "keys-1", "*", "*"]);
    let models = select(vec!["model_alias = \"a0\"", "model_alias = \"*\"", "model_family = \"f\""]);
    let endpoint = prop_oneof![4 => Just(None), 1 => select(Endpoint::ALL.to_vec()).prop_map(Some)];
    let modes = select(vec!["canary", "canary", "canary", "primary", "fallback", "disabled"]);
    let providers = Just(PROVIDERS.to_vec()).prop_shuffle().prop_map(|list| [list[0], list[1], list[2]]);
    ((scopes, models, endpoint), modes, providers, split())
        .prop_map(|(matched, mode, providers, split)| RouteText { matched, mode, providers, split })
}

pub(crate) fn map() -> impl Strategy<Value = Map> {
    let allowed = (
        prop::option::weighted(0.2, subsequence(vec!["a0", "a1"], 0..=2)),
        prop::option::weighted(0.2, subsequence(PROVIDERS.to_vec(), 1..=3)),
    );
    (
        select(vec!["primary", "primary", "refuse"]),
        subsequence(TENANTS.to_vec(), 0..=3),
        [split(), split()],
        prop::collection::vec(route(), 1..7),
        prop::collection::vec(allowed, TENANTS.len()),
    )
        .prop_map(|(unlisted, members, cohorts, mut routes, allowed)| {
            let mut seen = Vec::new();
            routes.retain(|route| {
                let is_new = !seen.contains(&route.matched);
                seen.push(route.matched);
                is_new
            });
            Map { unlisted, members, cohorts, routes, allowed }
        })
}

impl Map {
    /// Whether some split draws every request by itself.
    pub(crate) fn goes_by_request(&self) -> bool {
        let routes = self.routes.iter().map(|route| &route.split);
        self.cohorts.iter().chain(routes).any(|split| split.sticky_by == "\"request\"")
    }

    pub(crate) fn load(&self) -> Loaded {
        load(&self.routes_text(), &self.tenants_text())
    }

    fn tenants_text(&self) -> String {
        let mut text = "version = \"1\"\n".to_owned();
        for (name, (aliases, providers)) in TENANTS.iter().zip(&self.allowed) {
            writeln!(text, "[tenants.{name}]\nkey_sha256 = []").unwrap();
            for (field, list) in [("allowed_aliases", aliases), ("allowed_providers", providers)] {
                if let Some(list) = list {
                    writeln!(text, "{field} = {list:?}").unwrap();
                }
            }
        }
        text + "# end 1\n"
    }

    fn routes_text(&self) -> String {
        let mut text = format!(
            "route_version = \"1\"\nprimary_provider = \"p\"\nunlisted_models = \"{}\"\n",
            self.unlisted
        );
        for name in PROVIDERS {
            writeln!(
                text,
                "[providers.{name}]\nbase_url = \"http://{name}\"\ncredential = {{ env = \"K\" }}"
            )
            .unwrap();
        }
        for (name, family) in [("a0", "family = \"f\"\n"), ("a1", "")] {
            let ids = "provider_model_id = { p = \"m\", q = \"m\", r = \"n\" }";
            writeln!(text, "[aliases.{name}]\n{family}{ids}").unwrap();
        }
        writeln!(text, "[cohorts.named]\ntenants = {:?}", self.members).unwrap();
        for (at, split) in self.cohorts.iter().enumerate() {
            writeln!(text, "[cohorts.keys-{at}]\n{}", split.text()).unwrap();
        }
        for (at, route) in self.routes.iter().enumerate() {
            let (scope, models, endpoint) = route.matched;
            let endpoint = endpoint.map(|endpoint| format!("endpoint = \"{}\"\n", endpoint.as_str()));
            let [primary, canary, fallback] = route.providers;
            writeln!(
                text,
                "[[routes]]\nname = \"r{at}\"\ntenant_or_cohort = \"{scope}\"\n{models}\n{}mode = \"{}\"\n\
                 primary_provider = \"{primary}\"\nfallback_provider = \"{fallback}\"\n[routes.canary]\n\
                 provider = \"{canary}\"\n{}",
                endpoint.unwrap_or_default(),
                route.mode,
                route.split.text(),
            )
            .unwrap();
        }
        text + "# end 1\n"
    }
}

impl Split {
    fn text(&self) -> String {
        let (whole, rest) = (self.ppm / 10_000, self.ppm % 10_000);
        format!("share = \"{whole}.{rest:04}%\"\nsticky_by = [{}]\nsalt = \"{}\"", self.sticky_by, self.salt)
    }
}

/// What became of a request: the provider and role, or why not; and the route, where there was one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Became {
    pub(crate) goes: (String, String),
    pub(crate) route: Option<String>,
}

/// Draws requests that differ in their keys only, and says what becomes of each.
pub(crate) fn draw(
    plan: &Plan,
    (tenant, model, endpoint): (&str, &str, Endpoint),
    has_keys: bool,
    seed: u64,
) -> Vec<Became> {
    let tenant = plan.tenant_named(tenant).unwrap();
    let become_of = |decision: Decision<'_>| match decision {
        Decision::Send(chosen) => {
            let first = chosen.order.first();
            let goes = (plan.provider(first.provider).name.clone(), first.role.as_str().to_owned());
            Became { goes, route: chosen.route.map(|id| plan.route(id).name.clone()) }
        }
        Decision::Refuse(refusal) => {
            let route = match refusal {
                Refusal::RouteDisabled(id) => Some(plan.route(id).name.clone()),
                _ => None,
            };
            let why = match refusal {
                Refusal::UnknownModel => "unknown model",
                Refusal::RouteDisabled(_) => "route disabled",
                Refusal::ProviderNotAllowed => "provider not allowed",
                Refusal::UnknownKey | Refusal::RestrictedTenant => "something else",
            };
            Became { goes: ("refused".to_owned(), why.to_owned()), route }
        }
    };
    (0..DRAWS)
        .map(|at| {
            let [safety, user, cache] = ["s", "u", "c"].map(|field| format!("{field}{seed}-{at}"));
            let keys = StickyKeys {
                safety_identifier: Some(&safety),
                user: Some(&user),
                prompt_cache_key: Some(&cache),
            };
            let draw = seed.wrapping_add(u64::from(at).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let facts = Facts {
                tenant,
                caller: Caller::Known,
                endpoint,
                model,
                keys: if has_keys { keys } else { StickyKeys::default() },
                stateful: false,
                features: FeatureSet::EMPTY,
                draw,
            };
            become_of(decide(plan, &facts, no_gates))
        })
        .collect()
}

/// How many of the drawn requests do.
pub(crate) fn share_of<T>(all: &[T], is_it: impl Fn(&T) -> bool) -> f64 {
    let count = u32::try_from(all.iter().filter(|one| is_it(one)).count()).unwrap();
    f64::from(count) / f64::from(DRAWS)
}

/// Within five standard deviations, and a tenth of a percent for what a deviation of a few draws says.
pub(crate) fn agree(exact: f64, drawn: f64) -> bool {
    let sigma = (exact * (1.0 - exact).max(0.0) / f64::from(DRAWS)).sqrt();
    (exact - drawn).abs() <= 5.0 * sigma + 1e-3
}

pub(crate) fn is_away(became: &Became) -> bool {
    became.goes.1 == Role::Canary.as_str() || became.goes.1 == Role::Fallback.as_str()
}
