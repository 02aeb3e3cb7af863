//! Edits of the route map: what was asked for changes, and not one other byte.

#![expect(clippy::unwrap_used, reason = "helpers of tests are not seen as tests")]

use std::path::Path;

use config::edit::{Edited, RouteEdit, RouteEditError, Vouch, edit_routes};
use config::{Source, format_share, load_map};
use decisions::bucket::Share;
use decisions::plan::Mode;
use jiff::civil::date;
use proptest::prelude::*;

const TENANTS: &str =
    "version = \"1\"\n[tenants.acme]\nkey_sha256 = []\n[tenants.globex]\nkey_sha256 = []\n# end 1\n";
const SHIPPED: &str = include_str!("../../../config/routes.toml");

fn edit(text: &str, edit: &RouteEdit) -> Result<Edited, RouteEditError> {
    edit_with(text, edit, &[])
}

fn edit_with(text: &str, edit: &RouteEdit, taken: &[&str]) -> Result<Edited, RouteEditError> {
    let source = |path, text| Source { path: Path::new(path), text };
    let is_taken = |version: &str| taken.contains(&version);
    edit_routes(
        source("routes.toml", text),
        source("tenants.toml", TENANTS),
        edit,
        date(2026, 11, 22),
        is_taken,
    )
}

fn shift(route: &str, ppm: u32) -> RouteEdit {
    RouteEdit::Shift { route: route.to_owned(), share: Share::from_ppm(ppm).unwrap() }
}

fn vouch() -> RouteEdit {
    RouteEdit::Vouch(Vouch {
        by: "kim \"the\" lee".to_owned(),
        incident: "INC-1".to_owned(),
        until: "2026-12-01T00:00:00Z".parse().unwrap(),
        rollback_route_version: "before".to_owned(),
    })
}

/// The lines that differ, with their numbers.
fn changed<'t>(before: &'t str, after: &'t str) -> Vec<(usize, &'t str, &'t str)> {
    assert_eq!(before.lines().count(), after.lines().count());
    let pairs = before.lines().zip(after.lines()).enumerate();
    pairs.filter(|(_, (old, new))| old != new).map(|(at, (old, new))| (at + 1, old, new)).collect()
}

