//! The files that ship in `config/`: they load, they say what they seem to say, and no part of one passes for it.

#![expect(clippy::unwrap_used, reason = "helpers of tests are not seen as tests")]

use std::path::{Path, PathBuf};

use config::{CredentialSource, Source, load_map, load_settings};
use decisions::plan::{CohortMembers, Mode, Scope};

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
    names.sort();
    assert_eq!(names, ["cometgate.toml", "routes.toml", "tenants.toml"]);
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
    assert_eq!(parts.route_version, "2026-11-21.2");
    assert_eq!(loaded.tenants_version, "2026-11-21.1");
    assert_eq!(loaded.environment.as_deref(), Some("production"));
    // The file's order, not the alphabet's.
    let names: Vec<_> = loaded.providers.iter().map(|provider| provider.name.as_str()).collect();
    assert_eq!(names, ["openai", "cometapi"]);
    assert_eq!(loaded.providers[1].credential, CredentialSource::Env("COMETAPI_KEY".to_owned()));
    assert_eq!(loaded.providers[1].base_url.to_string(), "https://api.cometapi.com/v1");
    assert!(matches!(&parts.cohorts[0].members, CohortMembers::Tenants(list) if list.len() == 1));
    let route = &parts.routes[0];
    assert_eq!((route.name.as_str(), route.mode), ("acme-summaries", Mode::Canary));
    assert_eq!(route.scope, Scope::Tenant(loaded.plan.tenant_named("acme").unwrap()));
    let canary = route.canary.as_ref().unwrap();
    assert_eq!((canary.bucketing.share.ppm(), canary.bucketing.salt.as_str()), (50_000, "acme-summaries"));
}

#[test]
fn every_strict_prefix_of_the_shipped_files_is_refused() {
    let (routes_path, routes) = shipped("routes.toml");
    let (tenants_path, tenants) = shipped("tenants.toml");
    let load = |routes: &str, tenants: &str| {
        load_map(Source { path: &routes_path, text: routes }, Source { path: &tenants_path, text: tenants })
    };
    for end in 0..routes.len() {
        assert!(load(&routes[..end], &tenants).is_err(), "the map's first {end} bytes load");
    }
    for end in 0..tenants.len() {
        assert!(load(&routes, &tenants[..end]).is_err(), "the tenants' first {end} bytes load");
    }
    assert!(load(&routes, &tenants).is_ok());
}
