//! An empty list: the five steps of runbook 2, "Empty or near-empty catalog", in its order, each with what was found.

use super::outcome::{Class, Outcome};

/// What is known when a list is empty, or much shorter than it was.
#[derive(Clone, Copy, Debug, Default)]
pub struct TriageFacts<'a> {
    /// How many IDs the last list had that is remembered.
    pub before: Option<usize>,
    /// What shows that the key is the one it was: its mark in the last record that had a list, against now.
    pub same_key: Option<bool>,
    /// How many IDs the provider of this name lists in another environment; `None` where none was asked.
    pub elsewhere: Option<Result<usize, Class>>,
    /// The provider's own ID of the request.
    pub request_id: Option<&'a str>,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TriageStep {
    /// What is to be done, in the runbook's words.
    pub step: &'static str,
    /// What was found.
    pub found: String,
    /// Whether that explains nothing; `None` where nobody could look.
    pub is_sound: Option<bool>,
}

/// Whether a list of so many IDs, where there were so many before, is no list to measure by: most likely permissions.
#[must_use]
pub fn is_near_empty(count: usize, before: usize) -> bool {
    count * 2 < before
}

/// The five steps; `None` where the list is neither empty nor near-empty.
#[must_use]
pub fn triage(outcome: &Outcome, count: usize, facts: TriageFacts<'_>) -> Option<[TriageStep; 5]> {
    let is_near_empty = facts.before.is_some_and(|before| is_near_empty(count, before));
    if !matches!(outcome.class, Class::Ok | Class::Empty) || (count > 0 && !is_near_empty) {
        return None;
    }
    let step = |step, is_sound, found: String| TriageStep { step, found, is_sound };
    let status = outcome.status.unwrap_or_default();
    let before = facts.before.map_or_else(|| "none is remembered".to_owned(), |before| before.to_string());
    let (is_same_key, key) = match facts.same_key {
        Some(true) => (Some(true), "it is the one that an earlier list came with"),
        Some(false) => (Some(false), "it is another than the one that an earlier list came with"),
        None => (None, "no earlier list is recorded: compare the account with the provider's dashboard"),
    };
    let (is_seen_elsewhere, elsewhere) = match facts.elsewhere {
        Some(Ok(0)) => (Some(true), "the other environment's list is empty too".to_owned()),
        Some(Ok(there)) => (Some(false), format!("the other environment sees {there}")),
        Some(Err(class)) => (None, format!("the other environment could not tell ({})", class.as_str())),
        None => (None, "not asked: --compare OTHER_CONFIG names one".to_owned()),
    };
    let request = facts.request_id.map_or_else(
        || "no request ID was sent; give the time of this record".to_owned(),
        |id| format!("give the request ID {id} and the time of this record"),
    );
    Some([
        step("confirm the raw HTTP response was successful", Some(true), format!("status {status}")),
        step(
            "confirm the parser still matches the documented response shape",
            Some(true),
            format!("`data` is a list, with {count} IDs; before: {before}"),
        ),
        step("confirm the token belongs to the intended account or project", is_same_key, key.to_owned()),
        step(
            "confirm whether another environment sees the expected identifiers",
            is_seen_elsewhere,
            elsewhere,
        ),
        step("escalate with the raw request ID or timestamp", None, request),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(class: Class) -> Outcome {
        Outcome { class, detail: "", status: Some(200) }
    }

    #[test]
    fn only_an_empty_or_near_empty_list_is_triaged() {
        let before = |before| TriageFacts { before, ..TriageFacts::default() };
        assert!(triage(&outcome(Class::Empty), 0, before(None)).is_some());
        assert!(triage(&outcome(Class::Ok), 49, before(Some(100))).is_some());
        assert!(triage(&outcome(Class::Ok), 50, before(Some(100))).is_none());
        assert!(triage(&outcome(Class::Ok), 1, before(None)).is_none());
        assert!(triage(&outcome(Class::Auth), 0, before(Some(100))).is_none());
    }

    #[test]
    fn each_step_says_what_was_found() {
        let facts = TriageFacts {
            before: Some(300),
            same_key: Some(false),
            elsewhere: Some(Ok(290)),
            request_id: Some("req-7"),
        };
        let steps = triage(&outcome(Class::Empty), 0, facts).unwrap();
        let sound: Vec<_> = steps.iter().map(|step| step.is_sound).collect();
        assert_eq!(sound, [Some(true), Some(true), Some(false), Some(false), None]);
        assert_eq!(steps[1].found, "`data` is a list, with 0 IDs; before: 300");
        assert_eq!(steps[3].found, "the other environment sees 290");
        assert!(steps[4].found.contains("req-7"));
    }
}
