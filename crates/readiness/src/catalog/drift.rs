//! What has changed in the sorted set of IDs since it was last looked at (runbook 2, "Identifier drift"). Nothing here
//! changes a route: a new ID is somebody's to review.

use std::collections::{BTreeSet, HashMap};
use std::ops::Bound;

use config::skeleton;

/// IDs that one which is gone may have become: a list whose IDs all look alike must not make a pair of each two.
const MOST_ALIKE: usize = 8;

/// What has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drift {
    /// Listed now, and not before.
    pub new: Vec<String>,
    /// Listed before, and not now.
    pub removed: Vec<String>,
    /// Of these, those where one looks like the other under a new name: before, now.
    pub renamed: Vec<(String, String)>,
    /// Those that differ in the case of letters only: before, now.
    pub case_only: Vec<(String, String)>,
    /// New ones that name a family rather than a fixed revision of it: what they serve may change unseen.
    pub alias_like: Vec<String>,
    /// Removed ones that the map names.
    pub gone_in_use: Vec<String>,
}

impl Drift {
    /// Whether nothing has.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.new.is_empty() && self.removed.is_empty()
    }

    /// In numbers, as it may stand in records and logs.
    #[must_use]
    pub fn summary(&self) -> String {
        format!(
            "{} new, {} removed ({} in use), {} renamed-looking, {} case-only, {} alias-like",
            self.new.len(),
            self.removed.len(),
            self.gone_in_use.len(),
            self.renamed.len(),
            self.case_only.len(),
            self.alias_like.len()
        )
    }
}

/// Compares the list before with the list now; `in_use` is what the map names.
#[must_use]
pub fn drift(before: &BTreeSet<String>, now: &BTreeSet<String>, in_use: &BTreeSet<&str>) -> Drift {
    let new: Vec<String> = now.difference(before).cloned().collect();
    let removed: Vec<String> = before.difference(now).cloned().collect();
    let mut came_as: HashMap<String, Vec<&String>> = HashMap::new();
    for came in &new {
        came_as.entry(plain(came)).or_default().push(came);
    }
    let mut case_only = Vec::new();
    let mut renamed = Vec::new();
    for gone in &removed {
        // IDs that differ in case alone are plainly the same too.
        for came in came_as.get(&plain(gone)).into_iter().flatten().take(MOST_ALIKE) {
            let is_case_only = gone.to_lowercase() == came.to_lowercase();
            let pairs = if is_case_only { &mut case_only } else { &mut renamed };
            pairs.push((gone.clone(), (*came).clone()));
        }
    }
    let gone_in_use = removed.iter().filter(|id| in_use.contains(id.as_str())).cloned().collect();
    let alias_like = new.iter().filter(|id| is_alias_like(id, now)).cloned().collect();
    Drift { new, removed, renamed, case_only, alias_like, gone_in_use }
}

/// Whether an ID names a family: it ends in `latest`, or a revision of it with a date is listed beside it.
pub(crate) fn is_alias_like(id: &str, listed: &BTreeSet<String>) -> bool {
    let says_so = id == "latest" || ["-latest", ":latest", "/latest"].iter().any(|end| id.ends_with(end));
    let is_revision = |other: &String| other.len() > id.len() && revision_of(other) == Some(id);
    // Whatever begins with it stands behind it in a sorted set.
    let after = listed
        .range::<str, _>((Bound::Included(id), Bound::Unbounded))
        .take_while(|other| other.starts_with(id));
    says_so || after.into_iter().any(is_revision)
}

/// What an ID is a fixed revision of: `gpt-5.4` of `gpt-5.4-2026-03-17`, `claude-sonnet-4` of `claude-sonnet-4-20250514`,
/// `gemini-2.5-pro-preview` of `gemini-2.5-pro-preview-0506`.
fn revision_of(id: &str) -> Option<&str> {
    let (rest, last) = split_last(id)?;
    let is_number =
        |text: &str, length: usize| text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number(last, 8) || is_number(last, 4) {
        return Some(rest);
    }
    let (year_and_more, month) = split_last(rest)?;
    let (family, year) = split_last(year_and_more)?;
    (is_number(last, 2) && is_number(month, 2) && is_number(year, 4)).then_some(family)
}

fn split_last(id: &str) -> Option<(&str, &str)> {
    id.rsplit_once(['-', '@', '_'])
}

