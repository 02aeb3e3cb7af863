//! The kinds of mistakes, each with an id that never changes.
//!
//! An id is what a runbook, a search and a filter hold on to while sentences are reworded. Its letter is the severity;
//! its hundreds say what kind of thing it is about: 01 the file as a whole, 02 a field, 03 names that lead nowhere,
//! 04 rules between entries, 05 providers and secrets, 09 faults of Cometgate itself. An id that is given up is never
//! given again: new ones go at the end of their hundred.

use std::fmt;

/// Whether the file is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// The file is refused.
    Error,
    /// The file is taken, and probably does not do what was meant.
    Warning,
}

impl Severity {
    /// In one word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        }
    }
}

/// One line for each kind, so that an id, its name and its title cannot drift apart.
macro_rules! codes {
    ($($name:ident = $id:literal, $title:literal;)+) => {
        /// A kind of mistake.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Code {
            $(#[doc = $title] $name,)+
        }

        impl Code {
            /// Every code, in the order of the ids.
            pub const ALL: &'static [Code] = &[$(Code::$name,)+];

            /// The id, as in `E0101` or `W0201`.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Code::$name => $id,)+
                }
            }

            /// The kind in one short sentence, for documentation.
            #[must_use]
            pub fn title(self) -> &'static str {
                match self {
                    $(Code::$name => $title,)+
                }
            }
        }
    };
}

