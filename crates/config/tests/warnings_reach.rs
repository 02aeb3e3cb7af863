//! What is said of routes and tenants holds against brute force: every tenant, alias and endpoint, with
//! sampled keys, over random small maps.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are not seen as tests")]

use std::collections::HashSet;
use std::fmt::Write;
use std::path::Path;

use config::{Code, Loaded, Source, load_map};
use decisions::plan::{AllowedAliases, FeatureSet, UnlistedModels};
use decisions::route::{choose_route, choose_tenant_route};
use decisions::{AliasId, Caller, Endpoint, Facts, RouteId, StickyKeys, TenantId};
use proptest::prelude::*;

const SCOPES: [&str; 7] = ["t0", "t1", "t2", "c0", "c1", "k0", "k1"];
const STICKY: [&str; 5] =
    ["[\"user\"]", "[\"user\", \"tenant\"]", "[\"tenant\"]", "[\"user\", \"request\"]", "[\"request\"]"];

#[derive(Clone, Debug)]
struct Small {
    /// Of `SCOPES` and `*`; of the models; of the endpoints.
    routes: Vec<(usize, usize, usize)>,
    families: Vec<bool>,
    allowed: Vec<Option<Vec<bool>>>,
    cohorts: Vec<Vec<bool>>,
    buckets: Vec<(usize, usize, bool)>,
    refuse: bool,
}

fn small(with_buckets: bool) -> impl Strategy<Value = Small> {
    let scope = (0_usize..8).prop_filter("no buckets", move |at| with_buckets || ![5, 6].contains(at));
    (
        proptest::collection::btree_set((scope, 0_usize..5, 0_usize..4), 1..14),
        proptest::collection::vec(any::<bool>(), 3),
        proptest::collection::vec(proptest::option::of(proptest::collection::vec(any::<bool>(), 3)), 3),
        proptest::collection::vec(proptest::collection::vec(any::<bool>(), 3), 2),
        proptest::collection::vec((0_usize..3, 0_usize..STICKY.len(), any::<bool>()), 2),
        any::<bool>(),
    )
        .prop_map(|(routes, families, allowed, cohorts, buckets, refuse)| {
            let family = families.contains(&true);
            let routes = routes.into_iter().filter(|(_, model, _)| *model != 3 || family).collect();
            Small { routes, families, allowed, cohorts, buckets, refuse }
        })
        .prop_flat_map(|small: Small| {
            let routes = Just(small.routes.clone()).prop_shuffle();
            routes.prop_map(move |routes| Small { routes, ..small.clone() })
        })
}

fn texts(small: &Small) -> (String, String) {
    let unlisted = if small.refuse { "refuse" } else { "primary" };
    let mut map = format!(
        "route_version = \"v\"\nprimary_provider = \"p\"\nunlisted_models = \"{unlisted}\"\n[providers.p]\n\
         base_url = \"http://h\"\ncredential = {{ env = \"P\" }}\n"
    );
    for (at, in_family) in small.families.iter().enumerate() {
        let family = if *in_family { "family = \"f\"\n" } else { "" };
        write!(map, "[aliases.a{at}]\n{family}provider_model_id = {{ p = \"x{at}\" }}\n").unwrap();
    }
    for (at, members) in small.cohorts.iter().enumerate() {
        let members: Vec<String> = members
            .iter()
            .enumerate()
            .filter(|(_, is_in)| **is_in)
            .map(|(at, _)| format!("\"t{at}\""))
            .collect();
        write!(map, "[cohorts.c{at}]\ntenants = [{}]\n", members.join(", ")).unwrap();
    }
    for (at, (share, sticky, own_salt)) in small.buckets.iter().enumerate() {
        let share = ["30%", "60%", "100%"][*share];
        let salt = if *own_salt { format!("s{at}") } else { "s".to_owned() };
        write!(
            map,
            "[cohorts.k{at}]\nshare = \"{share}\"\nsticky_by = {}\nsalt = \"{salt}\"\n",
            STICKY[*sticky]
        )
        .unwrap();
    }
    for (at, (scope, model, endpoint)) in small.routes.iter().enumerate() {
        let scope = SCOPES.get(*scope).unwrap_or(&"*");
        let model = match model {
            3 => "model_family = \"f\"".to_owned(),
            4 => "model_alias = \"*\"".to_owned(),
            alias => format!("model_alias = \"a{alias}\""),
        };
        let endpoint = Endpoint::ALL
            .get(*endpoint)
            .map_or_else(String::new, |of| format!("endpoint = \"{}\"\n", of.as_str()));
        write!(
            map,
            "[[routes]]\nname = \"r{at}\"\ntenant_or_cohort = \"{scope}\"\n{model}\n{endpoint}\
             mode = \"primary\"\nprimary_provider = \"p\"\n"
        )
        .unwrap();
    }
    map.push_str("# end v\n");
    let mut tenants = String::from("version = \"t\"\n");
    for (at, allowed) in small.allowed.iter().enumerate() {
        write!(tenants, "[tenants.t{at}]\nkey_sha256 = []\n").unwrap();
        if let Some(allowed) = allowed {
            let allowed = allowed.iter().enumerate().filter(|(_, is_in)| **is_in);
            let allowed: Vec<String> = allowed.map(|(at, _)| format!("\"a{at}\"")).collect();
            writeln!(tenants, "allowed_aliases = [{}]", allowed.join(", ")).unwrap();
        }
    }
    tenants.push_str("# end t\n");
    (map, tenants)
}

