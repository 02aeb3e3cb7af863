//! Queues, and the thread that empties them.
//!
//! The thread looks ten times a second, so telling an event wakes nobody and makes no system call: it takes a short lock and
//! copies some words. What was told is written within a tenth of a second, which a kill of the process survives, and synced
//! within a second, which a power cut survives; [`GateLog::sync`] does both at once.

mod file;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use super::segment::record_bytes;
use super::{Settings, directory_of, directory_of_all, retention};
use crate::error::{Error, Result};
use crate::store::make_directory;
use crate::{GateLogSegment, Moment};
use file::{Begin, GateFile};

/// Between two looks of the thread.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Looks between two syncs of what nobody asked to have synced.
const LOOKS_TO_SYNC: u32 = 10;

/// The log of all gates: owns the thread. Dropping it writes everything, and ends all segments.
#[derive(Debug)]
pub struct GateLog<const N: usize> {
    shared: Arc<Shared<N>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// Where the events of one gate are told. Each is `N` numbers, at least one.
#[derive(Clone, Debug)]
pub struct Gate<const N: usize> {
    queue: Arc<Queue<N>>,
    shared: Arc<Shared<N>>,
}

#[derive(Debug)]
struct Shared<const N: usize> {
    store: PathBuf,
    settings: Settings,
    run: u64,
    work: Mutex<Work<N>>,
    wake: Condvar,
    finished: Mutex<Vec<GateLogSegment>>,
}

/// Hears once all that was told before is durable, or of the last failure since the sync before.
type Answer = mpsc::Sender<Result<(), Arc<Error>>>;

/// By the names of their gates; shared with the thread, which looks at them ten times a second.
type Queues<const N: usize> = Arc<BTreeMap<String, Arc<Queue<N>>>>;

/// What the thread is asked for.
#[derive(Debug)]
struct Work<const N: usize> {
    gates: Queues<N>,
    syncs: Vec<Answer>,
    is_over: bool,
    is_hurried: bool,
}

#[derive(Debug)]
struct Queue<const N: usize> {
    gate: String,
    /// Events that were taken and could not be written, and that no segment has named yet. Only the thread counts them.
    unwritten: AtomicU64,
    /// The last try to write has failed, and that was told.
    is_failing: AtomicBool,
    waiting: Mutex<Waiting<N>>,
}

#[derive(Debug)]
struct Waiting<const N: usize> {
    items: Vec<Item<N>>,
    /// The number of the next event.
    next: u64,
    /// Events refused since the last that was taken.
    missing: u64,
    /// Bytes and first moment of the segment that the next event would go to; `None` if it has to begin one.
    segment: Option<(u64, i64)>,
}

#[derive(Debug)]
enum Item<const N: usize> {
    Begin(Begin),
    Event { at_ms: i64, words: [u64; N] },
}

impl<const N: usize> GateLog<N> {
    /// Begins to write below a store's directory, which need not be there yet.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn open(store: &Path, settings: Settings) -> Result<GateLog<N>> {
        const { assert!(N > 0 && N <= 4096, "an event has 1 to 4,096 words") };
        let all = directory_of_all(store);
        let failed = |error| Error::File { doing: "begin", path: all.clone(), error };
        let mut run = [0; 8];
        getrandom::fill(&mut run).map_err(|error| failed(std::io::Error::other(error)))?;
        let shared = Arc::new(Shared {
            store: store.to_owned(),
            settings,
            run: u64::from_le_bytes(run),
            work: Mutex::new(Work {
                gates: Arc::default(),
                syncs: Vec::new(),
                is_over: false,
                is_hurried: false,
            }),
            wake: Condvar::new(),
            finished: Mutex::new(Vec::new()),
        });
        let of_thread = shared.clone();
        let thread = std::thread::Builder::new()
            .name("gate-log".to_owned())
            .spawn(move || Writer::new(of_thread).run());
        Ok(GateLog { shared, thread: Mutex::new(Some(thread.map_err(failed)?)) })
    }

