//! All runs of all gates, shared out over the processor's cores. What comes of a run depends on its seed alone, so neither
//! their number nor their order shows in the result.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use decisions::gate::GateRules;
use decisions::gate::simulation::{Contender, Row, Scenario, row, trip};
use tokio::time::Instant;

use crate::terminal;

/// Whoever waits longer than this is told how far it is, each time that it has passed again.
const PATIENCE: Duration = Duration::from_secs(3);

/// A scenario, and how often each gate plays it.
pub(super) struct Play {
    pub(super) scenario: Scenario,
    pub(super) runs: u32,
}

/// One run: which scenario, which gate, its number.
type Job = (usize, Contender, u32);

/// Plays all; the rows of each scenario, ours first.
pub(super) fn all<const N: usize>(rules: &GateRules, plays: [Play; N], seed: u64) -> [Vec<Row>; N] {
    let jobs: Vec<Job> = plays
        .iter()
        .enumerate()
        .flat_map(|(at, play)| {
            Contender::all().flat_map(move |gate| (0..play.runs).map(move |run| (at, gate, run)))
        })
        .collect();
    let mut trips = vec![None; jobs.len()];
    let (next, cores) = (AtomicUsize::new(0), thread::available_parallelism().map_or(1, usize::from));
    let (done, finished) = mpsc::channel();
    let work = |done: mpsc::Sender<(usize, _)>| {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some((at, gate, run)) = jobs.get(index) else { return };
            let came = trip(*gate, rules, &plays[*at].scenario, seed, *run);
            if done.send((index, came)).is_err() {
                return;
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..cores {
            let done = done.clone();
            scope.spawn(|| work(done));
        }
        drop(done);
        let mut progress = Progress::of(jobs.len());
        for (index, came) in finished {
            trips[index] = came;
            progress.one_more();
        }
    });
    let mut rest = trips.as_slice();
    plays.map(|play| {
        let one = |gate| {
            let (runs, behind) = rest.split_at(play.runs as usize);
            rest = behind;
            row(gate, &play.scenario, runs)
        };
        Contender::all().map(one).collect()
    })
}

/// Says now and then how far it is.
struct Progress {
    done: usize,
    all: usize,
    said_at: Instant,
}

impl Progress {
    fn of(all: usize) -> Progress {
        Progress { done: 0, all, said_at: Instant::now() }
    }

    fn one_more(&mut self) {
        self.done += 1;
        if self.said_at.elapsed() >= PATIENCE && self.done < self.all {
            self.said_at = Instant::now();
            terminal::say(&format!("{} of {} runs are played; --runs asks for fewer", self.done, self.all));
        }
    }
}
