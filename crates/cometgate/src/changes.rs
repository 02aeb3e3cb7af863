//! What a new map changes, in a line for each route: the first thing to read after an edit.

use std::collections::HashMap;

use config::format_share;
use decisions::plan::{Mode, Plan, Route};

/// Routes that are new, gone, or send their traffic elsewhere than before.
pub(crate) fn changes(before: &Plan, after: &Plan) -> Vec<String> {
    let by_name = |plan: &Plan| -> HashMap<String, String> {
        plan.parts().routes.iter().map(|route| (route.name.clone(), traffic(plan, route))).collect()
    };
    let (mut old, new) = (by_name(before), by_name(after));
    let mut lines = Vec::new();
    for route in &after.parts().routes {
        let Some(now) = new.get(&route.name) else { continue };
        match old.remove(&route.name) {
            Some(then) if then == *now => {}
            Some(then) => lines.push(format!("{}: {then} -> {now}", route.name)),
            None => lines.push(format!("{}: new, {now}", route.name)),
        }
    }
    let mut gone: Vec<String> =
        old.into_iter().map(|(name, then)| format!("{name}: gone, was {then}")).collect();
    gone.sort_unstable();
    lines.extend(gone);
    lines
}

/// Where a route sends its traffic.
fn traffic(plan: &Plan, route: &Route) -> String {
    let name = |id| &plan.provider(id).name;
    match (route.mode, &route.canary, route.fallback) {
        (Mode::Disabled, _, _) => "disabled".to_owned(),
        (Mode::Canary | Mode::Fallback, _, _) if route.held => {
            format!("all {} (held: no proven way back)", name(route.primary))
        }
        (Mode::Canary, Some(canary), _) => {
            let (first, highest) = (canary.bucketing.share, route.highest_share());
            let mut share = format_share(first);
            if highest > first {
                share.push_str(&format!(" (and up to {} by steps)", format_share(highest)));
            }
            format!("{share} {}, the rest {}", name(canary.provider), name(route.primary))
        }
        (Mode::Fallback, _, Some(fallback)) => format!("all {} (fallback)", name(fallback)),
        (Mode::Primary | Mode::Canary | Mode::Fallback, _, _) => format!("all {}", name(route.primary)),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use config::{Source, load_map};

    use super::*;

    fn plan(routes: &str) -> Plan {
        let text = format!(
            "route_version = \"1\"\nprimary_provider = \"a\"\n\
             [providers.a]\nbase_url = \"http://a/v1\"\ncredential = {{ env = \"A\" }}\n\
             [providers.b]\nbase_url = \"http://b/v1\"\ncredential = {{ env = \"B\" }}\n\
             [aliases.m]\nprovider_model_id = {{ a = \"m\", b = \"m\" }}\n\
             [aliases.n]\nprovider_model_id = {{ a = \"n\", b = \"n\" }}\n{routes}# end 1\n"
        );
        let tenants = "version = \"1\"\n# end 1\n";
        let source = |path, text| Source { path: Path::new(path), text };
        load_map(source("routes.toml", &text), source("tenants.toml", tenants)).unwrap().plan
    }

    fn route(name: &str, alias: &str, mode: &str, share: &str) -> String {
        format!(
            "[[routes]]\nname = \"{name}\"\ntenant_or_cohort = \"*\"\nmodel_alias = \"{alias}\"\nmode = \"{mode}\"\n\
             primary_provider = \"a\"\n[routes.canary]\nprovider = \"b\"\nshare = \"{share}\"\n"
        )
    }

    #[test]
    fn every_route_that_sends_elsewhere_has_a_line_and_no_other_has() {
        let before = plan(&[route("x", "m", "canary", "5%"), route("y", "n", "canary", "1%")].concat());
        assert_eq!(changes(&before, &before), Vec::<String>::new());
        let shifted = plan(&[route("x", "m", "canary", "12.5%"), route("y", "n", "primary", "1%")].concat());
        let expected = ["x: 5% b, the rest a -> 12.5% b, the rest a", "y: 1% b, the rest a -> all a"];
        assert_eq!(changes(&before, &shifted), expected);
        let other = plan(&route("z", "m", "disabled", "5%"));
        let expected = ["z: new, disabled", "x: gone, was 5% b, the rest a", "y: gone, was 1% b, the rest a"];
        assert_eq!(changes(&before, &other), expected);
    }
}
