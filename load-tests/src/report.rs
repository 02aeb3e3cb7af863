//! The table that people read: medians with their range, against direct and floor.

use std::fmt::Write;

use anyhow::Result;

use crate::figures::{Figures, Measure, Summary};
use crate::target::Kind;

/// The whole table as text.
pub(crate) fn table(figures: &Figures, kinds: &[Kind]) -> Result<String> {
    let mut text = String::new();
    write!(text, "{:<32} {:>6}", "median [min-max]", "")?;
    for kind in kinds {
        write!(text, " {:>27}", kind.name())?;
    }
    for kind in compared(kinds) {
        write!(text, " {:>18}", format!("{} / floor", kind.name()))?;
    }
    text.push('\n');
    for measure in Measure::ALL {
        let (_, title, unit) = measure.texts();
        let cells = kinds.iter().map(|kind| figures.summary(measure, *kind));
        line(&mut text, title, unit, cells)?;
        for kind in compared(kinds) {
            let ratio = figures
                .ratio_to_floor(measure, kind)
                .map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"));
            write!(text, " {ratio:>18}")?;
        }
        text.push('\n');
        if measure.is_latency() && kinds.contains(&Kind::Direct) {
            let cells = kinds
                .iter()
                .map(|kind| (*kind != Kind::Direct).then(|| figures.added(measure, *kind)).flatten());
            line(&mut text, "  added over direct", unit, cells)?;
            text.push('\n');
        }
    }
    Ok(text)
}

/// Ratios are for what is measured against the floor.
fn compared(kinds: &[Kind]) -> impl Iterator<Item = Kind> {
    let wanted = kinds.contains(&Kind::Floor) && kinds.contains(&Kind::Cometgate);
    wanted.then_some(Kind::Cometgate).into_iter()
}

fn line(
    text: &mut String,
    title: &str,
    unit: &str,
    cells: impl Iterator<Item = Option<Summary>>,
) -> Result<()> {
    write!(text, "{title:<32} {unit:>6}")?;
    for cell in cells {
        let cell = cell.map_or_else(
            || "-".to_owned(),
            |cell| format!("{} [{}-{}]", number(cell.median), number(cell.least), number(cell.greatest)),
        );
        write!(text, " {cell:>27}")?;
    }
    Ok(())
}

/// Three digits are what three rounds of a second or two can carry.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
