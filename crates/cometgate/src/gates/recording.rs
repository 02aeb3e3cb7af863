//! What is on its way into the store of evidence, on the thread that waits for the disk.
//!
//! A record that cannot be appended waits, in order, and the store is opened anew at the next try: whoever has made room,
//! or has moved a damaged store away, need not tell the gateway.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

use evidence::{Entry, Error, Store};

use crate::clock::now;
use crate::metrics::{EvidenceCounts, Fate};

/// Records that wait at most. Of more, the oldest stay: what began the trouble is worth most.
const MOST_WAITING: usize = 4096;

/// Records that share one wait for the disk at most.
const MOST_AT_ONCE: usize = 256;

#[derive(Debug)]
pub(super) struct Recording {
    directory: PathBuf,
    store: Option<Store>,
    waiting: VecDeque<Entry>,
    lost: u64,
    counts: Arc<EvidenceCounts>,
}

impl Recording {
    /// Into the store of this directory, which is opened or begun by the first [`write`](Recording::write).
    pub(super) fn new(directory: PathBuf, counts: Arc<EvidenceCounts>) -> Recording {
        Recording { directory, store: None, waiting: VecDeque::new(), lost: 0, counts }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn push(&mut self, entry: Entry) {
        if self.waiting.len() < MOST_WAITING {
            self.waiting.push_back(entry);
        } else {
            self.lost += 1;
            self.counts.count(entry.body.kind(), Fate::Lost);
        }
    }

    /// Appends what waits, and says of each its number, once it would survive a power cut.
    ///
    /// # Errors
    /// The store cannot be opened or appended to; what was not appended waits on.
    pub(super) fn write(&mut self, appended: impl FnMut(&Entry, u64)) -> Result<(), Error> {
        self.append(appended).inspect_err(|_| self.counts.failed(now()))
    }

    fn append(&mut self, mut appended: impl FnMut(&Entry, u64)) -> Result<(), Error> {
        let store = match self.store.take() {
            Some(store) => store,
            None => Store::open(&self.directory)?,
        };
        let mut most = MOST_AT_ONCE;
        while !self.waiting.is_empty() {
            let count = self.waiting.len().min(most);
            match store.append_all(self.waiting.iter().take(count)) {
                Ok(head) => {
                    let first = head.sequence + 1 - count as u64;
                    let recorded = self.waiting.drain(..count);
                    for (sequence, entry) in (first..).zip(recorded) {
                        self.counts.count(entry.body.kind(), Fate::Recorded);
                        appended(&entry, sequence);
                    }
                }
                // One of them will never do; the others are not held up by it.
                Err(Error::TooLong { .. } | Error::Encoding { .. }) if count > 1 => most = 1,
                Err(error @ (Error::TooLong { .. } | Error::Encoding { .. })) => {
                    tracing::error!("a decision is not recorded: {error}");
                    if let Some(refused) = self.waiting.pop_front() {
                        self.counts.count(refused.body.kind(), Fate::Refused);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        self.store = Some(store);
        let lost = std::mem::take(&mut self.lost);
        if lost > 0 {
            tracing::error!("{lost} decisions could not be recorded while the store took none, and are lost");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use evidence::{GateLogSegment, Kind, Moment, ProofItem, ProofState, Reader, RollbackProof};

    use super::*;

    fn record(number: u64) -> Entry {
        let segment = GateLogSegment {
            ts: Moment::from_ms(0),
            gate: "g".into(),
            file: "f".into(),
            sha256: evidence::Digest::NONE,
            bytes: 0,
            first_event: number,
            events: 0,
            missing: 0,
            began_at: Moment::from_ms(0),
        };
        let at = Moment::from_ms(0);
        Entry {
            at,
            route: None,
            route_version: None,
            map_sha256: None,
            by: "gate".into(),
            body: segment.into(),
        }
    }

    #[test]
    fn what_a_store_refuses_waits_until_somebody_has_moved_it_away() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("evidence");
        std::fs::create_dir(&path).unwrap();
        let database = path.join("evidence.sqlite3");
        std::fs::write(&database, "this is no database, whatever its name says, and it is long enough")
            .unwrap();
        let mut recording = Recording::new(path.clone(), Arc::default());
        recording.push(record(1));
        for _ in 0..2 {
            let refused = recording.write(|_, _| panic!("nothing is appended")).unwrap_err();
            assert!(!refused.is_of_the_disk() && !recording.is_empty(), "{refused}");
        }
        recording.push(record(2));
        std::fs::remove_dir_all(&path).unwrap();
        let mut sequences = Vec::new();
        recording.write(|_, sequence| sequences.push(sequence)).unwrap();
        assert_eq!((sequences, recording.is_empty()), (vec![1, 2], true));
        let counts = &recording.counts;
        assert_eq!((counts.shown(Kind::GateLogSegment, Fate::Recorded), counts.failures()), (2, 2));
        let bodies: Vec<String> = Reader::open(&path)
            .unwrap()
            .list(&Default::default())
            .unwrap()
            .iter()
            .map(|read| read.body_json().to_owned())
            .collect();
        assert!(bodies[0].contains("\"first_event\":2") && bodies[1].contains("\"first_event\":1"));
    }

    #[test]
    fn one_that_will_never_do_holds_up_no_other() {
        let directory = tempfile::tempdir().unwrap();
        let mut recording = Recording::new(directory.path().join("evidence"), Arc::default());
        let item = ProofItem {
            item: "x".repeat(250).as_str().into(),
            state: ProofState::Proven,
            expected: None,
            observed: None,
            unit: None,
            since: None,
            note: None,
        };
        let proof = RollbackProof::new(Moment::from_ms(0), "p".into(), "1".into(), "t".into());
        let too_long = Entry { body: proof.with_items(vec![item; 2_000]).into(), ..record(0) };
        [record(1), too_long, record(2)].into_iter().for_each(|entry| recording.push(entry));
        let mut sequences = Vec::new();
        recording.write(|entry, sequence| sequences.push((entry == &record(sequence), sequence))).unwrap();
        assert_eq!((sequences, recording.is_empty()), (vec![(true, 1), (true, 2)], true));
        let counts = &recording.counts;
        let (fate, kind) = (Fate::Refused, Kind::RollbackProof);
        assert_eq!((counts.shown(kind, fate), counts.failures()), (1, 0), "the store is well");
    }

    #[test]
    fn a_directory_that_cannot_be_is_a_matter_of_the_disk() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("evidence");
        std::fs::write(&path, "").unwrap();
        let mut recording = Recording::new(path, Arc::default());
        recording.push(record(1));
        assert!(recording.write(|_, _| ()).unwrap_err().is_of_the_disk());
    }

    #[test]
    fn too_many_are_counted() {
        let directory = tempfile::tempdir().unwrap();
        let mut recording = Recording::new(directory.path().to_owned(), Arc::default());
        (0..MOST_WAITING as u64 + 3).for_each(|number| recording.push(record(number)));
        assert_eq!((recording.waiting.len(), recording.lost), (MOST_WAITING, 3));
        assert_eq!(recording.counts.shown(Kind::GateLogSegment, Fate::Lost), 3);
    }
}
