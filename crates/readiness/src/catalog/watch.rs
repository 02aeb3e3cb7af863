//! From check to check: what has to be so in two consecutive checks before anybody is called or a canary is held.
//!
//! A check that says nothing of a matter, since nobody answered or the list was empty, neither confirms it nor ends it.

use std::collections::{BTreeMap, BTreeSet};

use super::outcome::Class;
use super::signal::{Severity, Signal};

/// Checks in a row after which something is confirmed.
const CONFIRMED_AT: u32 = 2;

/// What one check says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told<'a> {
    /// What came; `None` is a check that was not made.
    pub class: Option<Class>,
    /// Configured IDs that a list had.
    pub listed: BTreeSet<&'a str>,
    /// Configured IDs that a list lacked.
    pub missing: BTreeSet<&'a str>,
    /// Configured IDs that the map does not allow; known without an answer.
    pub not_allowed: BTreeSet<&'a str>,
    /// Which approved IDs are not listed is another than in the check before.
    pub approved_changed: bool,
    /// It took longer than the objective.
    pub is_slow: bool,
}

/// What is so at one provider, over its checks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watch {
    auth: u32,
    empty: u32,
    schema: u32,
    missing: BTreeMap<String, u32>,
    not_allowed: BTreeSet<String>,
    approved_changed: bool,
    is_slow: bool,
}

impl Watch {
    /// Takes in the next check. IDs that the map names no more are forgotten with `configured`.
    pub fn tell(&mut self, told: &Told<'_>, configured: &BTreeSet<&str>) {
        use Class::{Auth, Empty, Ok, Unparsable};
        if let Some(class) = told.class {
            // Whoever is shown a list is let in; a status or a silence of another kind says nothing of the key.
            step(&mut self.auth, class == Auth, matches!(class, Ok | Empty | Unparsable));
            step(&mut self.empty, class == Empty, class == Ok);
            step(&mut self.schema, class == Unparsable, matches!(class, Ok | Empty));
            self.is_slow = told.is_slow;
            self.approved_changed = told.approved_changed;
        }
        self.missing.retain(|id, _| configured.contains(id.as_str()) && !told.listed.contains(id.as_str()));
        for id in &told.missing {
            let count = self.missing.entry((*id).to_owned()).or_default();
            *count = count.saturating_add(1);
        }
        self.not_allowed = told.not_allowed.iter().map(|id| (*id).to_owned()).collect();
    }

    /// What is wrong now, each signal once, with the severity that it has.
    #[must_use]
    pub fn alerts(&self) -> Vec<(Signal, Severity)> {
        let missing = self.missing.values().copied().max().unwrap_or(0);
        let counted = [
            (Signal::AuthFailure, self.auth),
            (Signal::ConfiguredMissing, missing),
            (Signal::ZeroIds, self.empty),
            (Signal::SchemaFailure, self.schema),
            (Signal::NotAllowed, u32::from(!self.not_allowed.is_empty())),
            (Signal::ApprovedChanged, u32::from(self.approved_changed)),
            (Signal::Slow, u32::from(self.is_slow)),
        ];
        let standing = counted.into_iter().filter(|(_, count)| *count > 0);
        standing.map(|(signal, count)| (signal, signal.severity(count >= CONFIRMED_AT))).collect()
    }

    /// Configured IDs that are missing, whether it is confirmed or not.
    #[must_use]
    pub fn missing(&self) -> usize {
        self.missing.len()
    }

    /// Whether an ID keeps its canary from growing: two consecutive lists lacked it, or the map does not allow it.
    #[must_use]
    pub fn holds(&self, id: &str) -> bool {
        self.missing.get(id).is_some_and(|count| *count >= CONFIRMED_AT) || self.not_allowed.contains(id)
    }
}

