//! The files that ship in `config/`: they load, they say what they seem to say, and no part of one passes for it.

#![expect(clippy::unwrap_used, reason = "helpers of tests are not seen as tests")]

use std::path::{Path, PathBuf};

use config::{CredentialSource, Source, load_map, load_settings};
use decisions::ErrorClass;
use decisions::plan::{CohortMembers, Criticality, Mode, Scope};

fn shipped(name: &str) -> (PathBuf, String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config").join(name);
    let text = std::fs::read_to_string(&path).unwrap();
    (PathBuf::from("config").join(name), text)
}

#[test]
fn every_shipped_file_is_known_to_this_test() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config");
    let mut names: Vec<_> =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    // What a gateway that was tried out here has left; it is not in the repository.
    names.retain(|name| name != "state");
    names.sort();
    let expected = [
        "cometgate.schema.json",
        "cometgate.toml",
        "routes.schema.json",
        "routes.toml",
        "tenants.schema.json",
        "tenants.toml",
        "versions",
    ];
    assert_eq!(names, expected);
}

/// Every map of `config/`: the one in force and those that it can go back to.
fn maps() -> Vec<(PathBuf, String)> {
    let versions = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/versions");
    let mut names: Vec<String> = std::fs::read_dir(versions)
        .unwrap()
        .map(|entry| format!("versions/{}", entry.unwrap().file_name().into_string().unwrap()))
        .collect();
    names.push("routes.toml".to_owned());
    names.iter().map(|name| shipped(name)).collect()
}

/// The gateway looks for a version under its name, and never edits what it finds.
#[test]
fn every_kept_version_is_what_its_name_says_and_the_one_to_go_back_to_is_kept() {
    let (tenants_path, tenants) = shipped("tenants.toml");
    let mut kept = Vec::new();
    let mut named = Vec::new();
    for (path, text) in maps() {
        let loaded =
            load_map(Source { path: &path, text: &text }, Source { path: &tenants_path, text: &tenants });
        let loaded = loaded.unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(loaded.warnings, [], "{}", path.display());
        let version = loaded.plan.parts().route_version.clone();
        if !path.ends_with("routes.toml") {
            assert_eq!(path.file_stem().unwrap().to_str().unwrap(), version);
            kept.push(version);
        }
        named.extend(loaded.rollback_route_version);
    }
    assert!(!named.is_empty() && named.iter().all(|version| kept.contains(version)), "{named:?} {kept:?}");
}

#[test]
fn the_shipped_settings_are_the_defaults() {
    let (path, text) = shipped("cometgate.toml");
    let settings = load_settings(Source { path: &path, text: &text }).unwrap();
    let defaults = load_settings(Source { path: &path, text: "" }).unwrap();
    assert_eq!(settings, defaults);
    assert_eq!(settings.routes, Path::new("config/routes.toml"));
    assert_eq!(settings.listen.to_string(), "127.0.0.1:8080");
}

#[test]
fn the_shipped_map_says_what_it_seems_to_say() {
    let (routes_path, routes) = shipped("routes.toml");
    let (tenants_path, tenants) = shipped("tenants.toml");
    let loaded = load_map(
        Source { path: &routes_path, text: &routes },
        Source { path: &tenants_path, text: &tenants },
    )
    .unwrap();
    let parts = loaded.plan.parts();
    assert_eq!(parts.route_version, "2026-11-21.3");
    assert_eq!(loaded.tenants_version, "2026-11-21.3");
    assert_eq!(loaded.environment.as_deref(), Some("production"));
    // The file's order, not the alphabet's.
    let names: Vec<_> = loaded.providers.iter().map(|provider| provider.name.as_str()).collect();
    assert_eq!(names, ["openai", "cometapi"]);
    assert_eq!(loaded.providers[1].credential, CredentialSource::Env("COMETAPI_KEY".to_owned()));
    assert_eq!(loaded.providers[1].base_url.to_string(), "https://api.cometapi.com/v1");
    assert!(matches!(&parts.cohorts[0].members, CohortMembers::Tenants(list) if list.len() == 1));
    assert_eq!(loaded.owner.as_deref(), Some("platform@acme.example"));
    assert_eq!(loaded.expires_at.unwrap().to_string(), "2035-12-31T00:00:00Z");
    assert_eq!(loaded.rollback_route_version.as_deref(), Some("2026-11-21.1"));
    let alias = &parts.aliases[0];
    assert!(alias.enabled_features.is_said() && alias.family.is_some() && alias.rollback_target.is_some());
    assert_eq!(alias.required_fields, ["choices", "usage.total_tokens"]);
    assert!(parts.providers[1].models.approved.is_some());
    let route = &parts.routes[0];
    assert_eq!((route.retry_policy.retries, route.retry_policy.on.iter().count()), (1, 2));
    assert!(route.primary_timeout < route.timeout && route.first_token_timeout < route.timeout);
    assert!(route.fallback_on.contains(ErrorClass::HeadTimeout), "and there is time for it");
    assert_eq!(parts.tenants[1].criticality, Criticality::SheddablePlus);
    assert_eq!((route.name.as_str(), route.mode), ("acme-summaries", Mode::Canary));
    assert_eq!(route.scope, Scope::Tenant(loaded.plan.tenant_named("acme").unwrap()));
    let canary = route.canary.as_ref().unwrap();
    assert_eq!((canary.bucketing.share.ppm(), canary.bucketing.salt.as_str()), (50_000, "acme-summaries"));
}

#[test]
fn every_strict_prefix_of_the_shipped_files_is_refused() {
    let (tenants_path, tenants) = shipped("tenants.toml");
    for (path, map) in maps() {
        for end in 0..map.len() {
            let source = Source { path: &path, text: &map[..end] };
            let is_refused = load_map(source, Source { path: &tenants_path, text: &tenants }).is_err();
            assert!(is_refused, "the first {end} bytes of {} load", path.display());
        }
    }
    let (routes_path, routes) = shipped("routes.toml");
    let load = |routes: &str, tenants: &str| {
        load_map(Source { path: &routes_path, text: routes }, Source { path: &tenants_path, text: tenants })
    };
    for end in 0..tenants.len() {
        assert!(load(&routes, &tenants[..end]).is_err(), "the tenants' first {end} bytes load");
    }
    assert!(load(&routes, &tenants).is_ok());
}
