//! What the loader makes of fields that are left out, and of whole files that are unusual.

use std::path::Path;

use config::{Code, Loaded, Problem, Problems, Severity, Source, load_map, load_settings};
use decisions::plan::{AllowedAliases, CredentialKind, Mode, ModelMatch, Scope, StickyBy, UnlistedModels};
use decisions::{AliasId, CohortId, TenantId};

fn load(routes: &str, tenants: &str) -> Result<Loaded, Problems> {
    load_map(
        Source { path: Path::new("routes.toml"), text: routes },
        Source { path: Path::new("tenants.toml"), text: tenants },
    )
}

const TENANTS: &str = "version = \"t1\"\n[tenants.acme]\nkey_sha256 = []\n# end t1\n";

const SMALL: &str = "\
route_version = \"v1\"
primary_provider = \"b\"
[providers.b]
base_url = \"http://127.0.0.1:1\"
credential = \"client\"
[providers.a]
base_url = \"http://127.0.0.1:2\"
credential = { file = \"/run/secrets/a\" }
[aliases.m]
provider_model_id = { a = \"m-a\", b = \"m-b\" }
[aliases.only-b]
provider_model_id = { b = \"x\" }
[cohorts.z]
tenants = []
[cohorts.y]
share = \"1%\"
sticky_by = [\"tenant\"]
[[routes]]
name = \"r\"
tenant_or_cohort = \"y\"
model_alias = \"m\"
mode = \"canary\"
primary_provider = \"b\"
[routes.canary]
provider = \"a\"
share = \"0.0001%\"
[[routes]]
name = \"all\"
tenant_or_cohort = \"*\"
model_alias = \"*\"
mode = \"primary\"
primary_provider = \"b\"
# end v1
";

#[test]
fn what_is_left_out_has_a_default() {
    let loaded = load(SMALL, TENANTS).unwrap();
    let parts = loaded.plan.parts();
    assert_eq!(loaded.environment, None);
    assert_eq!(parts.unlisted_models, UnlistedModels::Primary);
    assert_eq!(parts.default_tenant, None);
    assert_eq!(parts.tenants[0].allowed_aliases, AllowedAliases::All);
    assert_eq!(loaded.providers[0].connect_timeout.as_millis(), 5000);
    let kinds: Vec<_> = parts.providers.iter().map(|provider| provider.credential).collect();
    assert_eq!(kinds, [CredentialKind::Client, CredentialKind::Ours]);
    assert_eq!(loaded.providers[1].place.to_string(), "routes.toml:8:14");

    let route = &parts.routes[0];
    assert_eq!(route.scope, Scope::Cohort(CohortId(1)));
    assert_eq!((route.models, route.mode), (ModelMatch::Alias(AliasId(0)), Mode::Canary));
    assert_eq!(route.timeout.as_millis(), 600_000);
    assert!(!route.stateful_canary);
    let canary = route.canary.as_ref().unwrap();
    assert_eq!((canary.generation, canary.bucketing.salt.as_str()), (1, "r"));
    let expected = [StickyBy::SafetyIdentifier, StickyBy::User, StickyBy::PromptCacheKey, StickyBy::Request];
    assert_eq!(canary.bucketing.sticky_by, expected);
    assert_eq!((parts.routes[1].scope, parts.routes[1].models), (Scope::Everyone, ModelMatch::Any));
}

#[test]
fn an_aliases_ids_are_in_the_order_of_the_providers() {
    let loaded = load(SMALL, TENANTS).unwrap();
    let ids = &loaded.plan.parts().aliases[0].model_ids;
    assert_eq!(ids, &[Some("m-b".to_owned()), Some("m-a".to_owned())]);
}

#[test]
fn a_default_tenant_is_fine_where_the_callers_pay() {
    let routes = SMALL.replace("[providers.b]", "default_tenant = \"acme\"\n[providers.b]");
    assert_eq!(load(&routes, TENANTS).unwrap().plan.parts().default_tenant, Some(TenantId(0)));
}

#[test]
fn keys_are_listed_by_tenant() {
    let tenants = format!(
        "version = \"t\"\n[tenants.b]\nkey_sha256 = [\"{}\", \"{}\"]\n[tenants.a]\nkey_sha256 = [\"{}\"]\n\
         allowed_aliases = [\"only-b\", \"m\"]\n# end t\n",
        "00".repeat(32),
        "0f".repeat(32),
        "ff".repeat(32)
    );
    let loaded = load(SMALL, &tenants).unwrap();
    let keys: Vec<_> = loaded.keys.iter().map(|key| (key.tenant.0, key.sha256[0])).collect();
    assert_eq!(keys, [(0, 0), (0, 15), (1, 255)]);
    let allowed = &loaded.plan.parts().tenants[1].allowed_aliases;
    assert_eq!(*allowed, AllowedAliases::Only(vec![AliasId(0), AliasId(1)]));
}

#[test]
fn a_route_for_every_alias_needs_no_id_where_an_alias_has_its_own_route() {
    let all = "name = \"all\"\ntenant_or_cohort = \"*\"\nmodel_alias = \"*\"\nmode = \"primary\"\n";
    let with_fallback = SMALL.replace(all, &format!("{all}fallback_provider = \"a\"\n"));
    let problems = load(&with_fallback, TENANTS).unwrap_err().to_string();
    assert!(problems.contains("route `all` can send `only-b` to `a`"), "{problems}");

    let own = "[[routes]]\nname = \"own\"\ntenant_or_cohort = \"*\"\nmodel_alias = \"only-b\"\nmode = \"primary\"\n\
               primary_provider = \"b\"\n# end v1\n";
    load(&with_fallback.replace("# end v1\n", own), TENANTS).unwrap();
}

#[test]
fn windows_line_ends_are_named_as_the_cause() {
    let problems = load(&SMALL.replace('\n', "\r\n"), TENANTS).unwrap_err().to_string();
    assert!(problems.contains("half-written") && problems.contains("\\r\\n"), "{problems}");
}

#[test]
fn nothing_at_all_is_half_written() {
    let problems = load("", "").unwrap_err();
    for path in ["routes.toml", "tenants.toml"] {
        let is_it = |problem: &Problem| {
            problem.code == Code::HalfWritten && problem.place.to_string() == format!("{path}:1:1")
        };
        assert!(problems.iter().any(is_it), "{problems}");
    }
}

#[test]
fn a_broken_tenants_file_blames_no_route() {
    let problems = load(&SMALL.replace("\"*\"\nmodel", "\"acme\"\nmodel"), "version = \n").unwrap_err();
    assert!(problems.iter().all(|problem| problem.place.path == Path::new("tenants.toml")), "{problems}");
}

#[test]
fn integers_may_be_written_in_every_way_of_toml() {
    for (written, bytes) in
        [("0x100000", 1 << 20), ("1_048_576", 1 << 20), ("0b10000000000", 1024), ("+2048", 2048)]
    {
        let text = format!("[limits]\nmax_body_bytes = {written}\n");
        let settings = load_settings(Source { path: Path::new("c.toml"), text: &text }).unwrap();
        assert_eq!(settings.limits.max_body_bytes, bytes, "{written}");
    }
}

#[test]
fn settings_paths_are_relative_to_the_settings_file() {
    let text = "routes = \"maps/r.toml\"\ntenants = \"/etc/t.toml\"\n";
    let settings = load_settings(Source { path: Path::new("/a/b/cometgate.toml"), text }).unwrap();
    assert_eq!(settings.routes, Path::new("/a/b/maps/r.toml"));
    assert_eq!(settings.tenants, Path::new("/etc/t.toml"));
    let settings = load_settings(Source { path: Path::new("cometgate.toml"), text: "" }).unwrap();
    assert_eq!(settings.routes, Path::new("routes.toml"));
}

#[test]
fn a_warning_refuses_nothing_and_stands_among_the_errors() {
    let routes = SMALL.replace("[\"tenant\"]", "[\"tenant\", \"user\", \"request\"]");
    let loaded = load(&routes, TENANTS).unwrap();
    let of_list = |loaded: &Loaded| -> Vec<Problem> {
        loaded.warnings.iter().filter(|of| of.code == Code::StickyByNeverCounts).cloned().collect()
    };
    let found = of_list(&loaded);
    let [warning] = found.as_slice() else { panic!("{:?}", loaded.warnings) };
    assert_eq!((warning.code, warning.severity()), (Code::StickyByNeverCounts, Severity::Warning));
    assert!(warning.to_string().starts_with("warning[W0205]: `user` never counts"), "{warning}");
    assert_eq!((warning.place.column, warning.end_column), (24, 30));
    assert!(of_list(&load(SMALL, TENANTS).unwrap()).is_empty());

    let wrong = routes.replace("mode = \"canary\"", "mode = \"canry\"").replace("\"v1\"", "5");
    let codes: Vec<Code> = load(&wrong, TENANTS).unwrap_err().iter().map(|problem| problem.code).collect();
    assert_eq!(codes, [Code::WrongType, Code::StickyByNeverCounts, Code::NotAChoice]);
}

#[test]
fn problems_can_be_had_as_json() {
    let twice = SMALL.replace("name = \"all\"", "name = \"r\"");
    let json = load(&twice, TENANTS).unwrap_err().to_json();
    let expected = "[{\"code\":\"E0401\",\"column\":8,\"end_column\":11,\"help\":null,\"line\":28,\
                    \"message\":\"there is a route `r` already, on line 19\",\"path\":\"routes.toml\",\
                    \"related\":[{\"column\":8,\"label\":\"first here\",\"line\":19,\"path\":\"routes.toml\"}],\
                    \"severity\":\"error\"}]";
    assert_eq!(json.to_string(), expected);
}

/// The colours go around what is there without them.
#[test]
fn colours_change_no_letter() {
    let problems = load(&SMALL.replace("\"m\"", "\"mm\""), TENANTS).unwrap_err();
    let styled = problems.render(true);
    assert!(styled.contains('\u{1b}') && !problems.render(false).contains('\u{1b}'));
    let mut plain = String::new();
    let mut parts = styled.split('\u{1b}');
    plain.push_str(parts.next().unwrap());
    parts.for_each(|part| plain.push_str(part.split_once('m').unwrap().1));
    assert_eq!(plain, problems.to_string());
}

/// Anything quadratic would be felt here.
#[test]
fn ten_thousand_routes_load() {
    use std::fmt::Write;
    let mut tenants = String::from("version = \"t\"\n");
    let mut routes = SMALL.replace("# end v1\n", "");
    for at in 0..1000 {
        write!(tenants, "[tenants.t{at}]\nkey_sha256 = [\"{at:064x}\"]\n").unwrap();
    }
    for at in 0..10 {
        write!(routes, "[aliases.m{at}]\nprovider_model_id = {{ a = \"x\", b = \"x\" }}\n").unwrap();
    }
    for at in 0..10_000 {
        write!(
            routes,
            "[[routes]]\nname = \"r{at}\"\ntenant_or_cohort = \"t{}\"\nmodel_alias = \"m{}\"\nmode = \"canary\"\n\
             primary_provider = \"b\"\n[routes.canary]\nprovider = \"a\"\nshare = \"5%\"\n",
            at % 1000,
            at / 1000
        )
        .unwrap();
    }
    tenants.push_str("# end t\n");
    routes.push_str("# end v1\n");
    assert_eq!(load(&routes, &tenants).unwrap().plan.parts().routes.len(), 10_002);

    // Nor may ten thousand mistakes be slow to tell.
    let wrong = routes.replace("tenant_or_cohort = \"t", "tenant_or_cohort = \"tt");
    assert_eq!(load(&wrong, &tenants).unwrap_err().iter().count(), 10_000);
}
