//! What goes when all segments together take too much: the gate that takes most loses its oldest, so a busy gate never
//! pushes out what a quiet one is explained by.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};

use super::{directory_of_all, segments_in};
use crate::error::{Error, Result};

/// Removes segments until at most `keep_bytes` are left, or only those that are being written.
pub(super) fn prune(store: &Path, keep_bytes: u64, open: &[PathBuf]) -> Result<()> {
    let all = directory_of_all(store);
    let mut gates = Vec::new();
    for entry in
        fs::read_dir(&all).map_err(|error| Error::File { doing: "read", path: all.clone(), error })?
    {
        let Ok(directory) = entry.map(|entry| entry.path()) else { continue };
        let Ok(segments) = segments_in(&directory) else { continue };
        let sized = segments.into_iter().filter_map(|(_, path)| {
            let bytes = path.metadata().ok()?.len();
            Some((path, bytes))
        });
        gates.push(sized.collect::<VecDeque<_>>());
    }
    let bytes_of = |gate: &VecDeque<(PathBuf, u64)>| gate.iter().map(|(_, bytes)| bytes).sum::<u64>();
    let can_lose =
        |gate: &VecDeque<(PathBuf, u64)>| gate.front().is_some_and(|(path, _)| !open.contains(path));
    while gates.iter().map(bytes_of).sum::<u64>() > keep_bytes {
        let largest = gates.iter_mut().filter(|gate| can_lose(gate)).max_by_key(|gate| bytes_of(gate));
        let Some((path, _)) = largest.and_then(VecDeque::pop_front) else { break };
        fs::remove_file(&path).map_err(|error| Error::File { doing: "remove", path, error })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_gate_loses_its_oldest_and_what_is_written_stays() {
        let store = tempfile::tempdir().unwrap();
        let path = |gate: &str, number: u32| store.path().join(format!("gates/{gate}/{number:010}.gatelog"));
        for (gate, numbers, bytes) in [("busy", 1..=5, 100), ("quiet", 1..=2, 30)] {
            fs::create_dir_all(store.path().join("gates").join(gate)).unwrap();
            for number in numbers {
                fs::write(path(gate, number), vec![0; bytes]).unwrap();
            }
        }
        let left = |keep, open: &[PathBuf]| {
            prune(store.path(), keep, open).unwrap();
            let count = |gate| segments_in(&store.path().join("gates").join(gate)).unwrap().len();
            (count("busy"), count("quiet"))
        };
        assert_eq!(left(560, &[]), (5, 2));
        assert_eq!(left(300, &[]), (2, 2));
        assert!(!path("busy", 3).exists() && path("busy", 4).exists());
        assert_eq!(left(0, &[path("busy", 4), path("quiet", 2)]), (2, 1));
        assert_eq!(left(0, &[]), (0, 0));
    }
}