    /// Where the events of a gate are told, counted from 1. Nothing is read or made before the first of them.
    ///
    /// # Errors
    /// This is no plain name: letters, digits, `-`, `_` and `.`, at most 128, and no `.` at the beginning.
    pub fn gate(&self, name: &str) -> Result<Gate<N>> {
        directory_of(&self.shared.store, name)?;
        let mut work = lock(&self.shared.work);
        if let Some(queue) = work.gates.get(name) {
            return Ok(Gate { queue: Arc::clone(queue), shared: self.shared.clone() });
        }
        let queue = Arc::new(Queue {
            gate: name.to_owned(),
            unwritten: AtomicU64::new(0),
            is_failing: AtomicBool::new(false),
            waiting: Mutex::new(Waiting { items: Vec::new(), next: 1, missing: 0, segment: None }),
        });
        Arc::make_mut(&mut work.gates).insert(name.to_owned(), Arc::clone(&queue));
        Ok(Gate { queue, shared: self.shared.clone() })
    }

    /// What tells the segments of this process from those of others.
    #[must_use]
    pub fn run(&self) -> u64 {
        self.shared.run
    }

    /// Waits until all that was told before, and was not refused, is durable.
    ///
    /// # Errors
    /// Something that was told since the last sync could not be written; it is counted as missing in the next segment.
    pub fn sync(&self) -> Result<(), Arc<Error>> {
        let (answer, answered) = mpsc::channel();
        lock(&self.shared.work).syncs.push(answer);
        self.shared.wake.notify_one();
        let path = directory_of_all(&self.shared.store);
        let gone = |_| std::io::Error::other("the thread that writes has ended");
        answered
            .recv()
            .map_err(gone)
            .map_err(|error| Arc::new(Error::File { doing: "write", path, error }))?
    }

    /// The segments that were finished since the last call, for the caller to record in the store.
    #[must_use]
    pub fn take_finished(&self) -> Vec<GateLogSegment> {
        std::mem::take(&mut lock(&self.shared.finished))
    }

    /// Ends the thread and all segments, and returns those that were finished since they were last asked for. What is told
    /// afterwards is not written.
    #[must_use]
    pub fn close(&self) -> Vec<GateLogSegment> {
        self.end();
        self.take_finished()
    }

    fn end(&self) {
        lock(&self.shared.work).is_over = true;
        self.shared.wake.notify_one();
        let thread = lock(&self.thread).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that writes the logs of gates has panicked");
        }
    }
}

impl<const N: usize> Drop for GateLog<N> {
    fn drop(&mut self) {
        self.end();
    }
}

impl<const N: usize> Gate<N> {
    /// Tells an event, and returns its number; `None` where the queue is full and it is only counted. `state` is asked for
    /// the state *before* the event, when a segment begins; in that case, and only then, something is allocated for it.
    ///
    /// `earlier` is an event that came before this one and was not told: that state knows of it, so it is left out where a
    /// segment begins.
    ///
    /// To be called in the order of events: under the lock that orders them. Never waits for the disk.
    pub fn tell(
        &self,
        at_ms: i64,
        words: [u64; N],
        earlier: Option<(i64, [u64; N])>,
        state: impl FnOnce() -> Vec<u64>,
    ) -> Option<u64> {
        let settings = &self.shared.settings;
        let mut waiting = lock(&self.queue.waiting);
        let length = record_bytes(N) as u64;
        if waiting.items.len() + 3 > settings.queue.max(3) {
            waiting.next += 1;
            waiting.missing += 1;
            waiting.segment = None;
            return None;
        }
        let is_same = waiting.segment.is_some_and(|(bytes, began)| {
            bytes + (2 + u64::from(earlier.is_some())) * length <= settings.segment_bytes
                && at_ms.abs_diff(began) < settings.segment_age_ms.max(1)
        });
        if !is_same {
            let state = state();
            waiting.segment = Some((8 * (state.len() as u64 + 10), at_ms));
            let (first_event, missing) = (waiting.next, std::mem::take(&mut waiting.missing));
            waiting.items.push(Item::Begin(Begin { first_event, missing, began_at_ms: at_ms, state }));
        } else if let Some((at_ms, words)) = earlier {
            waiting.take(at_ms, words);
        }
        let number = waiting.take(at_ms, words);
        let is_half_full = (waiting.items.len() * 2).abs_diff(settings.queue) < 2;
        drop(waiting);
        if is_half_full {
            lock(&self.shared.work).is_hurried = true;
            self.shared.wake.notify_one();
        }
        Some(number)
    }

