//! Who is in a canary: by hand for a small map, and against drawn requests for random ones.

#![expect(clippy::unwrap_used, reason = "helpers of tests are not seen as tests")]

mod maps;
#[macro_use]
mod texts;

use config::{Loaded, who};
use decisions::Endpoint;
use proptest::prelude::*;

use crate::maps::{MODELS, TENANTS, agree, draw, is_away, load, map, scaled, share_of};

const TENANTS_TEXT: &str = concat!(
    tenants!("acme"; "globex": "allowed_aliases = [\"support\"]"; "initech": "allowed_providers = [\"openai\"]";),
    "# end 1\n"
);

const ROUTES: &str = concat!(
    "route_version = \"1\"\nprimary_provider = \"openai\"\n",
    providers!("openai": "a", "A"; "cometapi": "b", "B";),
    "\
[aliases.support]
provider_model_id = { openai = \"gpt-5.4\", cometapi = \"gpt-5.4\" }
[aliases.search]
provider_model_id = { openai = \"e\", cometapi = \"e\" }
[cohorts.early]
share = \"10%\"
sticky_by = [\"user\"]
[[routes]]
name = \"early-support\"
tenant_or_cohort = \"early\"
model_alias = \"support\"
mode = \"canary\"
primary_provider = \"openai\"
[routes.canary]
provider = \"cometapi\"
share = \"25%\"
[[routes]]
name = \"all\"
tenant_or_cohort = \"*\"
model_alias = \"*\"
mode = \"canary\"
primary_provider = \"openai\"
fallback_provider = \"cometapi\"
[routes.canary]
provider = \"cometapi\"
share = \"40%\"
sticky_by = [\"user\", \"tenant\"]
# end 1
"
);

fn lines(routes: &str, route: &str) -> Vec<String> {
    who(&load(routes, TENANTS_TEXT), route).unwrap().lines()
}

#[test]
fn a_bucket_cohort_has_two_figures() {
    let expected = [
        "route early-support: mode canary, 25% to cometapi, the rest to openai",
        "a key is in if xxh3_64(salt 0x1f key) x 1000000 >> 64 is below 250000; salt early-support; the key is the \
         first of: safety_identifier, user, prompt_cache_key, request",
        "2 tenants: acme, globex, support: 2.5% of keyed requests in the canary (25% of the 10% that come here); plain \
         ones do not come here",
        "tenant initech, support: 0% of keyed requests in the canary (0% of the 10% that come here); plain ones do not \
         come here",
    ];
    assert_eq!(lines(ROUTES, "early-support"), expected);
}

#[test]
fn tenants_that_are_drawn_as_a_whole_are_named() {
    let expected = [
        "route all: mode canary, 40% to cometapi, the rest to openai",
        "a key is in if xxh3_64(salt 0x1f key) x 1000000 >> 64 is below 400000; salt all; the key is the first of: \
         user, tenant",
        "tenant acme, support: 36% of keyed requests in the canary (40% of the 90% that come here); 100% of plain ones \
         in the canary",
        "tenant globex, support: 36% of keyed requests in the canary (40% of the 90% that come here); 0% of plain ones \
         in the canary",
        "tenant initech, support: 0% of keyed requests in the canary (0% of the 90% that come here); 0% of plain ones \
         in the canary",
        "tenant acme, search: 40% of keyed requests in the canary; 100% of plain ones in the canary",
        "tenant initech, search: 0% of requests in the canary",
        "tenant acme: in with what carries no key, position 130986",
        "tenant globex: out with what carries no key, position 412809",
        "tenant initech: out with what carries no key, position 17530, which would be in, but its allowed_providers \
         keep it home",
    ];
    assert_eq!(lines(ROUTES, "all"), expected);
}

#[test]
fn where_nobody_is_in_it_is_said() {
    let nobody = ROUTES.replace("\"25%\"", "\"0%\"");
    assert_eq!(lines(&nobody, "early-support")[2], "nobody is in the canary");
}

#[test]
fn a_fallback_has_everybody() {
    let fallback = ROUTES.replacen(
        "mode = \"canary\"\nprimary_provider = \"openai\"\nfallback",
        "mode = \"fallback\"\nprimary_provider = \"openai\"\nfallback",
        1,
    );
    let expected = [
        "route all: mode fallback, all to cometapi",
        "2 tenants: acme, globex, support: 90% of keyed requests at the fallback (100% of the 90% that come here); 100% \
         of plain ones at the fallback",
        "tenant acme, search: 100% of requests at the fallback",
    ];
    assert_eq!(lines(&fallback, "all"), expected);
}

#[test]
fn a_typo_is_answered_with_the_name_that_was_meant() {
    let error = who(&load(ROUTES, TENANTS_TEXT), "early-suport").unwrap_err();
    assert_eq!(error.to_string(), "there is no route \"early-suport\"; did you mean \"early-support\"?");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(scaled(200)))]

    #[test]
    fn the_shares_are_those_of_drawn_requests(map in map(), at in 0_usize..3, seed in any::<u64>()) {
        let loaded = map.load();
        let endpoint = Endpoint::ALL[at];
        for tenant in TENANTS {
            for alias in &MODELS[..2] {
                for has_keys in [true, false] {
                    let drawn = draw(&loaded.plan, (tenant, alias, endpoint), has_keys, seed);
                    for route in &loaded.plan.parts().routes {
                        let is_here = |became: &maps::Became| became.route.as_deref() == Some(route.name.as_str());
                        let reach = share_of(&drawn, is_here);
                        let within = share_of(&drawn, |became| is_here(became) && is_away(became));
                        let exact = figures(&loaded, &route.name, (tenant, alias, endpoint), has_keys);
                        prop_assert!(agree(exact[0], reach), "{} {tenant} {alias}: {exact:?}, drawn {reach}", route.name);
                        prop_assert!(agree(exact[1], within), "{} {tenant} {alias}: {exact:?}, drawn {within}", route.name);
                    }
                }
            }
        }
    }
}

fn figures(
    loaded: &Loaded,
    route: &str,
    (tenant, alias, endpoint): (&str, &str, Endpoint),
    has_keys: bool,
) -> [f64; 2] {
    let who = who(loaded, route).unwrap();
    let has = |list: &[String], name: &str| list.iter().any(|one| one == name);
    let mut groups = who.groups.iter().filter(|group| {
        has(&group.tenants, tenant) && has(&group.aliases, alias) && group.endpoints.contains(&endpoint)
    });
    let Some(group) = groups.next() else { return [0.0, 0.0] };
    assert!(groups.next().is_none(), "told of twice");
    let figures = if has_keys { group.keyed } else { group.plain };
    [figures.reach, figures.within].map(|share| u32::try_from(share).map(f64::from).unwrap() / 1e9)
}
