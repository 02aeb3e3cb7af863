//! What came of a replay, as a person reads it.

use crate::commands::replay::compared::Compared;
use crate::terminal::count;

pub(super) fn lines(compared: &Compared) -> Vec<String> {
    let events = usize::try_from(compared.events).unwrap_or(usize::MAX);
    let mut lines = vec![
        format!("{}: {}", compared.gate, compared.word().as_str()),
        format!(
            "  {} in {}; {} as recorded",
            count(events, "event"),
            count(compared.files, "file"),
            count(compared.equal, "decision")
        ),
    ];
    let mut say = |number: usize, what: &str| {
        if number > 0 {
            lines.push(format!("  {} {what}", count(number, "decision")));
        }
    };
    say(compared.too_old, "older than what is kept of the log");
    say(compared.not_in_log, "whose event is not in the log, and cannot be replayed");
    say(compared.unrecorded, "at the end of a run that was not ended, and not recorded: a kill was quicker");
    lines.extend(compared.missing.iter().map(|what| format!("  missing: {what}")));
    if compared.torn > 0 {
        lines.push(format!("  {} bytes of half an event, as a kill leaves them", compared.torn));
    }
    if let Some(first) = compared.differences.first() {
        lines.push(format!("  first difference: {first}"));
        if compared.differences.len() > 1 {
            lines.push(format!("  and {} more", compared.differences.len() - 1));
        }
    }
    lines
}
