//! What the map names against what the provider lists, what is approved and what is blocked (runbook 2, "Application
//! allowlist alignment"). Everything byte for byte; what only looks the same is said to whoever has to find the typo.

use std::collections::BTreeSet;

use config::skeleton;
use decisions::plan::ModelRules;

use super::configured::Configured;
use super::parse::Catalog;

/// A configured ID in the light of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presence {
    /// The ID and what it is there for.
    pub of: Configured,
    /// Whether it is listed; `None` where no list says.
    pub is_listed: Option<bool>,
    /// Whether the map approves it; `None` where the map lists no approved models.
    pub is_approved: Option<bool>,
    /// Whether the map blocks it.
    pub is_blocked: bool,
    /// Listed IDs that differ from it in the case of letters only; only asked where it is not listed.
    pub case_near: Vec<String>,
    /// Listed IDs that look like it to the eye; likewise.
    pub look_alikes: Vec<String>,
}

/// All configured IDs, and what is approved and not listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alignment {
    /// In the order of the configured ones.
    pub models: Vec<Presence>,
    /// `approved_ids - catalog_ids`; empty where no list says.
    pub approved_not_listed: Vec<String>,
}

impl Alignment {
    /// `configured_ids - catalog_ids`.
    #[must_use]
    pub fn missing(&self) -> BTreeSet<&str> {
        self.ids(|model| model.is_listed == Some(false))
    }

    /// `configured_ids - approved_ids`.
    #[must_use]
    pub fn unapproved(&self) -> BTreeSet<&str> {
        self.ids(|model| model.is_approved == Some(false))
    }

    /// Blocked, and named all the same.
    #[must_use]
    pub fn blocked(&self) -> BTreeSet<&str> {
        self.ids(|model| model.is_blocked)
    }

    fn ids(&self, is_meant: impl Fn(&Presence) -> bool) -> BTreeSet<&str> {
        self.models.iter().filter(|model| is_meant(model)).map(|model| model.of.model_id.as_str()).collect()
    }
}

/// Compares. Without a list, or with an empty one, nothing is listed and nothing is missing: there is no data. On one page of
/// several, only what is there is known.
#[must_use]
pub fn align(configured: Vec<Configured>, rules: &ModelRules, catalog: Option<&Catalog>) -> Alignment {
    let catalog = catalog.filter(|catalog| !catalog.ids.is_empty());
    let is_listed = |id: &str| {
        let catalog = catalog?;
        let is_there = catalog.ids.contains(id);
        (is_there || !catalog.is_partial).then_some(is_there)
    };
    let near = |id: &str, is_near: &dyn Fn(&str) -> bool| -> Vec<String> {
        let ids = catalog.iter().flat_map(|catalog| &catalog.ids);
        ids.filter(|listed| *listed != id && is_near(listed)).cloned().collect()
    };
    let models = configured.into_iter().map(|of| {
        let id = of.model_id.as_str();
        let is_listed = is_listed(id);
        let (mut case_near, mut look_alikes) = (Vec::new(), Vec::new());
        if is_listed == Some(false) {
            let (lower, seen) = (id.to_lowercase(), skeleton(id));
            case_near = near(id, &|listed| listed.to_lowercase() == lower);
            look_alikes = near(id, &|listed| listed.to_lowercase() != lower && skeleton(listed) == seen);
        }
        Presence {
            is_listed,
            is_approved: rules.approved.as_ref().map(|approved| approved.iter().any(|listed| listed == id)),
            is_blocked: rules.blocked.iter().any(|blocked| blocked == id),
            case_near,
            look_alikes,
            of,
        }
    });
    let models = models.collect();
    let approved = rules.approved.iter().flatten();
    let approved_not_listed = approved.filter(|id| is_listed(id) == Some(false)).cloned().collect();
    Alignment { models, approved_not_listed }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Use;
    use proptest::prelude::*;

    fn named(ids: &[&str]) -> Vec<Configured> {
        let of = |id: &&str| Configured {
            used_as: Use::Current,
            model_id: (*id).to_owned(),
            routes: Vec::new(),
            aliases: Vec::new(),
        };
        ids.iter().map(of).collect()
    }

    fn listing(ids: &[&str]) -> Catalog {
        Catalog { ids: ids.iter().map(|id| (*id).to_owned()).collect(), ..Catalog::default() }
    }

    fn set<'a>(ids: &[&'a str]) -> BTreeSet<&'a str> {
        ids.iter().copied().collect()
    }

    #[test]
    fn the_four_sets_are_told_apart() {
        let rules = ModelRules {
            approved: Some(vec!["a".into(), "gone".into(), "off".into()]),
            blocked: vec!["off".into()],
        };
        let found =
            align(named(&["a", "b", "gone", "off"]), &rules, Some(&listing(&["a", "b", "off", "new"])));
        assert_eq!(found.missing(), set(&["gone"]));
        assert_eq!(found.unapproved(), set(&["b"]));
        assert_eq!(found.blocked(), set(&["off"]));
        assert_eq!(found.approved_not_listed, ["gone"]);
        let all_approved = align(named(&["b"]), &ModelRules::default(), None);
        assert_eq!(
            all_approved.models[0].is_approved, None,
            "a map without a list approves nothing and forbids nothing"
        );
    }

    #[test]
    fn no_list_and_an_empty_one_and_a_page_of_one_miss_nothing() {
        let rules = ModelRules { approved: Some(vec!["a".into()]), blocked: Vec::new() };
        let page = Catalog { is_partial: true, ..listing(&["b"]) };
        for catalog in [None, Some(listing(&[])), Some(page)] {
            let found = align(named(&["a"]), &rules, catalog.as_ref());
            assert_eq!(found.models[0].is_listed, None);
            assert_eq!(found.approved_not_listed, Vec::<String>::new());
        }
    }

    #[test]
    fn what_is_near_is_said_and_is_no_match() {
        let catalog = listing(&["GPT-5.4", "gpt-4\u{43e}", "other"]);
        let found = align(named(&["gpt-5.4", "gpt-4o", "other"]), &ModelRules::default(), Some(&catalog));
        let near = |at: usize| (found.models[at].case_near.clone(), found.models[at].look_alikes.clone());
        assert_eq!(near(0), (vec!["GPT-5.4".to_owned()], vec![]));
        assert_eq!(near(1), (vec![], vec!["gpt-4\u{43e}".to_owned()]));
        assert_eq!(near(2), (vec![], vec![]));
        assert_eq!(found.missing(), set(&["gpt-4o", "gpt-5.4"]));
    }

    proptest! {
        #[test]
        fn an_id_is_missing_exactly_when_its_bytes_are_not_there(
            configured in prop::collection::btree_set("[aA][bB]?", 0..6),
            listed in prop::collection::btree_set("[aA][bB]?", 1..6),
        ) {
            let ids: Vec<&str> = configured.iter().map(String::as_str).collect();
            let catalog = Catalog { ids: listed.clone(), ..Catalog::default() };
            let found = align(named(&ids), &ModelRules::default(), Some(&catalog));
            let expected: BTreeSet<&str> = configured.difference(&listed).map(String::as_str).collect();
            prop_assert_eq!(found.missing(), expected);
        }
    }
}