codes! {
    Syntax = "E0101", "The file is not valid TOML.";
    HalfWritten = "E0102", "The last line is not the end line of this version, so the file may be cut short.";
    EndLineTwice = "E0103", "The end line stands elsewhere too, so a file that is cut there would look whole.";
    VersionReused = "E0104", "The content has changed and the version has not.";
    RollbackIsItself = "E0105", "A map names itself as the version to go back to.";
    LayoutNotEditable = "E0106", "The file's layout cannot be edited by a program.";
    OtherEnvironment = "E0107", "The map is for another environment than the gateway.";

    UnknownField = "E0201", "A table has a field that means nothing there.";
    MissingField = "E0202", "A field that must be there is missing.";
    WrongType = "E0203", "A value is of another type than its field's.";
    OutOfRange = "E0204", "A number is too small or too large.";
    NotAChoice = "E0205", "A value is none of the few words that its field takes.";
    BadName = "E0206", "A name has characters that labels and headers cannot carry, or too many.";
    BadVersion = "E0207", "A version is empty, too long, or has white space in it.";
    NotExactText = "E0208", "A text is empty, too long, or has invisible characters.";
    ReservedName = "E0209", "A name has a meaning of its own and cannot be given.";
    BadShare = "E0210", "A share is not a percentage from 0% to 100%.";
    BadDate = "E0211", "A date is not a day of the calendar.";
    BadAddress = "E0212", "An address is not an IP address with a port.";
    BadHeader = "E0213", "A header has a name or a value that HTTP does not allow.";
    BadPath = "E0214", "A path cannot be one.";
    BadOverride = "E0215", "An override cannot take effect.";
    ListedTwice = "E0216", "A list has the same entry twice.";
    StickyByOrder = "E0217", "Something stands after `request` in `sticky_by` and would never count.";
    StickyByEmpty = "E0218", "`sticky_by` is empty, so that nobody would ever be in.";
    BadOrigin = "E0219", "An origin is not a scheme with a host.";
    BadSteps = "E0220", "The steps of a canary do not rise, or are none or too many.";

    UnknownName = "E0301", "A name stands for nothing.";

    DuplicateRoute = "E0401", "Two routes have the same name.";
    SameMatch = "E0402", "Two routes match the same requests.";
    NoCanaryTable = "E0403", "A route is a canary and does not say of what.";
    NoFallbackProvider = "E0404", "A route falls back and does not say to what.";
    RoleIsPrimary = "E0405", "A route's canary or fallback is its primary.";
    NoModelId = "E0406", "A route can send a model to a provider that has no ID for it.";
    DefaultTenantPaysOurs = "E0407", "Unlisted keys can reach a provider that we pay for.";
    TenantsOrShare = "E0408", "A cohort has both `tenants` and `share`, or neither.";
    CohortIsTenant = "E0409", "A cohort has the name of a tenant.";
    BodyNeverFits = "E0410", "All bodies together may be smaller than one body.";
    TenantExists = "E0411", "There is a tenant of this name already.";
    ModelNotApproved = "E0412", "An alias names a model that its provider does not approve.";
    ModelBlocked = "E0413", "An alias names a model that its provider blocks.";
    AliasAndFamily = "E0414", "A route names both an alias and a family.";
    RollbackTargetMismatch = "E0415", "A route takes an alias back to another provider than the alias says.";
    StepsWithoutGate = "E0416", "A canary is to climb, and its gates are switched off.";
    MirrorForNothing = "E0417", "A route is to copy requests, and nothing can be copied or nobody would hear of it.";

    SecretInFile = "E0501", "A secret stands in the file, or something in its place.";
    BadCredential = "E0502", "A credential names no secret, or more than one.";
    ClientCredentialTwice = "E0503", "Two providers would get the caller's own key.";
    BadBaseUrl = "E0504", "A base URL is not one.";
    TooManyProviders = "E0505", "There are more providers than there may be.";
    BadKeyHash = "E0506", "The hash of a key or certificate is not one.";
    KeyTwice = "E0507", "A key or a certificate is listed twice.";
    ConnectionNeverSo = "E0508", "A field says how connections are made, and none is ever made so.";
    WindowTooSmall = "E0509", "Callers that do not read could stop others on the same connection.";
    KeyNameTwice = "E0510", "Two keys of a tenant have the same name.";

    Unexplained = "E0901", "The file cannot be used and Cometgate cannot say why: a bug.";

    NoEnvironment = "W0101", "The map does not say for which environment it is.";

    NoOwner = "W0201", "An entry does not say whom to ask about it.";
    NoExpiry = "W0202", "An entry does not say how long it is meant to last.";
    ExpiresSoon = "W0203", "An entry is about to expire.";
    Expired = "W0204", "An entry has expired.";
    StickyByNeverCounts = "W0205", "Something in `sticky_by` never counts.";
    NobodyInShare = "W0206", "A share has nobody in it.";
    EmptyCohort = "W0207", "A cohort has no tenants.";

    UnusedProvider = "W0301", "Nothing refers to a provider.";
    UnusedCohort = "W0302", "Nothing refers to a cohort.";
    CaseTwin = "W0303", "Two names differ in upper and lower case only.";
    LookAlike = "W0304", "Two names look the same.";
    AllowedUnknown = "W0305", "A tenant is allowed something that the map does not have.";

    UnreachableRoute = "W0401", "No request reaches a route.";
    CorrelatedSalt = "W0402", "Two shares have one salt, so that they have the same members.";
    TenantRefused = "W0403", "A tenant is refused everything that a route is for.";
    WouldBeHeld = "W0405", "A change would be held back.";
    NoSecondTarget = "W0406", "A field is about a next target, and the route has none.";
    TimeoutNeverCounts = "W0407", "A timeout never counts, since another one ends the same wait before it.";
    NoTimeToFallBack = "W0408", "A route falls back after a silence that leaves no time for it.";
    DwellNeverCounts = "W0409", "A dwell never counts, since the canary stays longer at each share anyhow.";
    NoSteps = "W0410", "A field is about steps, and the canary has none.";
    NothingToGate = "W0411", "Gates have nothing to watch.";
    StepNeverTaken = "W0412", "A canary never takes its next step.";
    GenerationNeverCounts = "W0413", "The generation of a fallback never counts.";
    NothingMirrored = "W0414", "A route is to copy requests, and none of its tenants has agreed.";

    KeyExpiresSoon = "W0501", "A key is about to expire.";
    KeyExpired = "W0502", "A key has expired.";
}

impl Code {
    /// Whether a file with such a mistake is refused; the letter of the id.
    #[must_use]
    pub fn severity(self) -> Severity {
        if self.as_str().starts_with('W') { Severity::Warning } else { Severity::Error }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_sorted() {
        let ids: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
    }

    #[test]
    fn an_id_is_a_letter_and_four_digits_and_a_title_is_a_sentence() {
        for code in Code::ALL {
            let (letter, digits) = code.as_str().split_at(1);
            assert!(["E", "W"].contains(&letter), "{code}");
            assert!(digits.len() == 4 && digits.bytes().all(|digit| digit.is_ascii_digit()), "{code}");
            assert!(code.title().ends_with('.'), "{code}");
        }
    }

    /// W0404 said that retries were not made yet.
    #[test]
    fn an_id_that_was_given_up_is_never_given_again() {
        assert!(Code::ALL.iter().all(|code| code.as_str() != "W0404"));
    }

    /// Runbooks hold on to these.
    #[test]
    fn ids_do_not_change() {
        let pinned = [
            (Code::HalfWritten, "E0102"),
            (Code::SecretInFile, "E0501"),
            (Code::UnknownName, "E0301"),
            (Code::NoModelId, "E0406"),
        ];
        for (code, id) in pinned {
            assert_eq!(code.as_str(), id);
        }
    }
}