fn step(count: &mut u32, is_so: bool, is_not_so: bool) {
    if is_so {
        *count = count.saturating_add(1);
    } else if is_not_so {
        *count = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn list<'a>(listed: &[&'a str], missing: &[&'a str]) -> Told<'a> {
        Told {
            class: Some(Class::Ok),
            listed: listed.iter().copied().collect(),
            missing: missing.iter().copied().collect(),
            ..Told::default()
        }
    }

    fn of(class: Class) -> Told<'static> {
        Told { class: Some(class), ..Told::default() }
    }

    #[test]
    fn one_check_calls_nobody_and_two_in_a_row_do() {
        let configured = BTreeSet::from(["a"]);
        for (first, signal) in [
            (of(Class::Auth), Signal::AuthFailure),
            (of(Class::Empty), Signal::ZeroIds),
            (of(Class::Unparsable), Signal::SchemaFailure),
            (list(&[], &["a"]), Signal::ConfiguredMissing),
        ] {
            let mut watch = Watch::default();
            watch.tell(&first, &configured);
            assert_eq!(watch.alerts(), [(signal, Severity::Medium)]);
            assert!(!watch.holds("a"));
            // A silence between them is no data.
            watch.tell(&of(Class::Timeout), &configured);
            assert_eq!(watch.alerts(), [(signal, Severity::Medium)]);
            watch.tell(&first, &configured);
            assert_eq!(watch.alerts(), [(signal, Severity::High)]);
            assert_eq!(watch.holds("a"), signal == Signal::ConfiguredMissing);
            watch.tell(&list(&["a"], &[]), &configured);
            assert_eq!(watch, Watch::default());
        }
    }

    #[test]
    fn what_the_map_does_not_allow_holds_at_once_and_needs_no_answer() {
        let mut watch = Watch::default();
        let told = Told { not_allowed: BTreeSet::from(["a"]), ..of(Class::Network) };
        watch.tell(&told, &BTreeSet::from(["a"]));
        assert!(watch.holds("a") && !watch.holds("b"));
        assert_eq!(watch.alerts(), [(Signal::NotAllowed, Severity::High)]);
    }

    fn checks() -> impl Strategy<Value = Vec<(usize, u8, u8)>> {
        prop::collection::vec((0..Class::ALL.len(), 0..8u8, 0..8u8), 0..40)
    }

    const IDS: [&str; 3] = ["a", "b", "c"];

    fn ids(bits: u8) -> BTreeSet<&'static str> {
        IDS.into_iter().enumerate().filter(|(at, _)| bits >> at & 1 == 1).map(|(_, id)| id).collect()
    }

    fn told(&(class, listed, other): &(usize, u8, u8)) -> Told<'static> {
        let class = Class::ALL[class];
        // Only a list says what it has and lacks.
        let said = |bits| if class == Class::Ok { ids(bits) } else { BTreeSet::new() };
        Told { class: Some(class), listed: said(listed), missing: said(other & !listed), ..Told::default() }
    }

    proptest! {
        /// Against the plain rule: of the lists that say something of an ID, the last two lack it.
        #[test]
        fn an_id_holds_exactly_after_two_lists_in_a_row_that_lack_it(checks in checks()) {
            let (mut watch, configured) = (Watch::default(), ids(7));
            let mut said: BTreeMap<&str, Vec<bool>> = BTreeMap::new();
            for check in &checks {
                let told = told(check);
                watch.tell(&told, &configured);
                for id in IDS {
                    let lacks = told.missing.contains(id);
                    if lacks || told.listed.contains(id) {
                        said.entry(id).or_default().push(lacks);
                    }
                    let expected = said.get(id).is_some_and(|said| said.ends_with(&[true, true]));
                    prop_assert_eq!(watch.holds(id), expected);
                }
            }
        }

        #[test]
        fn silence_changes_nothing(checks in checks()) {
            let (mut watch, configured) = (Watch::default(), ids(7));
            for check in &checks {
                watch.tell(&told(check), &configured);
                let before = watch.clone();
                for class in [Class::Network, Class::Tls, Class::Timeout, Class::Service, Class::RateLimited, Class::NoKey] {
                    watch.tell(&of(class), &configured);
                    prop_assert_eq!(&watch, &before);
                }
            }
        }

        #[test]
        fn a_good_list_ends_every_alert(checks in checks()) {
            let (mut watch, configured) = (Watch::default(), ids(7));
            checks.iter().for_each(|check| watch.tell(&told(check), &configured));
            watch.tell(&list(&IDS, &[]), &configured);
            prop_assert!(watch.alerts().is_empty());
        }

        #[test]
        fn what_is_not_configured_any_more_is_forgotten(checks in checks()) {
            let (mut watch, configured) = (Watch::default(), ids(7));
            checks.iter().for_each(|check| watch.tell(&told(check), &configured));
            watch.tell(&of(Class::Network), &BTreeSet::new());
            prop_assert_eq!(watch.missing(), 0);
        }
    }
}
