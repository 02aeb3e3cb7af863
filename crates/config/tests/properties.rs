//! Properties of shares, of the end line and of edits, over generated input.

use std::path::Path;

use config::{Problem, Source, edit, format_share, load_map, load_settings, parse_share};
use decisions::bucket::Share;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

fn load(routes: &str, tenants: &str) -> bool {
    let source = |text| Source { path: Path::new("x.toml"), text };
    load_map(source(routes), source(tenants)).is_ok()
}

/// A map and tenants with these versions and so many tenants, with comments that look like end lines here and there.
fn files(version: &str, tenants: usize, noise: &str) -> (String, String) {
    let mut routes = format!(
        "# {noise}\nroute_version = '{version}'\nprimary_provider = \"p\"\n# end {version}x\n[providers.p]\n\
         base_url = \"http://h\"\ncredential = \"client\"\n  # end {version}\n"
    );
    let mut list = format!("version = '{version}' # {noise}\n");
    for at in 0..tenants {
        list.push_str(&format!("[tenants.t{at}]\nkey_sha256 = [\"{at:064x}\"] # end {version}\n"));
        routes.push_str(&format!(
            "[[routes]]\nname = \"r{at}\"\ntenant_or_cohort = \"t{at}\"\nmodel_alias = \"*\"\nmode = \"primary\"\n\
             primary_provider = \"p\"\n"
        ));
    }
    routes.push_str(&format!("# end {version}\n"));
    list.push_str(&format!("# end {version}\n"));
    (routes, list)
}

/// A problem lies within its text, and what is shown of it agrees with what is said.
fn check_place(text: &str, problem: &Problem) -> Result<(), TestCaseError> {
    let line = text.split('\n').nth(problem.place.line - 1);
    let columns = line.map(|line| line.chars().count());
    prop_assert!(columns.is_some_and(|columns| problem.place.column <= columns + 1), "{problem}");
    prop_assert!(problem.end_column > problem.place.column, "{problem}");
    prop_assert!(columns.is_some_and(|columns| problem.end_column <= columns + 2), "{problem}");
    let shown = problem.snippet.text.get(problem.snippet.highlight.clone());
    prop_assert!(shown.is_some_and(|shown| !shown.is_empty()), "{problem:?}");
    let drawn = problem.to_string();
    prop_assert!(drawn.contains(&format!("--> {}\n", problem.place)), "{drawn}");
    let mut marks = drawn.lines().map(|line| line.trim_start().trim_start_matches('|').trim());
    prop_assert!(marks.any(|line| line.starts_with('^') || line.ends_with('^')), "{drawn}");
    prop_assert!(!problem.render(true).is_empty());
    Ok(())
}

proptest! {
    #[test]
    fn a_share_survives_being_written(ppm in 0_u32..=1_000_000) {
        let share = Share::from_ppm(ppm).unwrap();
        prop_assert_eq!(parse_share(&format_share(share)), Ok(share));
    }

    #[test]
    fn a_share_is_exactly_what_is_written(whole in 0_u32..100, fraction in 0_u32..10_000, digits in 1_usize..=4) {
        let decimals = &format!("{fraction:04}")[..digits];
        let expected = whole * 10_000 + decimals.parse::<u32>().unwrap() * 10_u32.pow(4 - u32::try_from(digits).unwrap());
        let parsed = parse_share(&format!("{whole}.{decimals}%")).unwrap();
        prop_assert_eq!(parsed.ppm(), expected);
    }

    #[test]
    fn no_text_makes_the_share_parser_fall_over(text in "[0-9.%+eE -]{0,12}") {
        if let Ok(share) = parse_share(&text) {
            prop_assert_eq!(parse_share(&format_share(share)), Ok(share));
        }
    }

    #[test]
    fn no_strict_prefix_loads(version in "[!-&(-~]{1,12}", tenants in 0_usize..4, noise in "[ -~]{0,20}") {
        let (routes, list) = files(&version, tenants, &noise);
        prop_assert!(load(&routes, &list), "{}", routes);
        for end in 0..routes.len() {
            prop_assert!(!load(&routes[..end], &list), "{}", &routes[..end]);
        }
        for end in 0..list.len() {
            prop_assert!(!load(&routes, &list[..end]), "{}", &list[..end]);
        }
    }

    #[test]
    fn no_text_makes_the_loader_or_the_renderer_fall_over(
        text in "\\PC{0,200}",
        lines in "([a-z_.\\[\\]= \"{}#\n]{0,200})",
        wide in "([a模\u{301}\u{200b}\u{202e}é\t\r\n\\\\ =\"'#,\\[\\]{}\u{1}]{0,400})",
        value in "[ -~模\t]{0,200}",
    ) {
        let named = format!("route_version = \"v\"\nprimary_provider = '{value}' # {wide}\n[providers]\n{lines}\n# end v\n");
        for text in [&text, &lines, &wide, &named] {
            let source = Source { path: Path::new("x.toml"), text };
            for problems in [load_map(source, source).map(drop), load_settings(source).map(drop)] {
                for problem in problems.err().iter().flatten() {
                    check_place(text, problem)?;
                }
            }
        }
    }

    #[test]
    fn an_added_tenant_is_there_and_every_comment_stays(
        version in "[!-&(-~]{1,12}", tenants in 0_usize..4, noise in "[ -~]{0,20}", key in any::<[u8; 32]>(),
    ) {
        let (routes, list) = files(&version, tenants, &noise);
        let source = Source { path: Path::new("x.toml"), text: &list };
        let added = edit::add_tenant(source, "new", &key, jiff::civil::date(2026, 11, 21)).unwrap();
        prop_assert!(load(&routes, &added), "{}", added);
        let last = list.lines().count() - 1;
        for line in list.lines().take(last).skip(1) {
            prop_assert!(added.lines().any(|other| other == line), "{line} is gone from\n{added}");
        }
        prop_assert!(added.lines().next().unwrap().ends_with(&format!("# {noise}")), "{}", added);
    }
}
