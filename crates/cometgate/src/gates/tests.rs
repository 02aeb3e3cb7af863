//! Hours of a gate with its keeper, its ticks and its map, on a clock that does not wait: silence, jumps, climbing, and
//! what is written down of a rollback that nobody shows to have worked.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use config::{Source, load_map};
use decisions::gate::{Arm, Attempt, Event, HoldCause, Outcome, Phase, Rate, Usage};
use decisions::plan::Watched;
use decisions::rollout::Requirement;
use evidence::{Body, Filter, ProofVerdict, Reader};
use proxy::{RouteGate, SnapshotHandle};
use tokio_util::sync::CancellationToken;

use crate::gates::keeper::Keeper;
use crate::gates::ticking::{GateClock, tick_gates};
use crate::gates::writer::GateWriter;
use crate::prepare::Preparer;

const HOUR: Duration = Duration::from_secs(3600);

struct World {
    directory: tempfile::TempDir,
    handle: Arc<SnapshotHandle>,
    clock: GateClock,
    writer: GateWriter,
}

impl World {
    /// With these lines of the canary.
    fn start(lines: &str) -> World {
        let directory = tempfile::tempdir().unwrap();
        let key = directory.path().join("key");
        std::fs::write(&key, "sk-away").unwrap();
        let key = key.display();
        let map = format!(
            "route_version = \"1\"\nenvironment = \"development\"\nprimary_provider = \"home\"\n\
             [providers.home]\nbase_url = \"http://127.0.0.1:1/v1\"\ncredential = \"client\"\n\
             [providers.away]\nbase_url = \"http://127.0.0.1:2/v1\"\ncredential = {{ file = \"{key}\" }}\n\
             [aliases.summary]\nprovider_model_id = {{ home = \"a\", away = \"b\" }}\n\
             [[routes]]\nname = \"summaries\"\ntenant_or_cohort = \"acme\"\nmodel_alias = \"summary\"\n\
             mode = \"canary\"\nprimary_provider = \"home\"\ntimeout_ms = 60000\n\
             [routes.canary]\nprovider = \"away\"\n{lines}\n# end 1\n"
        );
        let tenants =
            format!("version = \"1\"\n[tenants.acme]\nkey_sha256 = [\"{}\"]\n# end 1\n", "0".repeat(64));
        let source = |text| Source { path: Path::new("a.toml"), text };
        let loaded = load_map(source(map.as_str()), source(tenants.as_str()));
        let snapshot = Preparer::new(1).prepare(loaded.unwrap(), None).unwrap();
        let keeper = Keeper::open(directory.path()).unwrap();
        let handle = Arc::new(SnapshotHandle::new(snapshot, Arc::clone(&keeper) as _));
        let writer = GateWriter::start(&keeper).unwrap();
        let clock = GateClock::new(0);
        tokio::spawn(tick_gates(Arc::clone(&handle), keeper, clock, CancellationToken::new()));
        World { directory, handle, clock, writer }
    }

    fn gate(&self) -> Arc<RouteGate> {
        let snapshot = self.handle.current();
        let (id, _) = snapshot.plan().routes().next().unwrap();
        Arc::clone(snapshot.gates().of(id, Watched::Canary).unwrap())
    }

    /// An attempt at the canary ends so.
    fn attempt(&self, outcome: Outcome) {
        let attempt = Attempt {
            arm: Arm::Canary,
            outcome,
            tenant: 1,
            share_ppm: 500_000,
            first_token_us: None,
            usage: Usage::NotExpected,
        };
        self.gate().tell(self.clock.now_ms(), &Event::Attempt(attempt));
    }

