//! What one core of the gateway carries, from what a request costs. Pure; for `docs/sizing.md`.

use std::fmt::Write;

use anyhow::Result;

use crate::compare::results::Results;
use crate::compare::tables::number;

const US: &str = "cometgate";

/// Above this part of a core answers begin to wait for each other, and there is nothing left for a burst.
const USED: f64 = 0.6;

/// Chunks a second of one stream, as models that answer quickly send them: one every 20 ms.
const CHUNKS: f64 = 50.0;

/// A table, or nothing where the run lacks what it is made of.
pub(crate) fn table(results: &Results) -> Result<String> {
    let mut text = String::new();
    for (what, key, each) in [
        ("small requests a second", "small-16.cpu", 1.0),
        ("small requests a second, TLS on both sides", "tls.cpu", 1.0),
        ("requests a second with a 64 KB answer", "large-16.cpu", 1.0),
        ("requests a second of 1 MB", "upload.cpu", 1.0),
        ("streams at one time, 50 chunks a second each", "paced.cpu", CHUNKS),
    ] {
        if let Some(cpu) = results.summary(key, US) {
            writeln!(text, "| {what} | {} |", number(USED * 1e6 / (cpu.median * each)))?;
        }
    }
    if let Some(stream) = results.summary("memory.stream", US) {
        writeln!(
            text,
            "| open streams for each GB of memory | {} |",
            number(1024.0 * 1024.0 / stream.median)
        )?;
    }
    if !text.is_empty() {
        text.insert_str(0, "| one core, used to 60 %, everything on | |\n|---|---:|\n");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::results::tests::example;
    use crate::target::Kind;

    #[test]
    fn a_core_carries_what_its_time_is_enough_for() {
        let mut results = example();
        results.add("paced.cpu", Kind::Cometgate, 0, 12.0);
        let text = table(&results).unwrap();
        // 15 µs a request, 12 µs a chunk.
        assert!(text.contains("| small requests a second | 40000 |"), "{text}");
        assert!(text.contains("| streams at one time, 50 chunks a second each | 1000 |"), "{text}");
        results.values.clear();
        assert_eq!(table(&results).unwrap(), "");
    }
}