fn reached(loaded: &Loaded, samples: u64) -> HashSet<RouteId> {
    let plan = &loaded.plan;
    let parts = plan.parts();
    let mut reached = HashSet::new();
    for (tenant, entry) in (0..).map(TenantId).zip(&parts.tenants) {
        if entry.allowed_aliases == AllowedAliases::All {
            reached.extend(choose_tenant_route(plan, tenant, None));
            if parts.unlisted_models == UnlistedModels::Primary {
                reached.extend(
                    Endpoint::ALL.into_iter().filter_map(|of| choose_tenant_route(plan, tenant, Some(of))),
                );
            }
        }
        for (alias, alias_entry) in (0..).map(AliasId).zip(&parts.aliases) {
            if !entry.allowed_aliases.allows(alias) {
                continue;
            }
            for (endpoint, draw) in
                Endpoint::ALL.into_iter().flat_map(|of| (0..samples).map(move |draw| (of, draw)))
            {
                let user = format!("u{draw}");
                let keys = StickyKeys { user: (draw % 3 != 0).then_some(&user), ..StickyKeys::default() };
                let model = alias_entry.name.as_str();
                let facts = Facts {
                    tenant,
                    caller: Caller::Known,
                    endpoint,
                    model,
                    keys,
                    stateful: false,
                    features: FeatureSet::EMPTY,
                    draw,
                };
                reached.extend(choose_route(plan, alias, &facts));
            }
        }
    }
    reached
}

fn load(small: &Small) -> Loaded {
    let (map, tenants) = texts(small);
    let source = |text| Source { path: Path::new("x.toml"), text };
    load_map(source(&map), source(&tenants)).unwrap_or_else(|problems| panic!("{problems}\n{map}"))
}

fn is_reported(loaded: &Loaded, id: RouteId) -> bool {
    let start = format!("no request reaches route `r{}`:", id.0);
    let mut unreachable = loaded.warnings.iter().filter(|problem| problem.code == Code::UnreachableRoute);
    unreachable.any(|problem| problem.message.starts_with(&start))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_route_that_is_reached_is_never_called_unreachable(small in small(true)) {
        let loaded = load(&small);
        for id in reached(&loaded, 30) {
            prop_assert!(!is_reported(&loaded, id), "r{}\n{}", id.0, texts(&small).0);
        }
    }

    /// Without bucket cohorts brute force is exact, and so is the warning. A cohort without tenants has its
    /// own.
    #[test]
    fn a_route_that_nothing_reaches_is_called_so(small in small(false)) {
        let loaded = load(&small);
        let reached = reached(&loaded, 1);
        for (id, (scope, _, _)) in (0..).map(RouteId).zip(&small.routes) {
            let cohort = scope.checked_sub(3).and_then(|at| small.cohorts.get(at));
            let is_empty = cohort.is_some_and(|of| !of.contains(&true));
            let expected = !reached.contains(&id) && !is_empty;
            prop_assert_eq!(is_reported(&loaded, id), expected, "r{}\n{}", id.0, texts(&small).0);
        }
    }
}
