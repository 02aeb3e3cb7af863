//! What a change says of the fields about attempts, answers and priorities: a line for each that means something else,
//! and none where a default was written out.

#![expect(clippy::unwrap_used, reason = "helpers of tests are not seen as tests")]

#[macro_use]
mod texts;

use std::path::Path;

use config::{Diff, Loaded, Source, diff, load_map};

const ROUTES: &str = concat!(
    "route_version = \"1\"\nenvironment = \"staging\"\nprimary_provider = \"a\"\n",
    providers!("a": "a", "A"; "b": "b", "B";),
    "\
[aliases.m]
provider_model_id = { a = \"m\", b = \"m\" }
[[routes]]
name = \"r\"
tenant_or_cohort = \"acme\"
model_alias = \"m\"
mode = \"primary\"
primary_provider = \"a\"
fallback_provider = \"b\"
"
);
const TENANTS: &str = tenants!("acme";);

fn load(routes: &str, tenants: &str) -> Loaded {
    let (routes, tenants) = (format!("{routes}# end 1\n"), format!("{tenants}# end 1\n"));
    load_map(
        Source { path: Path::new("routes.toml"), text: &routes },
        Source { path: Path::new("tenants.toml"), text: &tenants },
    )
    .unwrap()
}

/// From one end of the route to another.
fn change(before: &str, after: &str) -> Vec<String> {
    let with = |end: &str| load(&format!("{ROUTES}{end}"), TENANTS);
    diff(&with(before), &with(after), Diff::Change).lines()
}

#[test]
fn each_field_has_a_line() {
    let after = "\
timeout_ms = 60000
primary_timeout_ms = 20000
fallback_timeout_ms = 30000
first_token_timeout_ms = 25000
idle_timeout_ms = 15000
stream_timeout_ms = 600000
retry_policy = { retries = 2, on = [\"reset\"] }
retry_budget = \"20%\"
fallback_on = [\"head_timeout\", \"context_length\"]
fallback_budget = \"0.5%\"
delivery = \"whole\"
on_disconnect = \"drain\"
hedge = true
";
    let expected = [
        "route r: timeout_ms 600000 -> 60000",
        "route r: primary_timeout_ms the route's own -> 20000",
        "route r: fallback_timeout_ms the route's own -> 30000",
        "route r: first_token_timeout_ms the route's own -> 25000",
        "route r: idle_timeout_ms 60000 -> 15000",
        "route r: stream_timeout_ms 3600000 -> 600000",
        "route r: retry_policy 1 after dns, connect, tls -> 2 after dns, connect, tls, reset",
        "route r: retry_budget 10% -> 20%",
        "route r: fallback_on adds \"context_length\"; drops \"connect\", \"connect_timeout\", \"dns\", \
         \"first_token_timeout\", \"idle_timeout\", \"malformed\", \"no_answer\", \"not_found\" and 7 more",
        "route r: fallback_budget 10% -> 0.5%",
        "route r: delivery stream -> whole",
        "route r: on_disconnect cancel -> drain",
        "route r: hedge false -> true",
    ];
    assert_eq!(change("", after), expected);
}

#[test]
fn no_retries_are_told_of_once() {
    let expected = ["route r: retry_policy 1 after dns, connect, tls -> none"];
    assert_eq!(change("", "retry_policy = { retries = 0 }\n"), expected);
    assert_eq!(
        change("retry_policy = { retries = 0 }\n", "retry_policy = { retries = 0, on = [\"server\"] }\n"),
        [""; 0],
        "what no retry follows changes nothing"
    );
}

#[test]
fn no_fallback_is_told_of_by_what_is_dropped() {
    let found = change("fallback_on = [\"server\", \"overloaded\"]\n", "fallback_on = []\n");
    assert_eq!(found, ["route r: fallback_on drops \"overloaded\", \"server\""]);
}

#[test]
fn a_default_that_is_written_out_is_no_difference() {
    let written = "\
timeout_ms = 600000
primary_timeout_ms = 600000
fallback_timeout_ms = 600000
first_token_timeout_ms = 600000
idle_timeout_ms = 60000
stream_timeout_ms = 3600000
retry_policy = { retries = 1, on = [\"connect\"] }
retry_budget = \"10%\"
fallback_on = [
    \"server\", \"overloaded\", \"quota\", \"rate_limit\", \"not_found\", \"malformed\", \"truncated\", \"reset\",
    \"idle_timeout\", \"first_token_timeout\", \"head_timeout\", \"no_answer\", \"tls\", \"connect_timeout\",
    \"connect\", \"dns\",
]
fallback_budget = \"10.0%\"
delivery = \"stream\"
on_disconnect = \"cancel\"
hedge = false
";
    assert_eq!(change("", written), [""; 0]);
}

#[test]
fn a_priority_and_a_limit_of_a_provider_are_told_of() {
    let routes = ROUTES.replace("{ env = \"B\" }", "{ env = \"B\" }\nmax_concurrent_requests = 200");
    let tenants = format!("{TENANTS}priority = \"sheddable\"\n");
    let (before, after) = (load(ROUTES, TENANTS), load(&routes, &tenants));
    let expected = [
        "provider b: max_concurrent_requests no limit -> 200",
        "tenant acme: priority critical -> sheddable",
    ];
    assert_eq!(diff(&before, &after, Diff::Change).lines(), expected);
    let away = load(&routes.replace("staging", "production"), &tenants);
    assert_eq!(
        diff(&before, &away, Diff::Parity).lines(),
        [""; 0],
        "how much a provider bears differs anyhow"
    );
}