/// What stays of an ID without its date and its punctuation, as it looks to the eye: `claude-sonnet-4.5` and
/// `claude-sonnet-4-5-20250929` are one.
fn plain(id: &str) -> String {
    let family = revision_of(id).unwrap_or(id);
    skeleton(&family.to_lowercase()).chars().filter(|character| character.is_alphanumeric()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn set(ids: &[&str]) -> BTreeSet<String> {
        ids.iter().map(|id| (*id).to_owned()).collect()
    }

    fn pair(before: &str, now: &str) -> Vec<(String, String)> {
        vec![(before.to_owned(), now.to_owned())]
    }

    #[test]
    fn what_has_changed_is_told_apart() {
        let before = set(&["claude-sonnet-4.5", "GPT-5", "kept", "used", "unused"]);
        let now = set(&["claude-sonnet-4-5-20250929", "gpt-5", "kept", "gpt-5-2026-03-17", "x-latest"]);
        let found = drift(&before, &now, &BTreeSet::from(["used", "kept"]));
        assert_eq!(found.new, ["claude-sonnet-4-5-20250929", "gpt-5", "gpt-5-2026-03-17", "x-latest"]);
        assert_eq!(found.removed, ["GPT-5", "claude-sonnet-4.5", "unused", "used"]);
        assert_eq!(found.case_only, pair("GPT-5", "gpt-5"));
        let dated = ("GPT-5".to_owned(), "gpt-5-2026-03-17".to_owned());
        let dotted = ("claude-sonnet-4.5".to_owned(), "claude-sonnet-4-5-20250929".to_owned());
        assert_eq!(found.renamed, [dated, dotted]);
        assert_eq!(found.alias_like, ["gpt-5", "x-latest"]);
        assert_eq!(found.gone_in_use, ["used"]);
        assert_eq!(
            found.summary(),
            "4 new, 4 removed (1 in use), 2 renamed-looking, 1 case-only, 2 alias-like"
        );
    }

    #[test]
    fn a_revision_is_known_by_its_date() {
        for (id, family) in [
            ("gpt-5.4-mini-2026-03-17", Some("gpt-5.4-mini")),
            ("claude-sonnet-4-20250514", Some("claude-sonnet-4")),
            ("claude-3-5-sonnet@20240620", Some("claude-3-5-sonnet")),
            ("gpt-4-0613", Some("gpt-4")),
            ("gpt-5.4", None),
            ("gpt-4-32k", None),
            ("gemini-2.5-pro", None),
            ("a-17", None),
        ] {
            assert_eq!(revision_of(id), family, "{id}");
        }
    }

    fn ids() -> impl Strategy<Value = BTreeSet<String>> {
        prop::collection::btree_set("[abAB.-]{1,4}(-2026-01-0[12])?", 0..10)
    }

    #[test]
    fn a_list_whose_ids_all_look_alike_makes_few_pairs() {
        let alike =
            |from: usize| (from..from + 2_000).map(|length| "-".repeat(length)).collect::<BTreeSet<_>>();
        let found = drift(&alike(1), &alike(3_000), &BTreeSet::new());
        assert_eq!((found.removed.len(), found.renamed.len()), (2_000, 2_000 * MOST_ALIKE));
    }

    proptest! {
        #[test]
        fn nothing_drifts_from_itself(ids in ids()) {
            let in_use = ids.iter().map(String::as_str).collect();
            prop_assert_eq!(drift(&ids, &ids, &in_use), Drift::default());
        }

        #[test]
        fn what_is_new_one_way_is_removed_the_other(one in ids(), other in ids()) {
            let (there, back) = (drift(&one, &other, &BTreeSet::new()), drift(&other, &one, &BTreeSet::new()));
            prop_assert_eq!(&there.new, &back.removed);
            prop_assert_eq!(&there.removed, &back.new);
            prop_assert_eq!(there.case_only.len(), back.case_only.len());
            prop_assert_eq!(there.renamed.len(), back.renamed.len());
            let mut applied: BTreeSet<String> = one.difference(&there.removed.iter().cloned().collect()).cloned().collect();
            applied.extend(there.new);
            prop_assert_eq!(applied, other);
        }

        #[test]
        fn only_what_is_named_is_gone_in_use(one in ids(), other in ids(), used in ids()) {
            let found = drift(&one, &other, &used.iter().map(String::as_str).collect());
            for id in found.gone_in_use {
                prop_assert!(used.contains(&id) && one.contains(&id) && !other.contains(&id));
            }
        }
    }
}
