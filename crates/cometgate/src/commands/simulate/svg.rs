//! The result as a picture: for each gate what it costs, how long it takes and how often it is wrong, side by side.
//!
//! Requests and times are bars on a logarithmic scale, since gates differ by factors of a thousand; every bar has its figure
//! beside it. Nothing is referred to from outside, so the file shows the same wherever it is pasted.

use std::fmt::Write as _;

use config::{format_count, format_share};
use decisions::gate::Rate;
use decisions::gate::simulation::Row;

use super::Simulated;
use super::text::{duration, percent};

const WIDTH: f64 = 1_000.0;
const NAMES_END: f64 = 210.0;
const TOP: f64 = 118.0;
const LINE: f64 = 38.0;
const BAR: f64 = 20.0;
const PANEL: f64 = 150.0;
/// Between panels, with room for a bar's figure.
const GAP: f64 = 110.0;

const OURS: &str = "#0b6e4f";
const OTHERS: &str = "#9aa5b1";
const INK: &str = "#1f2933";
const FAINT: &str = "#616e7c";
const LINES: &str = "#e4e7eb";

/// One column of bars.
struct Panel<'a> {
    title: &'a str,
    /// Marks of the scale, the first at its beginning and the last at its end.
    marks: Vec<(f64, String)>,
    is_logarithmic: bool,
    /// A figure for each gate with its text; without a figure there is the text alone.
    bars: Vec<(Option<f64>, String)>,
}

/// The whole file.
pub(super) fn draw(simulated: &Simulated) -> String {
    let panels = [failed(&simulated.harm), after(&simulated.harm), wrong(&simulated.wrong)];
    let names: Vec<&str> = simulated.harm.iter().map(|row| row.gate).collect();
    let bottom = TOP + LINE * real(names.len());
    let height = bottom + 62.0;
    let mut svg = String::new();
    put(
        &mut svg,
        &format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         font-family=\"system-ui, 'Segoe UI', Helvetica, Arial, sans-serif\" font-size=\"13\" fill=\"{INK}\">"
        ),
    );
    put(&mut svg, &format!("<title>{}</title>", escape(&title(simulated))));
    put(&mut svg, "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>");
    label(&mut svg, (20.0, 32.0), "start", "font-size=\"18\" font-weight=\"600\"", &title(simulated));
    label(&mut svg, (20.0, 54.0), "start", &format!("fill=\"{FAINT}\""), &played(simulated));
    for (at, name) in names.iter().enumerate() {
        let weight = if at == 0 { format!("font-weight=\"600\" fill=\"{OURS}\"") } else { String::new() };
        label(&mut svg, (NAMES_END - 14.0, middle(at) + 4.5), "end", &weight, name);
    }
    for (at, panel) in panels.iter().enumerate() {
        draw_panel(&mut svg, panel, NAMES_END + (PANEL + GAP) * real(at), bottom);
    }
    label(
        &mut svg,
        (20.0, height - 16.0),
        "start",
        &format!("font-size=\"12\" fill=\"{FAINT}\""),
        &foot(simulated),
    );
    put(&mut svg, "</svg>");
    svg
}

fn title(simulated: &Simulated) -> String {
    format!("If the canary of {} fails: what each gate lets through", simulated.subject.route)
}

fn played(simulated: &Simulated) -> String {
    let subject = &simulated.subject;
    format!(
        "{} of {} requests a second to {}; well for an hour, then {} of them fail",
        format_share(subject.share),
        simulated.per_second,
        subject.provider,
        format_share(simulated.failing)
    )
}

fn foot(simulated: &Simulated) -> String {
    let runs = |rows: &[Row]| rows.first().map_or(0, |row| row.runs);
    format!(
        "Medians of {} simulated runs; on the right {} runs of a canary that fails exactly at its limit of {}. Seed {}.",
        runs(&simulated.harm),
        runs(&simulated.wrong),
        percent(simulated.subject.rules.limit(Rate::HardFailure)),
        simulated.seed
    )
}

fn failed(rows: &[Row]) -> Panel<'static> {
    let most = rows.iter().map(|row| row.failed_requests).max().unwrap_or(0);
    let mut marks = vec![(1.0, "1".to_owned())];
    let mut mark = 10;
    loop {
        marks.push((real(mark), format_count(mark)));
        if mark as u64 >= most {
            break;
        }
        mark *= 10;
    }
    let bar = |row: &Row| tripped(row, |row| (row.failed_requests as f64, format_count(row.failed_requests)));
    Panel {
        title: "failed requests until it is out",
        marks,
        is_logarithmic: true,
        bars: rows.iter().map(bar).collect(),
    }
}

/// Seconds that are round for people, each a few times the one before.
const TIMES: [(u64, &str); 9] = [
    (1, "1 s"),
    (10, "10 s"),
    (60, "1 min"),
    (300, "5 min"),
    (1_800, "30 min"),
    (7_200, "2 h"),
    (28_800, "8 h"),
    (86_400, "1 day"),
    (864_000, "10 days"),
];