/// With comments in every place where TOML allows one, and quotes of both kinds.
const COMMENTED: &str = "\
# The map.
route_version = '2026-11-21.4'   # raised by hand
primary_provider = \"a\" # \"share\"
[providers.a] # share = \"1%\"
base_url = \"http://a/v1\"
credential = { env = \"A\" }
[providers.b]
base_url = \"http://b/v1\"
credential = { env = \"B\" }
[aliases.m]
provider_model_id = { a = \"m\", b = \"m\" }

[[routes]]
name = \"first\"
tenant_or_cohort = \"acme\"
model_alias = \"m\"
mode = \"canary\"
primary_provider = \"a\"
# before the canary
[routes.canary] # of first
provider = \"b\"
share =  '5%'  # <- here
sticky_by = [
  \"user\", # one
  \"request\",
]

[[routes]]
name = \"second\"
tenant_or_cohort = \"globex\"
model_alias = \"m\"
mode = 'primary' # at home
primary_provider = \"a\"
canary = { provider = \"b\", share = \"7%\", sticky_by = [\"user\"] } # inline

# end of the routes, not of the file
# end 2026-11-21.4
";

#[test]
fn a_shift_changes_three_lines() {
    let edited = edit(COMMENTED, &shift("first", 123_456)).unwrap();
    assert_eq!(edited.version, "2026-11-22.1");
    let expected = [
        (
            2,
            "route_version = '2026-11-21.4'   # raised by hand",
            "route_version = \"2026-11-22.1\"   # raised by hand",
        ),
        (22, "share =  '5%'  # <- here", "share =  \"12.3456%\"  # <- here"),
        (37, "# end 2026-11-21.4", "# end 2026-11-22.1"),
    ];
    assert_eq!(changed(COMMENTED, &edited.text), expected);
}

#[test]
fn a_shift_of_the_shipped_map_changes_three_lines() {
    let edited = edit(SHIPPED, &shift("acme-summaries", 0)).unwrap();
    let changed = changed(SHIPPED, &edited.text);
    assert_eq!(changed.len(), 3, "{changed:?}");
    assert!(changed[1].2.contains("share = \"0%\""), "{changed:?}");
}

#[test]
fn a_shift_of_a_route_that_is_at_home_makes_it_a_canary() {
    let edited = edit(COMMENTED, &shift("second", 10_000)).unwrap();
    let lines: Vec<_> = changed(COMMENTED, &edited.text).into_iter().map(|(_, _, new)| new).collect();
    let expected = [
        "route_version = \"2026-11-22.1\"   # raised by hand",
        "mode = \"canary\" # at home",
        "canary = { provider = \"b\", share = \"1%\", sticky_by = [\"user\"] } # inline",
        "# end 2026-11-22.1",
    ];
    assert_eq!(lines, expected);
}

/// A canary that climbs has no share, or one that it climbs to; a shift says how far it may.
#[test]
fn a_shift_of_a_canary_with_steps_says_how_far_it_may_climb() {
    let in_lines = COMMENTED.replace("share =  '5%'", "steps = [\"1%\", '5%', \"100%\"]");
    let lowered = edit(&in_lines, &shift("first", 100_000)).unwrap();
    assert!(lowered.text.contains("\nshare = \"10%\"\nsteps = [\"1%\", '5%', \"100%\"]"), "{}", lowered.text);
    let off = edit_with(&lowered.text, &shift("first", 0), &[]).unwrap();
    assert!(off.text.contains("\nshare = \"0%\"\nsteps = "), "{}", off.text);
    let again = edit_with(&lowered.text, &shift("first", 100_000), &[]).unwrap_err().to_string();
    assert!(again.contains("may climb to 10% already"), "{again}");
    let inline = COMMENTED.replace("share = \"7%\"", "steps = [\"1%\", \"5%\"]");
    let shifted = edit(&inline, &shift("second", 10_000)).unwrap();
    assert!(shifted.text.contains("{ provider = \"b\", share = \"1%\", steps = ["), "{}", shifted.text);
}

#[test]
fn a_version_that_was_ever_used_is_not_given_again() {
    let edited = edit_with(COMMENTED, &shift("first", 0), &["2026-11-22.1", "2026-11-22.2"]).unwrap();
    assert_eq!(edited.version, "2026-11-22.3");
}

#[test]
fn a_route_is_disabled_by_one_word() {
    let edited = edit(COMMENTED, &RouteEdit::Disable { route: "second".to_owned() }).unwrap();
    assert_eq!(changed(COMMENTED, &edited.text)[1].2, "mode = \"disabled\" # at home");
    let again = edit_with(&edited.text, &RouteEdit::Disable { route: "second".to_owned() }, &[]).unwrap_err();
    assert!(matches!(again, RouteEditError::NothingToDo(_)), "{again}");
    let shifted = edit_with(&edited.text, &shift("second", 1), &[]).unwrap_err();
    assert!(matches!(shifted, RouteEditError::WrongMode { mode: Mode::Disabled, .. }), "{shifted}");
}

#[test]
fn vouching_adds_two_lines_and_vouching_again_changes_them() {
    let first = edit(COMMENTED, &vouch()).unwrap();
    let added: Vec<&str> = first.text.lines().filter(|line| line.starts_with("rollback")).collect();
    let expected = [
        "rollback_route_version = \"before\"",
        "rollback_override = { by = 'kim \"the\" lee', incident = \"INC-1\", until = 2026-12-01T00:00:00Z }",
    ];
    assert_eq!(added, expected);
    assert_eq!(first.text.lines().count(), COMMENTED.lines().count() + 2);
    let RouteEdit::Vouch(later) = vouch() else { unreachable!() };
    let later = Vouch { until: "2026-12-24T00:00:00Z".parse().unwrap(), ..later };
    let second = edit(&first.text, &RouteEdit::Vouch(later)).unwrap();
    assert_eq!(changed(&first.text, &second.text).len(), 3);
    assert!(second.text.contains("until = 2026-12-24T00:00:00Z"), "{}", second.text);
}

#[test]
fn what_makes_no_sense_is_refused_in_words() {
    let said = |text: &str, wanted: &RouteEdit| edit(text, wanted).unwrap_err().to_string();
    assert!(said(COMMENTED, &shift("frist", 1)).contains("did you mean `first`?"));
    assert!(said(COMMENTED, &shift("first", 50_000)).contains("has 5% already"));
    assert!(said("route_version = ", &shift("first", 1)).contains("not valid TOML"));
    let without = COMMENTED
        .replace("canary = { provider = \"b\", share = \"7%\", sticky_by = [\"user\"] } # inline\n", "");
    assert!(said(&without, &shift("second", 1)).contains("has no `[routes.canary]`"));
}

proptest! {
    #[test]
    fn whatever_is_shifted_only_three_lines_change_and_the_share_is_that(ppm in 0_u32..=1_000_000) {
        prop_assume!(ppm != 50_000);
        let edited = edit(COMMENTED, &shift("first", ppm)).unwrap();
        prop_assert_eq!(changed(COMMENTED, &edited.text).len(), 3);
        let source = |path, text| Source { path: Path::new(path), text };
        let loaded = load_map(source("routes.toml", &edited.text), source("tenants.toml", TENANTS)).unwrap();
        let canary = loaded.plan.parts().routes[0].canary.as_ref().unwrap();
        prop_assert_eq!(format_share(canary.bucketing.share), format_share(Share::from_ppm(ppm).unwrap()));
    }
}
