//! `decisions.jsonl`: every verdict, step and word of an operator, one a line, only ever appended to.
//!
//! A line is written by one call and synced before it counts. A kill may leave half of one at the end: the next begins on
//! a line of its own.

use std::collections::{HashMap, VecDeque};
use std::fs::OpenOptions;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

use serde_json::Value;

use crate::files::open_regular;
use crate::state::durable::{FILE_MODE, at};

/// What is read at the start, from the end, to say who did what last.
const MOST_READ: u64 = 256 << 10;

/// Lines of each route that `status` shows.
const SHOWN: usize = 5;

/// Appends lines, each with its end, and syncs them.
pub(super) fn append(path: &Path, lines: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let options = options.read(true).append(true).create(true).mode(FILE_MODE);
    let mut file = open_regular(options, path).map_err(at(path))?;
    let length = file.metadata().map_err(at(path))?.len();
    let mut last = [b'\n'];
    if length > 0 {
        file.read_exact_at(&mut last, length - 1).map_err(at(path))?;
    }
    let start = if last == [b'\n'] { "" } else { "\n" };
    file.write_all(format!("{start}{lines}").as_bytes()).map_err(at(path))?;
    file.sync_data().map_err(at(path))
}

/// What was decided last on each route, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Recent(HashMap<String, VecDeque<Value>>);

impl Recent {
    /// As the end of the file says; what cannot be read is left out.
    pub(super) fn read(path: &Path) -> Recent {
        let mut recent = Recent::default();
        for line in end_of(path).unwrap_or_default().lines() {
            if let Ok(entry) = serde_json::from_str(line) {
                recent.add(entry);
            }
        }
        recent
    }

    pub(super) fn add(&mut self, entry: Value) {
        let Some(route) = entry["route"].as_str() else { return };
        // What somebody changed is there as a verdict or a step that names them.
        if entry["kind"] == "operator" && entry["changed"] == true {
            return;
        }
        let of_route = self.0.entry(route.to_owned()).or_default();
        of_route.push_back(entry);
        if of_route.len() > SHOWN {
            of_route.pop_front();
        }
    }

    pub(super) fn of(&self, route: &str) -> Vec<Value> {
        self.0.get(route).into_iter().flatten().cloned().collect()
    }
}

fn end_of(path: &Path) -> io::Result<String> {
    let mut file = open_regular(OpenOptions::new().read(true), path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(MOST_READ)))?;
    let mut bytes = Vec::new();
    file.take(MOST_READ).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn half_a_line_of_a_killed_process_spoils_no_other() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("decisions.jsonl");
        append(&path, "{\"route\":\"a\",\"n\":1}\n").unwrap();
        std::fs::OpenOptions::new()
            .append(true)
            .open(&path)
            .unwrap()
            .write_all(b"{\"route\":\"a\",")
            .unwrap();
        append(&path, "{\"route\":\"a\",\"n\":2}\n").unwrap();
        let recent = Recent::read(&path);
        assert_eq!(recent.of("a"), [json!({"route": "a", "n": 1}), json!({"route": "a", "n": 2})]);
    }

    #[test]
    fn the_last_few_of_each_route_are_known() {
        let mut recent = Recent::default();
        for n in 0..20 {
            recent.add(json!({"route": format!("r{}", n % 2), "n": n}));
        }
        let numbers: Vec<_> = recent.of("r1").iter().map(|entry| entry["n"].as_u64().unwrap()).collect();
        assert_eq!(numbers, [11, 13, 15, 17, 19]);
        assert!(recent.of("r2").is_empty());
    }
}
