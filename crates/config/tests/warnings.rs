//! Each warning where it belongs, and not where it only nearly does; routes that a request can reach are
//! never called unreachable.

#![expect(clippy::unwrap_used, reason = "helpers of tests are not seen as tests")]

use std::path::Path;

use config::{Code, Loaded, Problem, Severity, Source, StarterOptions, load_map, starter};
use jiff::Timestamp;

const HEAD: &str = "\
route_version = \"v1\"
environment = \"production\"
owner = \"gateway team\"
expires_at = 2027-01-01T00:00:00Z
primary_provider = \"a\"
[providers.a]
base_url = \"http://127.0.0.1:1\"
credential = { env = \"A\" }
[providers.b]
base_url = \"http://127.0.0.1:2\"
credential = { env = \"B\" }
[aliases.m]
family = \"fam\"
provider_model_id = { a = \"m\", b = \"m\" }
[aliases.n]
provider_model_id = { a = \"n\", b = \"n\" }
";
const ACME: &str = "[tenants.acme]\nkey_sha256 = []\n";
const GLOBEX: &str = "[tenants.globex]\nkey_sha256 = []\n";
/// Uses both providers.
const ALL: &str = "[[routes]]\nname = \"all\"\ntenant_or_cohort = \"*\"\nmodel_alias = \"*\"\n\
                   mode = \"primary\"\nprimary_provider = \"a\"\nfallback_provider = \"b\"\n";

fn route(name: &str, scope: &str, models: &str, more: &str) -> String {
    let models = match models.strip_prefix("family ") {
        Some(family) => format!("model_family = \"{family}\""),
        None => format!("model_alias = \"{models}\""),
    };
    format!(
        "[[routes]]\nname = \"{name}\"\ntenant_or_cohort = \"{scope}\"\n{models}\nmode = \"primary\"\n\
         primary_provider = \"a\"\n{more}"
    )
}

fn canary(name: &str, scope: &str, models: &str, split: &str) -> String {
    let route = route(name, scope, models, &format!("[routes.canary]\nprovider = \"b\"\n{split}\n"));
    route.replace("mode = \"primary\"", "mode = \"canary\"")
}

fn load_text(routes: &str, tenants: &str) -> Loaded {
    load_map(
        Source { path: Path::new("routes.toml"), text: routes },
        Source { path: Path::new("tenants.toml"), text: tenants },
    )
    .unwrap()
}

fn load(head: &str, routes: &str, tenants: &str) -> Loaded {
    load_text(&format!("{head}{routes}# end v1\n"), &format!("version = \"t1\"\n{tenants}# end t1\n"))
}

fn told(loaded: &Loaded) -> Vec<(Code, &str)> {
    assert!(loaded.warnings.iter().all(|problem| problem.severity() == Severity::Warning));
    loaded.warnings.iter().map(|problem| (problem.code, problem.message.as_str())).collect()
}

/// What is said of a map with these routes and cohorts beside a route for everything.
#[track_caller]
fn check(routes: &str, tenants: &str, expected: &[(Code, &str)]) {
    let loaded = load(HEAD, &format!("{ALL}{routes}"), tenants);
    assert_eq!(told(&loaded), expected);
}

#[track_caller]
fn check_head(head: &str, expected: &[(Code, &str)]) {
    assert_eq!(told(&load(head, ALL, ACME)), expected);
}

#[test]
fn a_map_says_what_it_is_for() {
    check_head(HEAD, &[]);
    let anonymous =
        HEAD.replace("owner = \"gateway team\"\n", "").replace("expires_at = 2027-01-01T00:00:00Z\n", "");
    let owner = (Code::NoOwner, "the map does not say whom to ask about it");
    let expiry = (Code::NoExpiry, "the map does not say how long it is meant to last");
    check_head(&anonymous, &[owner, expiry]);
    check_head(&anonymous.replace("production", "development"), &[]);
    let environment =
        "the map does not say for which `environment` it is, so it is held to production's rules";
    let unknown = anonymous.replace("environment = \"production\"\n", "");
    check_head(&unknown, &[(Code::NoEnvironment, environment), owner, expiry]);
}

#[test]
fn what_ends_is_told_a_week_before_and_after() {
    let vouched = "expires_at = 2027-01-01T00:00:00Z\nrollback_route_version = \"v0\"\n\
                   rollback_override = { by = \"me\", incident = \"I-1\", until = 2026-12-20T00:00:00Z }\n";
    let loaded = load(&HEAD.replace("expires_at = 2027-01-01T00:00:00Z\n", vouched), ALL, ACME);
    assert_eq!(told(&loaded), []);
    let at = |now: &str| -> Vec<(Code, usize)> {
        let problems: Vec<Problem> = loaded.warnings_at(now.parse::<Timestamp>().unwrap());
        problems.iter().map(|problem| (problem.code, problem.place.line)).collect()
    };
    assert_eq!(at("2026-12-12T23:59:59Z"), []);
    assert_eq!(at("2026-12-13T00:00:00Z"), [(Code::ExpiresSoon, 6)]);
    assert_eq!(at("2026-12-19T23:59:59Z"), [(Code::ExpiresSoon, 6)]);
    assert_eq!(at("2026-12-20T00:00:00Z"), [(Code::Expired, 6)]);
    assert_eq!(at("2026-12-25T00:00:00Z"), [(Code::ExpiresSoon, 4), (Code::Expired, 6)]);
    assert_eq!(at("2027-01-01T00:00:00Z"), [(Code::Expired, 4), (Code::Expired, 6)]);
    let said = &loaded.warnings_at("2027-01-01T00:00:00Z".parse().unwrap())[0];
    assert_eq!(said.message, "the map has expired and acts as a rollback since 2027-01-01T00:00:00Z");
}

#[test]
fn cohorts_and_providers_are_for_something() {
    let empty = (Code::EmptyCohort, "cohort `c` has no tenants: its routes are for nobody");
    let unused = (Code::UnusedCohort, "no route names cohort `c`");
    check(&format!("[cohorts.c]\ntenants = []\n{}", route("r", "c", "m", "")), ACME, &[empty]);
    check("[cohorts.c]\ntenants = [\"acme\"]\n", ACME, &[unused]);
    check(&format!("[cohorts.c]\ntenants = [\"acme\"]\n{}", route("r", "c", "m", "")), ACME, &[]);

    let without_b = ALL.replace("fallback_provider = \"b\"\n", "");
    let loaded = load(HEAD, &without_b, ACME);
    assert_eq!(told(&loaded), [(Code::UnusedProvider, "no route sends anything to provider `b`")]);
    assert_eq!(told(&load(HEAD, "", ACME)), [], "a first map has no routes");
    let named = HEAD.replace("[aliases.n]", "rollback_target = \"b\"\n[aliases.n]");
    assert_eq!(told(&load(&named, &without_b, ACME)), []);
}

const FALLBACK: &str = "fallback_provider = \"b\"\n";

#[test]
fn what_is_said_about_a_second_target_needs_one() {
    let told = |field: &str| format!("`{field}` changes nothing: route `r` has one target");
    let fields = [
        ("fallback_on", "fallback_on = [\"server\"]\n"),
        ("fallback_budget", "fallback_budget = \"5%\"\n"),
        ("hedge", "hedge = true\n"),
    ];
    for (field, line) in fields {
        check(&route("r", "acme", "m", line), ACME, &[(Code::NoSecondTarget, &told(field))]);
        check(&route("r", "acme", "m", &format!("{FALLBACK}{line}")), ACME, &[]);
        let kept = format!("{line}[routes.canary]\nprovider = \"b\"\nshare = \"5%\"\n");
        check(&route("r", "acme", "m", &kept), ACME, &[]);
    }
    for nothing in ["fallback_on = []\n", "fallback_budget = \"0%\"\n", "hedge = false\n"] {
        check(&route("r", "acme", "m", nothing), ACME, &[]);
    }
}

#[test]
fn a_timeout_beyond_the_route_s_never_counts() {
    for field in ["primary_timeout_ms", "fallback_timeout_ms", "first_token_timeout_ms"] {
        let message = format!("this `{field}` never counts: all attempts together have 1000 ms");
        let with = |value: u32| format!("{FALLBACK}timeout_ms = 1000\n{field} = {value}\n");
        check(&route("r", "acme", "m", &with(1001)), ACME, &[(Code::TimeoutNeverCounts, &message)]);
        check(&route("r", "acme", "m", &with(1000)), ACME, &[]);
    }
    let of_canary = "this `timeout_ms` never counts: all attempts together have 600000 ms";
    let split = "share = \"5%\"\ntimeout_ms = 600001";
    check(&canary("r", "acme", "m", split), ACME, &[(Code::TimeoutNeverCounts, of_canary)]);
    let silent = "this `idle_timeout_ms` never counts: the whole answer has 500 ms";
    let idle = "idle_timeout_ms = 501\nstream_timeout_ms = 500\n";
    check(&route("r", "acme", "m", idle), ACME, &[(Code::TimeoutNeverCounts, silent)]);
    check(&route("r", "acme", "m", "stream_timeout_ms = 500\n"), ACME, &[]);
}

#[test]
fn a_fallback_after_silence_that_was_asked_for_needs_time() {
    let with = |class: &str, more: &str| {
        route("r", "acme", "m", &format!("{FALLBACK}fallback_on = [\"{class}\"]\n{more}"))
    };
    let cases = [
        ("head_timeout", "primary_timeout_ms", 600_000),
        ("first_token_timeout", "first_token_timeout_ms", 600_000),
        ("idle_timeout", "idle_timeout_ms", 60_000),
    ];
    for (class, field, least) in cases {
        let message = format!(
            "`{class}` leaves no time for another target: one attempt may wait for all of the {least} ms that \
             the route has"
        );
        let timeout = format!("timeout_ms = {least}\n");
        check(&with(class, &timeout), ACME, &[(Code::NoTimeToFallBack, &message)]);
        check(&with(class, &format!("{timeout}{field} = 1000\n")), ACME, &[]);
    }
    check(&with("server", ""), ACME, &[]);
    // The default names them, too; nobody asked.
    check(&route("r", "acme", "m", FALLBACK), ACME, &[]);
}

const SHADOWED: &str = "no request reaches route `r`: more specific routes take all that it is for";
const NOT_ALLOWED: &str = "no request reaches route `r`: nobody whom it is for may use what it is for";

#[test]
fn a_route_that_others_hide_is_unreachable() {
    let shadowed = [(Code::UnreachableRoute, SHADOWED)];
    let own_m = route("own", "acme", "m", "");
    // A family of one, and that one has its own route.
    check(&format!("{own_m}{}", route("r", "acme", "family fam", "")), ACME, &shadowed);
    let chat = route("own", "acme", "m", "endpoint = \"chat\"\n");
    check(&format!("{chat}{}", route("r", "acme", "family fam", "")), ACME, &[]);
    check(&format!("{chat}{}", route("r", "acme", "family fam", "endpoint = \"chat\"\n")), ACME, &shadowed);

    // Every member has its own.
    let cohort =
        format!("[cohorts.c]\ntenants = [\"acme\", \"globex\"]\n{own_m}{}", route("r", "c", "m", ""));
    check(&cohort, &format!("{ACME}{GLOBEX}"), &[]);
    check(&format!("{cohort}{}", route("own2", "globex", "*", "")), &format!("{ACME}{GLOBEX}"), &shadowed);

    // A cohort that stands before it.
    let two = format!(
        "[cohorts.c]\ntenants = [\"acme\", \"globex\"]\n[cohorts.d]\ntenants = [\"acme\"]\n{}{}",
        route("first", "c", "m", ""),
        route("r", "d", "m", "")
    );
    check(&two, &format!("{ACME}{GLOBEX}"), &shadowed);
    // A bucket cohort takes everybody, or merely those who say who they are.
    let buckets = |by: &str| {
        let all =
            format!("[cohorts.c]\nshare = \"100%\"\nsticky_by = {by}\n{}", route("first", "c", "m", ""));
        format!("{all}{}", route("r", "*", "m", ""))
    };
    check(&buckets("[\"user\", \"request\"]"), ACME, &shadowed);
    check(&buckets("[\"user\"]"), ACME, &[]);
}

#[test]
fn a_route_for_every_alias_also_serves_what_has_no_alias() {
    let each = format!("{}{}", route("m", "acme", "m", ""), route("n", "acme", "n", ""));
    let all = format!("{each}{}", route("r", "acme", "*", ""));
    let tenants = format!("{ACME}{GLOBEX}");
    check(&all, &tenants, &[]);
    // Paths that are not routed go there even where unlisted models are refused.
    let refuse = HEAD.replace("primary_provider", "unlisted_models = \"refuse\"\nprimary_provider");
    assert_eq!(told(&load(&refuse, &format!("{ALL}{all}"), &tenants)), []);
    // Whoever may use certain aliases only is served neither.
    let restricted = format!("{ACME}allowed_aliases = [\"m\", \"n\"]\n{GLOBEX}");
    check(&all, &restricted, &[(Code::UnreachableRoute, SHADOWED)]);
    // Nor does a path without an endpoint take a route with one.
    let chat = format!("{each}{}", route("r", "acme", "*", "endpoint = \"chat\"\n"));
    check(&chat, &tenants, &[]);
    let loaded = load(&refuse, &format!("{ALL}{chat}"), &tenants);
    assert_eq!(told(&loaded), [(Code::UnreachableRoute, SHADOWED)]);
}

#[test]
fn a_route_for_what_its_tenants_may_not_use_is_unreachable() {
    let restricted = format!("{ACME}allowed_aliases = [\"n\"]\n{GLOBEX}");
    let not_allowed = [(Code::UnreachableRoute, NOT_ALLOWED)];
    check(&route("r", "acme", "m", ""), &restricted, &not_allowed);
    check(&route("r", "acme", "n", ""), &restricted, &[]);
    let of_cohort = format!("[cohorts.c]\ntenants = [\"acme\"]\n{}", route("r", "c", "m", ""));
    check(&of_cohort, &restricted, &not_allowed);
    check(&of_cohort.replace("[\"acme\"]", "[\"acme\", \"globex\"]"), &restricted, &[]);
    let nobody = format!("{ACME}allowed_aliases = [\"n\"]\n{GLOBEX}allowed_aliases = [\"n\"]\n");
    check(&route("r", "*", "m", ""), &nobody, &not_allowed);
    check(&route("r", "*", "m", ""), &restricted, &[]);
    check(&route("r", "*", "m", ""), "", &[]);
}

/// `docs/bucketing.md`: under the salt `everyone-chat`, acme is at 6159 and globex at 915304.
#[test]
fn a_share_of_tenants_has_a_tenant_in_it() {
    let tenants = format!("{ACME}{GLOBEX}");
    let split =
        |share: &str| format!("salt = \"everyone-chat\"\nsticky_by = [\"tenant\"]\nshare = \"{share}\"\n");
    let nobody = |message| [(Code::NobodyInShare, message)];
    check(
        &canary("r", "*", "m", &split("0.6159%")),
        &tenants,
        &nobody(
            "the canary of route `r` is for 0.6159%, and none of 2 tenants is in: the first would be at \
             0.616%",
        ),
    );
    check(&canary("r", "*", "m", &split("0.616%")), &tenants, &[]);
    check(&canary("r", "*", "m", &split("0%")), &tenants, &[]);
    check(
        &canary("r", "globex", "m", &split("90%")),
        &tenants,
        &nobody(
            "the canary of route `r` is for 90%, and the only tenant is not in: the first would be at \
             91.5305%",
        ),
    );
    let cohort = |share: &str| format!("[cohorts.c]\n{}{}", split(share), route("r", "c", "m", ""));
    check(
        &cohort("0.5%"),
        &tenants,
        &nobody("cohort `c` is for 0.5%, and none of 2 tenants is in: the first would be at 0.616%"),
    );
    check(&cohort("1%"), &tenants, &[]);
    check(
        &canary("r", "*", "m", &split("0.1%").replace("[\"tenant\"]", "[\"user\", \"tenant\"]")),
        &tenants,
        &[],
    );
    check(&canary("r", "*", "m", &split("0.1%")).replace("\"canary\"\np", "\"primary\"\np"), &tenants, &[]);
}

#[test]
fn one_salt_makes_one_crowd() {
    let cohort = "[cohorts.x]\nshare = \"10%\"\nsticky_by = [\"user\"]\n";
    let by_user = "share = \"5%\"\nsticky_by = [\"user\", \"request\"]";
    let of_x = format!("{cohort}{}", canary("x", "x", "m", by_user));
    let half = "the canary of route `x` has the salt of cohort `x`, `x`: 50% of the cohort are in the \
                canary, not 5%";
    check(&of_x, ACME, &[(Code::CorrelatedSalt, half)]);
    check(&of_x.replace("name = \"x\"", "name = \"y\""), ACME, &[]);
    check(&of_x.replace("[\"user\", \"request\"]", "[\"prompt_cache_key\"]"), ACME, &[]);
    check(&of_x.replace("\"5%\"", "\"100%\""), ACME, &[]);

    // Whoever is low enough for the canary is in the cohort, which has a route of its own.
    let beside = format!("{cohort}{}{}", route("own", "x", "m", ""), canary("x", "*", "m", by_user));
    let nobody = "the canary of route `x` has the salt of cohort `x`, `x`: 0% of those whom the cohort leaves are \
                  in the canary, not 5%";
    check(&beside, ACME, &[(Code::CorrelatedSalt, nobody)]);
    check(&format!("{cohort}{}{}", route("own", "x", "n", ""), canary("x", "*", "m", by_user)), ACME, &[]);
}

#[test]
fn two_canaries_of_one_salt_have_the_same_users() {
    let split = "salt = \"s\"\nshare = \"5%\"\nsticky_by = [\"user\"]";
    let same =
        "route `two` and route `one` (line 24) have one salt, `s`: the same users are in both canaries";
    let two = format!("{}{}", canary("one", "acme", "m", split), canary("two", "acme", "n", split));
    check(&two, &format!("{ACME}{GLOBEX}"), &[(Code::CorrelatedSalt, same)]);
    let apart = format!("{}{}", canary("one", "acme", "m", split), canary("two", "globex", "n", split));
    check(&apart, &format!("{ACME}{GLOBEX}"), &[]);
    let nested = format!("{}{}", canary("one", "acme", "m", split), canary("two", "*", "m", split));
    check(&nested, &format!("{ACME}{GLOBEX}"), &[]);
    check(&two.replace("[\"user\"]", "[\"request\"]"), &format!("{ACME}{GLOBEX}"), &[]);
}

#[test]
fn twins_are_shown_with_both_texts() {
    let twin =
        HEAD.replace("[aliases.n]", "[aliases.M]\nprovider_model_id = { a = \"M\", b = \"q\" }\n[aliases.n]");
    let alias = "alias `M` differs from `m` (line 12) in upper and lower case only";
    let model = "model ID `M` differs from `m` (line 14) in upper and lower case only";
    check_head(&twin, &[(Code::CaseTwin, alias), (Code::CaseTwin, model)]);
    let blocked = HEAD.replace("[providers.b]", "blocked_models = [\"N\"]\n[providers.b]");
    check_head(
        &blocked,
        &[(Code::CaseTwin, "model ID `n` differs from `N` (line 9) in upper and lower case only")],
    );
    // Another provider's IDs are nobody's twins.
    check_head(&HEAD.replace("b = \"m\"", "b = \"M\""), &[]);

    let tenants = format!("{ACME}{}", ACME.replace("acme", "Acme"));
    check(
        "",
        &tenants,
        &[(Code::CaseTwin, "tenant `Acme` differs from `acme` (line 2) in upper and lower case only")],
    );
    let route = route("ALL", "acme", "m", "");
    check(
        &route,
        ACME,
        &[(Code::CaseTwin, "route `ALL` differs from `all` (line 18) in upper and lower case only")],
    );
}

#[test]
fn look_alikes_are_shown_by_their_bytes() {
    let named = |name: &str| HEAD.replace("[aliases.n]", &format!("[aliases.\"{name}\"]"));
    let hyphen = "alias `gpt\\u{2011}5.4` has U+2011 NON-BREAKING HYPHEN at character 4 (bytes e2 80 91), which \
                  looks like `-`";
    check_head(&named("gpt\u{2011}5.4"), &[(Code::LookAlike, hyphen)]);
    for plain in ["gpt-5.4", "模型", "модель", "zoë"] {
        check_head(&named(plain), &[]);
    }
    let cyrillic = HEAD.replace("b = \"n\"", "b = \"gpt-4\u{43e}\"");
    let letter =
        "model ID `gpt-4\\u{43e}` has U+043E (Cyrillic) at character 6 (bytes d0 be), which looks like `o`";
    check_head(&cyrillic, &[(Code::LookAlike, letter)]);

    let both = named("ol-pro").replace("[aliases.m]", "[aliases.o1-pro]");
    check_head(&both, &[(Code::LookAlike, "alias `ol-pro` looks like `o1-pro` (line 12)")]);
    let beside = load(&both, ALL, ACME).warnings[0].beside.clone().unwrap();
    assert_eq!((beside.place.line, beside.label.as_str()), (12, "this looks the same"));
}

#[test]
fn a_tenant_is_not_sent_where_it_may_not_go() {
    let only_b = format!("{ACME}allowed_providers = [\"b\"]\n{GLOBEX}");
    let refused = "tenant `acme` is refused (403 provider_not_allowed) on route `all` (line 17 of the map): it may \
                   not use `a`";
    check("", &only_b, &[(Code::TenantRefused, refused)]);
    // Its own routes for all that it may use keep it from there.
    let own = |alias: &str| route(&format!("own-{alias}"), "acme", alias, "").replace("= \"a\"", "= \"b\"");
    check(&own("m"), &only_b, &[(Code::TenantRefused, refused)]);
    check(&format!("{}{}", own("m"), own("n")), &only_b, &[]);
    let only_m = only_b.replace("[tenants.globex]", "allowed_aliases = [\"m\"]\n[tenants.globex]");
    check(&own("m"), &only_m, &[]);
    // Nor is it said where the route sends it elsewhere.
    let fallen = ALL.replace("\"primary\"\n", "\"fallback\"\n");
    assert_eq!(told(&load(HEAD, &fallen, &only_b)), []);
    check("", &only_b.replace("[\"b\"]", "[\"a\"]"), &[]);
}

#[test]
fn a_first_map_has_no_warnings() {
    let today = jiff::civil::date(2026, 11, 21);
    for (models, key) in [(&["gpt-5.4", "gpt-5.4-mini"][..], Some("KEY")), (&["模型"], None), (&[], None)] {
        let mut options =
            StarterOptions::new("https://api.openai.com/v1", "https://api.cometapi.com/v1", today);
        options.models = models.iter().map(|model| ((*model).to_owned(), None)).collect();
        options.primary_key_env = key.map(str::to_owned);
        let files = starter(&options).unwrap();
        let loaded = load_text(&files.routes, &files.tenants);
        assert_eq!(told(&loaded), []);
        assert_eq!(loaded.warnings_at("2030-01-01T00:00:00Z".parse().unwrap()), []);
    }
}

#[test]
fn the_shipped_map_has_no_warnings() {
    let shipped =
        load_text(include_str!("../../../config/routes.toml"), include_str!("../../../config/tenants.toml"));
    assert_eq!(shipped.warnings, []);
}

#[test]
fn keys_that_end_are_told_of_a_week_before() {
    let tenants = "\
version = \"1\"
[tenants.acme]
key_sha256 = []
[[tenants.acme.keys]]
sha256 = \"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\"
name = \"ci\"
expires_at = 2027-01-08T00:00:00Z
[[tenants.acme.keys]]
sha256 = \"60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752\"
expires_at = 2027-01-09T00:00:00Z
# end 1
";
    let routes = include_str!("accepted/smallest-possible.routes.toml");
    let source = |path, text| Source { path: Path::new(path), text };
    let loaded = load_map(source("routes.toml", routes), source("tenants.toml", tenants)).unwrap();
    let said = |now: &str| -> Vec<String> {
        let problems = loaded.warnings_at(now.parse().unwrap());
        problems
            .iter()
            .map(|problem| format!("{} {}: {}", problem.code, problem.place, problem.message))
            .collect()
    };
    assert_eq!(said("2026-12-31T23:59:59Z"), Vec::<String>::new());
    assert_eq!(
        said("2027-01-01T00:00:00Z"),
        ["W0501 tenants.toml:7:14: key `ci` of tenant `acme` expires within a week: at 2027-01-08T00:00:00Z"]
    );
    assert_eq!(
        said("2027-01-08T00:00:00Z"),
        [
            "W0502 tenants.toml:7:14: key `ci` of tenant `acme` has expired and is refused since 2027-01-08T00:00:00Z",
            "W0501 tenants.toml:10:14: key 60303ae2… of tenant `acme` expires within a week: at 2027-01-09T00:00:00Z",
        ]
    );
}