    /// The state has changed otherwise than by an event, so the next begins a segment.
    pub fn begin_anew(&self) {
        lock(&self.queue.waiting).segment = None;
    }

    /// Events that were refused or could not be written, and that no segment has named yet: above 0 the log has a hole at
    /// its end.
    #[must_use]
    pub fn missing(&self) -> u64 {
        lock(&self.queue.waiting).missing + self.queue.unwritten.load(Ordering::Acquire)
    }
}

impl<const N: usize> Waiting<N> {
    fn take(&mut self, at_ms: i64, words: [u64; N]) -> u64 {
        self.items.push(Item::Event { at_ms, words });
        if let Some((bytes, _)) = &mut self.segment {
            *bytes += record_bytes(N) as u64;
        }
        self.next += 1;
        self.next - 1
    }
}

/// The thread.
struct Writer<const N: usize> {
    shared: Arc<Shared<N>>,
    files: BTreeMap<String, GateFile<N>>,
    /// An emptied queue, to be filled again.
    spare: Vec<Item<N>>,
    /// The last failure since somebody asked.
    failure: Option<Arc<Error>>,
    /// A segment has begun since old ones were last removed.
    has_begun: bool,
}

/// What there is to do at one look.
struct Asked<const N: usize> {
    gates: Queues<N>,
    syncs: Vec<Answer>,
    is_over: bool,
}

/// A failure, and how many events it has lost.
type Lost = (Error, u64);

impl<const N: usize> Writer<N> {
    fn new(shared: Arc<Shared<N>>) -> Writer<N> {
        Writer { shared, files: BTreeMap::new(), spare: Vec::new(), failure: None, has_begun: false }
    }

    fn run(mut self) {
        let mut looks = 0;
        loop {
            let asked = self.wait();
            asked.gates.values().for_each(|queue| self.empty(queue));
            // Once for all that begin together, as all do after a start: it reads every gate's directory.
            if std::mem::take(&mut self.has_begun) {
                self.prune();
            }
            looks += 1;
            if looks >= LOOKS_TO_SYNC || !asked.syncs.is_empty() || asked.is_over {
                looks = 0;
                self.sync(&asked.gates);
            }
            if !asked.syncs.is_empty() {
                let result = self.failure.take().map_or(Ok(()), Err);
                for answer in asked.syncs {
                    if let Err(gone) = answer.send(result.clone()) {
                        tracing::debug!("nobody waits for the sync any more: {gone}");
                    }
                }
            }
            if asked.is_over {
                return std::mem::take(&mut self.files).into_values().for_each(|file| self.finish(file));
            }
        }
    }

    fn wait(&self) -> Asked<N> {
        let work = lock(&self.shared.work);
        let is_idle = |work: &mut Work<N>| work.syncs.is_empty() && !work.is_over && !work.is_hurried;
        let waited = self.shared.wake.wait_timeout_while(work, LOOK_EVERY, is_idle);
        let mut work = waited.unwrap_or_else(PoisonError::into_inner).0;
        work.is_hurried = false;
        Asked {
            gates: Arc::clone(&work.gates),
            syncs: std::mem::take(&mut work.syncs),
            is_over: work.is_over,
        }
    }

