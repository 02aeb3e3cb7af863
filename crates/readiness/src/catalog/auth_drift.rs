//! The four drifts of keys and permissions (runbook 2, "Auth and permission drift"), found before traffic fails.
//!
//! A key is never compared: its *source* is, and a mark of it that means nothing outside of the state directory.

use super::outcome::Class;

/// What has drifted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AuthDrift {
    /// A key that was accepted is refused, and it is the same.
    SuddenlyRefused,
    /// The other environment's key is accepted, and this one's is refused.
    OnlyHereRefused,
    /// The key is accepted, and IDs that are expected are not listed.
    AcceptedButIdsMissing,
    /// What the source holds has changed, or differs from what the running gateway holds, while the source is named as
    /// before; or the other way round.
    RotatedHalfway,
}

impl AuthDrift {
    /// The name used in records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            AuthDrift::SuddenlyRefused => "token_suddenly_refused",
            AuthDrift::OnlyHereRefused => "other_environment_accepted_this_refused",
            AuthDrift::AcceptedButIdsMissing => "token_accepted_expected_ids_missing",
            AuthDrift::RotatedHalfway => "rotated_in_one_place_only",
        }
    }

    /// As a sentence, with what to do.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self {
            AuthDrift::SuddenlyRefused => {
                "the same key was accepted before: ask the provider whether it was revoked"
            }
            AuthDrift::OnlyHereRefused => {
                "the other environment's key works: compare account scope and secret source"
            }
            AuthDrift::AcceptedButIdsMissing => {
                "the key works and lists less than the map names: check its group or project"
            }
            AuthDrift::RotatedHalfway => {
                "the key and the place it is read from do not change together: check that the secret store, the \
                 environment and the running gateway hold the same one"
            }
        }
    }
}

/// What is known of a key.
#[derive(Clone, Copy, Debug, Default)]
pub struct AuthFacts<'a> {
    /// Where it is read from.
    pub source: &'a str,
    /// Its mark; `None` where there is none.
    pub mark: Option<&'a str>,
    /// What came of asking with it.
    pub class: Option<Class>,
}

/// Compares with the last record that got an answer about its key, with the last one of the running gateway, and with the
/// other environment.
#[must_use]
pub fn auth_drifts(
    now: AuthFacts<'_>,
    last: Option<AuthFacts<'_>>,
    gateway: Option<AuthFacts<'_>>,
    elsewhere: Option<Class>,
    has_missing: bool,
) -> Vec<AuthDrift> {
    let is_refused = now.class == Some(Class::Auth);
    let is_listed = |class: Option<Class>| matches!(class, Some(Class::Ok | Class::Empty));
    let has_same_key = |other: AuthFacts<'_>| now.mark.is_some() && now.mark == other.mark;
    let differs = |other: AuthFacts<'_>| {
        now.mark.is_some() && other.mark.is_some() && now.mark != other.mark && now.source == other.source
    };
    let moved = |other: AuthFacts<'_>| has_same_key(other) && now.source != other.source;
    let mut found = Vec::new();
    if is_refused && last.is_some_and(|last| is_listed(last.class) && has_same_key(last)) {
        found.push(AuthDrift::SuddenlyRefused);
    }
    if is_refused && is_listed(elsewhere) {
        found.push(AuthDrift::OnlyHereRefused);
    }
    if now.class == Some(Class::Ok) && has_missing {
        found.push(AuthDrift::AcceptedButIdsMissing);
    }
    // A new key that works everywhere is a rotation, and no drift.
    let is_broken_by_it = is_refused && last.is_some_and(differs);
    if is_broken_by_it || last.is_some_and(moved) || gateway.is_some_and(differs) {
        found.push(AuthDrift::RotatedHalfway);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(source: &'static str, mark: &'static str, class: Class) -> AuthFacts<'static> {
        AuthFacts { source, mark: Some(mark), class: Some(class) }
    }

    #[test]
    fn each_drift_is_found_and_a_rotation_that_works_is_none() {
        let good = key("env A", "1", Class::Ok);
        let refused = key("env A", "1", Class::Auth);
        let rotated = key("env A", "2", Class::Ok);
        let found =
            |now, last, gateway, elsewhere, missing| auth_drifts(now, last, gateway, elsewhere, missing);
        assert_eq!(found(good, Some(good), Some(good), None, false), []);
        assert_eq!(found(rotated, Some(good), None, None, false), []);
        assert_eq!(found(refused, Some(good), None, None, false), [AuthDrift::SuddenlyRefused]);
        assert_eq!(found(refused, None, None, Some(Class::Ok), false), [AuthDrift::OnlyHereRefused]);
        assert_eq!(found(refused, None, None, Some(Class::Timeout), false), []);
        assert_eq!(found(good, None, None, None, true), [AuthDrift::AcceptedButIdsMissing]);
        assert_eq!(found(rotated, Some(good), Some(good), None, false), [AuthDrift::RotatedHalfway]);
        let bad_rotation = key("env A", "2", Class::Auth);
        assert_eq!(found(bad_rotation, Some(good), None, None, false), [AuthDrift::RotatedHalfway]);
        let moved = key("file /run/a", "1", Class::Ok);
        assert_eq!(found(moved, Some(good), None, None, false), [AuthDrift::RotatedHalfway]);
        let unmarked = AuthFacts { mark: None, ..refused };
        assert_eq!(found(unmarked, Some(good), Some(good), None, false), []);
    }
}
