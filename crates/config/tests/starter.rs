//! What `init` and `demo` write loads, whatever the options, and reads well.

#![expect(clippy::unwrap_used, reason = "helpers of tests are not seen as tests")]

use std::path::Path;

use config::{CredentialSource, Loaded, ModelIds, Source, StarterOptions, load_map, starter};
use decisions::plan::Mode;
use jiff::civil::{Date, date};
use proptest::prelude::*;

const TODAY: Date = date(2026, 11, 21);

fn options() -> StarterOptions {
    let mut options = StarterOptions::new("https://api.openai.com/v1", "https://api.cometapi.com/v1", TODAY);
    options.models.push(("gpt-5.4".to_owned(), None));
    options
}

fn load(options: &StarterOptions) -> Loaded {
    let files = starter(options).unwrap();
    load_map(
        Source { path: Path::new("routes.toml"), text: &files.routes },
        Source { path: Path::new("tenants.toml"), text: &files.tenants },
    )
    .unwrap()
}

#[test]
fn without_a_key_the_callers_own_pays_the_primary() {
    let loaded = load(&options());
    assert_eq!(loaded.environment.as_deref(), Some("development"));
    assert_eq!(loaded.providers[0].credential, CredentialSource::Client);
    assert_eq!(loaded.providers[1].credential, CredentialSource::Env("COMETAPI_KEY".to_owned()));
    let parts = loaded.plan.parts();
    assert_eq!(parts.tenants[parts.default_tenant.unwrap().index()].name, "default");
    assert_eq!((parts.providers[0].name.as_str(), parts.providers[1].name.as_str()), ("openai", "cometapi"));
    assert_eq!((parts.routes[0].name.as_str(), parts.routes[0].mode), ("gpt-5.4", Mode::Canary));
    assert_eq!(parts.routes[0].canary.as_ref().unwrap().bucketing.share.ppm(), 50_000);
    assert_eq!(parts.routes[0].fallback, None);
}

#[test]
fn with_a_key_unlisted_callers_are_nobody() {
    let mut options = options();
    options.primary_key_env = Some("OPENAI_API_KEY".to_owned());
    options.key_sha256 = Some([7; 32]);
    options.fallback = true;
    let loaded = load(&options);
    assert_eq!(loaded.plan.parts().default_tenant, None);
    assert_eq!(loaded.keys[0].sha256, [7; 32]);
    assert!(loaded.plan.parts().routes[0].fallback.is_some());
}

#[test]
fn without_models_the_example_in_the_comments_works_once_uncommented() {
    let mut options = options();
    options.models.clear();
    let files = starter(&options).unwrap();
    assert!(load(&options).plan.parts().routes.is_empty());
    let example = files.routes.find("# # The model as").unwrap();
    let (head, rest) = files.routes.split_at(example);
    let (example, end) = rest.split_at(rest.rfind("\n\n").unwrap());
    let example: Vec<&str> =
        example.lines().map(|line| line.strip_prefix("# ").or(line.strip_prefix('#')).unwrap()).collect();
    let routes = format!("{head}{}{end}", example.join("\n"));
    let loaded = load_map(
        Source { path: Path::new("routes.toml"), text: &routes },
        Source { path: Path::new("tenants.toml"), text: &files.tenants },
    );
    assert_eq!(loaded.unwrap().plan.parts().routes[0].name, "my-model");
}

#[test]
fn names_of_providers_differ_even_where_hosts_do_not() {
    let cases = [
        ("http://a", "http://b", ["primary", "canary"]),
        ("https://api.cometapi.com/v1", "https://api.cometapi.com/v2", ["cometapi", "canary"]),
        ("https://api.cometapi.com/v1", "https://api.openai.com/v1", ["cometapi", "openai"]),
    ];
    for (primary, canary, names) in cases {
        let loaded = load(&StarterOptions::new(primary, canary, TODAY));
        let found: Vec<_> = loaded.providers.iter().map(|provider| provider.name.as_str()).collect();
        assert_eq!(found, names);
    }
}

#[test]
fn a_bad_option_names_its_flag() {
    type Spoil = fn(&mut StarterOptions);
    let cases: [(&str, Spoil); 11] = [
        ("--primary", |options| options.primary = "api.openai.com".to_owned()),
        ("--canary", |options| options.canary = "https://user:pw@x".to_owned()),
        ("--canary", |options| options.canary = "HTTPS://API.openai.com:443/v1/".to_owned()),
        ("--share", |options| options.share = "5".to_owned()),
        ("--listen", |options| options.listen = "localhost".to_owned()),
        ("--tenant", |options| options.tenant = "a b".to_owned()),
        ("--model", |options| options.models.push((" x".to_owned(), None))),
        ("--model", |options| options.models.push(("*".to_owned(), None))),
        ("--model", |options| options.models.push(("gpt-5.4".to_owned(), None))),
        ("--primary-key-env", |options| options.primary_key_env = Some("sk-SECRET".to_owned())),
        ("--canary-key-env", |options| options.canary_key_env = "sk-SECRET".to_owned()),
    ];
    for (flag, spoil) in cases {
        let mut options = options();
        spoil(&mut options);
        let error = starter(&options).unwrap_err();
        assert_eq!(error.flag, flag, "{error}");
        assert!(!error.to_string().contains("SECRET") && !error.to_string().contains("pw"), "{error}");
    }
}

proptest! {
    #[test]
    fn every_combination_loads(
        own_key in any::<bool>(),
        fallback in any::<bool>(),
        key in proptest::option::of(any::<[u8; 32]>()),
        ppm in 0_u32..=1_000_000,
        tenant in "[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}",
        models in proptest::collection::btree_map("[!-~äé模'\"]{1,40}", any::<Option<(u8, u8)>>(), 0..6),
    ) {
        let mut options = StarterOptions::new("http://127.0.0.1:1/v1", "http://[::1]:2", TODAY);
        options.primary_key_env = own_key.then(|| "KEY".to_owned());
        options.fallback = fallback;
        options.key_sha256 = key;
        options.share = config::format_share(decisions::bucket::Share::from_ppm(ppm).unwrap());
        options.tenant = tenant;
        let ids = |(one, other): (u8, u8)| ModelIds { primary: format!("a{one}\""), canary: format!("\\{other}") };
        options.models = models.into_iter().filter(|(alias, _)| alias != "*").map(|(a, b)| (a, b.map(ids))).collect();
        let loaded = load(&options);
        prop_assert_eq!(loaded.plan.parts().aliases.len(), options.models.len());
        for ((alias, ids), made) in options.models.iter().zip(&loaded.plan.parts().aliases) {
            prop_assert_eq!(alias, &made.name);
            let expected = ids.as_ref().map_or(alias, |ids| &ids.canary);
            prop_assert_eq!(made.model_ids[1].as_ref(), Some(expected));
        }
    }
}
