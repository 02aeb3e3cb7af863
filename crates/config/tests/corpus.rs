//! Files that must be taken, each with the warnings that it earns, and no part of one passes for it.
//!
//! `accepted/NAME.KIND.toml` stands beside `accepted/NAME.KIND.txt`, which is empty where there is nothing to
//! say. To accept what the loader says now: `UPDATE_EXPECTED=1 cargo test -p config --test corpus`, then read
//! the difference.

mod support;

use std::path::Path;

use config::{Problem, Source, StarterOptions, load_map, starter};
use jiff::civil::date;

#[test]
fn every_accepted_file_is_taken_with_its_warnings() {
    let cases = support::cases("accepted");
    for case in &cases {
        let warnings = case.load().unwrap_or_else(|problems| panic!("{}:\n{problems}", case.name));
        let said: Vec<String> = warnings.iter().map(Problem::to_string).collect();
        let said = said.join("\n\n");
        case.check(&if said.is_empty() { said } else { format!("{said}\n") });
    }
    let maps = cases.iter().filter(|case| case.kind == "routes").count();
    assert!(maps >= 20, "only {maps} maps were found");
}

/// A file that was cut anywhere is refused, whatever it holds. Settings have no end line: they are read at
/// the start only, by whoever started the process.
#[test]
fn every_byte_prefix_of_an_accepted_file_is_refused() {
    for case in support::cases("accepted").iter().filter(|case| case.kind != "settings") {
        assert!(case.load().is_ok(), "{}", case.name);
        let cuts = (0..case.text.len()).filter(|at| case.text.is_char_boundary(*at));
        for at in cuts {
            let is_refused = support::load(&case.kind, &case.text[..at]).is_err();
            assert!(is_refused, "the first {at} bytes of {} are taken", case.name);
        }
    }
}

fn is_taken(routes: &str, tenants: &str) -> bool {
    let path = Path::new("x.toml");
    load_map(Source { path, text: routes }, Source { path, text: tenants }).is_ok()
}

#[test]
fn every_byte_prefix_of_a_first_configuration_is_refused() {
    let with_models = |models: &[&str], key: Option<&str>| {
        let mut options = StarterOptions::new(
            "https://api.openai.com/v1",
            "https://api.cometapi.com/v1",
            date(2026, 11, 21),
        );
        options.models = models.iter().map(|model| ((*model).to_owned(), None)).collect();
        options.primary_key_env = key.map(str::to_owned);
        starter(&options).unwrap()
    };
    for files in [with_models(&[], None), with_models(&["gpt-5.4", "o5"], Some("OPENAI_API_KEY"))] {
        assert!(is_taken(&files.routes, &files.tenants));
        for at in 0..files.routes.len() {
            assert!(!is_taken(&files.routes[..at], &files.tenants), "the map's first {at} bytes are taken");
        }
        for at in 0..files.tenants.len() {
            assert!(
                !is_taken(&files.routes, &files.tenants[..at]),
                "the tenants' first {at} bytes are taken"
            );
        }
    }
}
