//! The picture of a run: CPU of each proxy as a multiple of nginx's, for three kinds of load. Pure, from what stands in the
//! JSON file.

use std::fmt::Write;

use anyhow::{Result, ensure};

use crate::compare::results::Results;
use crate::machine::not_quiet;

/// What is drawn: title and measure.
const GROUPS: [(&str, &str); 3] = [
    ("small request, 16 connections", "small-16.cpu"),
    ("request with a 64 KB answer", "large-16.cpu"),
    ("chunk of a stream, 500 streams", "paced.cpu"),
];

/// Who is drawn, with a colour that stands out for the gateway alone.
const BARS: [(&str, &str, &str); 5] = [
    ("floor", "bare relay", "#9aa5b1"),
    ("nginx", "nginx", "#7b8794"),
    ("haproxy", "haproxy", "#9aa5b1"),
    ("cometgate", "Cometgate", "#0b6e4f"),
    ("pingora", "Pingora", "#9aa5b1"),
];

const WIDTH: f64 = 760.0;
/// Where bars begin, and the longest ends.
const LEFT: f64 = 120.0;
const RIGHT: f64 = 660.0;
const BAR: f64 = 16.0;
const STEP: f64 = 21.0;
const TOP: f64 = 66.0;
const GAP: f64 = 38.0;

/// The drawing.
///
/// # Errors
/// If the run lacks nginx or every other proxy: there is nothing to compare.
pub(crate) fn svg(results: &Results) -> Result<String> {
    let longest = longest(results);
    ensure!(longest > 0.0, "a run without nginx, or with nothing else, cannot be drawn");
    let mut body = String::new();
    let mut y = TOP;
    for (title, key) in GROUPS {
        let bars: Vec<(&str, &str, f64)> = BARS
            .iter()
            .filter_map(|(proxy, name, colour)| {
                Some((*name, *colour, results.ratio(key, proxy, "nginx")?.median))
            })
            .collect();
        if bars.is_empty() {
            continue;
        }
        writeln!(body, "<text x=\"{LEFT}\" y=\"{:.1}\" font-weight=\"600\">{title}</text>", y + 12.0)?;
        y += STEP;
        for (name, colour, ratio) in bars {
            let end = LEFT + (RIGHT - LEFT) * ratio / longest;
            let middle = y + BAR - 4.0;
            writeln!(
                body,
                "<text x=\"{:.1}\" y=\"{middle:.1}\" text-anchor=\"end\">{name}</text>",
                LEFT - 8.0
            )?;
            writeln!(
                body,
                "<rect x=\"{LEFT}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{BAR}\" fill=\"{colour}\"/>",
                end - LEFT
            )?;
            writeln!(body, "<text x=\"{:.1}\" y=\"{middle:.1}\">{ratio:.2}</text>", end + 6.0)?;
            y += STEP;
        }
        y += GAP - STEP;
    }
    let unit = LEFT + (RIGHT - LEFT) / longest;
    let height = y + 8.0;
    let title = "CPU of a proxy, times nginx's (less is better)";
    let caveat = not_quiet(&results.disturbed).map_or("", |_| {
        "<text x=\"740\" y=\"30\" text-anchor=\"end\" fill=\"#b42318\">the machine was not quiet</text>\n"
    });
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height:.0}\" width=\"{WIDTH}\" height=\"{height:.0}\" \
         font-family=\"system-ui, 'Segoe UI', Helvetica, Arial, sans-serif\" font-size=\"13\" fill=\"#1f2933\">\n\
         <title>{title}</title>\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         <text x=\"20\" y=\"30\" font-size=\"17\" font-weight=\"600\">{title}</text>\n\
         <text x=\"20\" y=\"50\" fill=\"#616e7c\">medians of {} rounds on one core, {}; the gateway with metrics, traces, gates \
         and evidence on</text>\n{caveat}\
         <line x1=\"{unit:.1}\" y1=\"{TOP}\" x2=\"{unit:.1}\" y2=\"{:.1}\" stroke=\"#cbd2d9\"/>\n{body}</svg>\n",
        results.rounds,
        results.machine.date.split('T').next().unwrap_or_default(),
        y - GAP + STEP
    ))
}

fn longest(results: &Results) -> f64 {
    let bars = GROUPS.iter().flat_map(|(_, key)| BARS.iter().map(move |(proxy, _, _)| (key, proxy)));
    let others = bars.filter(|(_, proxy)| **proxy != "nginx");
    let ratios = others.filter_map(|(key, proxy)| results.ratio(key, proxy, "nginx"));
    // nginx itself is 1.
    ratios.map(|ratio| ratio.median.max(1.0)).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::results::tests::example;
    use crate::target::Kind;

    #[test]
    fn bars_are_as_long_as_their_ratios() {
        let drawn = svg(&example()).unwrap();
        let of = |name: &str| {
            let (_, after) = drawn.split_once(&format!(">{name}</text>")).unwrap();
            let (_, width) = after.split_once("width=\"").unwrap();
            width.split('"').next().unwrap().parse::<f64>().unwrap()
        };
        assert!((of("Cometgate") - (RIGHT - LEFT)).abs() < 0.1, "the longest takes the whole width");
        assert!((of("Cometgate") / of("nginx") - 1.5).abs() < 0.01);
        assert!(drawn.contains(">1.50</text>") && !drawn.contains("haproxy"));
        assert_eq!(drawn.matches('<').count(), drawn.matches('>').count());
    }

    #[test]
    fn a_picture_of_a_busy_machine_says_so() {
        let mut results = example();
        assert!(!svg(&results).unwrap().contains("not quiet"));
        results.disturbed = vec![20.0];
        assert!(svg(&results).unwrap().contains("the machine was not quiet"));
    }

    #[test]
    fn without_nginx_there_is_no_picture() {
        let mut results = example();
        for proxies in results.values.values_mut() {
            proxies.remove(Kind::Nginx.name());
        }
        assert!(svg(&results).is_err());
    }
}