    /// Writes what waits at one gate.
    fn empty(&mut self, queue: &Queue<N>) {
        let mut items = std::mem::take(&mut self.spare);
        std::mem::swap(&mut items, &mut lock(&queue.waiting).items);
        let mut rest = items.drain(..).peekable();
        while let Some(item) = rest.next() {
            let written = match item {
                Item::Begin(begin) => self.begin(queue, begin),
                Item::Event { at_ms, words } => {
                    // One write for all up to the next segment.
                    let is_last = rest.peek().is_none_or(|next| matches!(next, Item::Begin(_)));
                    match self.files.get_mut(&queue.gate) {
                        Some(file) => {
                            file.add(at_ms, &words);
                            if is_last { file.write() } else { Ok(()) }
                        }
                        // Behind a failure, and before the segment that follows it.
                        None => {
                            queue.unwritten.fetch_add(1, Ordering::AcqRel);
                            Ok(())
                        }
                    }
                }
            };
            if let Err(lost) = written {
                self.files.remove(&queue.gate);
                self.fail(queue, lost);
            }
        }
        drop(rest);
        self.spare = items;
    }

    /// Ends the segment of a gate and begins the next, which also names what could not be written before.
    fn begin(&mut self, queue: &Queue<N>, mut begin: Begin) -> Result<(), Lost> {
        if let Some(file) = self.files.remove(&queue.gate) {
            self.finish(file);
        }
        begin.missing += queue.unwritten.swap(0, Ordering::AcqRel);
        let file = self.begin_file(queue, &begin).map_err(|error| (error, begin.missing))?;
        if queue.is_failing.swap(false, Ordering::AcqRel) {
            tracing::info!("the log of gate `{}` is written again", queue.gate);
        }
        self.files.insert(queue.gate.clone(), file);
        self.has_begun = true;
        Ok(())
    }

    /// Removes the oldest of what is more than may be kept.
    fn prune(&self) {
        let open: Vec<PathBuf> = self.files.values().map(|file| file.path().to_owned()).collect();
        if let Err(error) = retention::prune(&self.shared.store, self.shared.settings.keep_bytes, &open) {
            tracing::warn!("old logs of gates could not be removed: {error}");
        }
    }

    fn begin_file(&self, queue: &Queue<N>, begin: &Begin) -> Result<GateFile<N>> {
        let directory = directory_of(&self.shared.store, &queue.gate)?;
        make_directory(&self.shared.store)?;
        make_directory(&directory_of_all(&self.shared.store))?;
        make_directory(&directory)?;
        file::remove_unfinished(&directory)?;
        GateFile::begin(&directory, &queue.gate, self.shared.run, begin)
    }

    fn finish(&self, file: GateFile<N>) {
        match file.end() {
            Ok(finished) => lock(&self.shared.finished).push(finished),
            Err(error) => tracing::error!("a log of a gate could not be ended: {error}"),
        }
    }

    /// Syncs every file. After a failed sync nobody knows what is on the disk, so the file is left, and all since the last
    /// good sync counts as missing. No lock is held: this may take as long as the disk likes.
    fn sync(&mut self, gates: &BTreeMap<String, Arc<Queue<N>>>) {
        let mut failures = Vec::new();
        self.files.retain(|gate, file| {
            let synced = file.sync();
            synced.map_err(|lost| failures.push((gate.clone(), lost))).is_ok()
        });
        for (gate, lost) in failures {
            if let Some(queue) = gates.get(&gate) {
                self.fail(queue, lost);
            }
        }
    }

    /// Counts what is lost, and has the next event begin a segment.
    fn fail(&mut self, queue: &Queue<N>, (error, lost): Lost) {
        // Said once, and not ten times a second.
        if !queue.is_failing.swap(true, Ordering::AcqRel) {
            tracing::error!(
                "the log of gate `{}` is not written, its decisions cannot be replayed: {error}",
                queue.gate
            );
        }
        queue.unwritten.fetch_add(lost, Ordering::AcqRel);
        lock(&queue.waiting).segment = None;
        self.failure = Some(Arc::new(error));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Begin {
    /// What the store will know of the segment, but for its end.
    fn record(&self, gate: &str, file: &Path) -> GateLogSegment {
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let began_at = Moment::from_ms(self.began_at_ms);
        GateLogSegment {
            ts: began_at,
            gate: gate.into(),
            file: name.into(),
            sha256: crate::Digest::NONE,
            bytes: 0,
            first_event: self.first_event,
            events: 0,
            missing: self.missing,
            began_at,
        }
    }
}