fn after(rows: &[Row]) -> Panel<'static> {
    let most = rows.iter().map(|row| row.after_ms).max().unwrap_or(0).div_ceil(1_000);
    let last = TIMES.iter().position(|(seconds, _)| *seconds >= most).unwrap_or(TIMES.len() - 1).max(1);
    // Every other one, counted from the end, has room.
    let is_shown = |at: usize| at == 0 || (last - at).is_multiple_of(2) && at > 1;
    let marks = TIMES[..=last]
        .iter()
        .enumerate()
        .filter(|(at, _)| last <= 2 || is_shown(*at))
        .map(|(_, (seconds, name))| (*seconds as f64, (*name).to_owned()))
        .collect();
    let bar = |row: &Row| tripped(row, |row| (row.after_ms as f64 / 1e3, duration(row.after_ms)));
    Panel { title: "time until it is out", marks, is_logarithmic: true, bars: rows.iter().map(bar).collect() }
}

fn wrong(rows: &[Row]) -> Panel<'static> {
    let bar = |row: &Row| {
        let part = row.share_tripped();
        (Some(part), percent(part))
    };
    let marks = [0.0, 0.5, 1.0].map(|part| (part, percent(part))).to_vec();
    Panel {
        title: "wrongly out within 24 h",
        marks,
        is_logarithmic: false,
        bars: rows.iter().map(bar).collect(),
    }
}

/// The figure of a gate that took the canary out in most of the runs; a median of the others would say the contrary.
fn tripped(row: &Row, figure: impl Fn(&Row) -> (f64, String)) -> (Option<f64>, String) {
    if row.tripped * 2 > row.runs {
        let (value, text) = figure(row);
        (Some(value), text)
    } else if row.tripped_before * 2 > row.runs {
        (None, "out while well".to_owned())
    } else {
        (None, "mostly stays in".to_owned())
    }
}

fn draw_panel(svg: &mut String, panel: &Panel<'_>, left: f64, bottom: f64) {
    let (Some(first), Some(last)) = (panel.marks.first(), panel.marks.last()) else { return };
    let along = |value: f64| if panel.is_logarithmic { value.max(first.0).ln() } else { value };
    let place = |value: f64| (along(value) - along(first.0)) / (along(last.0) - along(first.0)) * PANEL;
    label(svg, (left, TOP - 18.0), "start", "font-weight=\"600\"", panel.title);
    for (value, name) in &panel.marks {
        let x = left + place(*value);
        put(
            svg,
            &format!("<line x1=\"{x:.1}\" y1=\"{TOP}\" x2=\"{x:.1}\" y2=\"{bottom}\" stroke=\"{LINES}\"/>"),
        );
        label(svg, (x, bottom + 16.0), "middle", &format!("font-size=\"11\" fill=\"{FAINT}\""), name);
    }
    for (at, (value, text)) in panel.bars.iter().enumerate() {
        let (y, colour) = (middle(at), if at == 0 { OURS } else { OTHERS });
        // A sliver says "next to nothing" where a bar of no length would say "not measured".
        let length = value.map(|value| place(value).clamp(2.0, PANEL));
        if let Some(length) = length {
            let top = y - BAR / 2.0;
            put(
                svg,
                &format!(
                    "<rect x=\"{left}\" y=\"{top:.1}\" width=\"{length:.1}\" height=\"{BAR}\" rx=\"2\" fill=\"{colour}\"/>"
                ),
            );
        }
        let look = match (at, value) {
            (_, None) => format!("fill=\"{FAINT}\" font-style=\"italic\""),
            (0, _) => format!("font-weight=\"600\" fill=\"{OURS}\""),
            _ => String::new(),
        };
        // Lines of the scale stop short of a figure.
        let look = format!("{look} stroke=\"#ffffff\" stroke-width=\"5\" paint-order=\"stroke\"");
        label(svg, (left + length.unwrap_or(0.0) + 7.0, y + 4.5), "start", &look, text);
    }
}

/// The middle of a gate's line.
fn middle(at: usize) -> f64 {
    TOP + LINE * (real(at) + 0.5)
}

fn label(svg: &mut String, (x, y): (f64, f64), anchor: &str, look: &str, text: &str) {
    put(
        svg,
        &format!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" {look}>{}</text>", escape(text)),
    );
}

fn put(svg: &mut String, element: &str) {
    // Writing to a string does not fail.
    writeln!(svg, "{element}").unwrap_or_default();
}

/// As the text of an element; what XML 1.0 has no character for becomes a mark that says so.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            _ if character.is_control() => escaped.push('\u{FFFD}'),
            _ => escaped.push(character),
        }
    }
    escaped
}

/// A small number to calculate with.
fn real(number: usize) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_xml_cannot_hold_is_escaped() {
        assert_eq!(escape("a<b> & \u{1b}c"), "a&lt;b&gt; &amp; \u{FFFD}c");
    }
}