    /// One attempt a second ends so.
    async fn attempts(&self, outcome: Outcome, seconds: u32) {
        for _ in 0..seconds {
            self.attempt(outcome);
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    fn holds(&self) -> Vec<HoldCause> {
        self.gate().state().judged.gate.holds().iter().collect()
    }

    /// The step, and what is missing for the next.
    fn step(&self) -> (usize, Vec<Requirement>) {
        let state = self.gate().state().judged;
        let missing = state.rollout.missing(&state.rollout_rules.unwrap(), &state.gate);
        (state.rollout.step() + 1, missing.iter().collect())
    }

    /// The proofs that are kept once everything is written.
    fn proofs(self) -> Vec<ProofVerdict> {
        drop(self.writer);
        let Ok(reader) = Reader::open(&self.directory.path().join("evidence")) else { return Vec::new() };
        let kind = evidence::Kind::parse("rollback_proof");
        let records = reader.list(&Filter { kind, ..Filter::default() }).unwrap();
        let proof = |record: &evidence::Record| match record.body().unwrap() {
            Body::RollbackProof(proof) => proof.verdict(),
            other => panic!("{other:?}"),
        };
        records.iter().map(proof).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn an_hour_without_traffic_is_a_hold_which_the_next_attempt_ends() {
    let world = World::start("share = \"50%\"");
    world.attempts(Outcome::Good, 200).await;
    assert_eq!(world.holds(), []);
    tokio::time::sleep(HOUR).await;
    let state = world.gate().state();
    assert_eq!((world.holds(), state.judged.gate.phase()), (vec![HoldCause::NoData], Phase::Serving));
    assert_eq!((state.barred(), state.judged.gate.counted(Rate::HardFailure)), (None, (200, 0)));
    world.attempt(Outcome::Good);
    assert_eq!(world.holds(), []);
}

#[tokio::test(start_paused = true)]
async fn an_hour_of_cancelled_requests_alone_is_a_hold_and_no_evidence() {
    let world = World::start("steps = [\"1%\", \"50%\"]");
    world.attempts(Outcome::NotCounted, 3600).await;
    let state = world.gate().state();
    assert_eq!((world.holds(), state.judged.gate.phase()), (vec![HoldCause::NoData], Phase::Serving));
    assert_eq!((state.barred(), state.judged.gate.counted(Rate::HardFailure)), (None, (0, 0)));
    let (step, missing) = world.step();
    assert!(step == 1 && missing.contains(&Requirement::Evidence), "{step} {missing:?}");
}

#[tokio::test(start_paused = true)]
async fn a_jump_of_the_clock_is_neither_dwell_nor_silence() {
    let world = World::start("steps = [\"1%\", \"50%\"]");
    world.attempts(Outcome::Good, 300).await;
    assert_eq!(world.step(), (1, vec![Requirement::Dwell]));
    let before = world.gate().state().judged.gate.clock_ms();
    // The process was stopped for a day.
    tokio::time::advance(24 * HOUR).await;
    world.attempts(Outcome::Good, 5).await;
    let passed = world.gate().state().judged.gate.clock_ms() - before;
    assert!(passed <= 16_000, "{passed} ms counted");
    assert_eq!((world.holds(), world.step()), (vec![], (1, vec![Requirement::Dwell])));
}

#[tokio::test(start_paused = true)]
async fn a_good_canary_climbs_every_step_after_its_dwell_and_skips_none() {
    let world = World::start("steps = [\"1%\", \"5%\", \"25%\", \"100%\"]\ndwell_ms = 900000");
    let share = || world.gate().shown().1.unwrap().ppm();
    let mut climbed = vec![(0, share())];
    for second in 1..3_000 {
        world.attempts(Outcome::Good, 1).await;
        if climbed.last().unwrap().1 != share() {
            climbed.push((second, share()));
        }
    }
    let shares: Vec<u32> = climbed.iter().map(|(_, share)| *share).collect();
    assert_eq!(shares, [10_000, 50_000, 250_000, 1_000_000]);
    for pair in climbed.windows(2) {
        let stood = pair[1].0 - pair[0].0;
        assert!((898..=905).contains(&stood), "{stood} s at {} ppm", pair[0].1);
    }
}

/// Twice the route's `timeout_ms`.
#[tokio::test(start_paused = true)]
async fn what_remains_after_a_rollback_is_written_down_once_after_two_minutes() {
    for (seconds, expected) in [(115, vec![]), (1_000, vec![ProofVerdict::Remaining])] {
        let world = World::start("share = \"50%\"");
        world.gate().tell(world.clock.now_ms(), &Event::RollBack);
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        assert_eq!(world.proofs(), expected, "after {seconds} s");
    }
}
