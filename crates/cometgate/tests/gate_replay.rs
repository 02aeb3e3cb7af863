//! What gates decided is decided once more from what they were told, to the bit; what was changed, lost or cut off is said.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use std::fs;
use std::path::PathBuf;

use evidence::{Body, Entry, Exact, Filter, Kind, Reader, Record, Store};
use serde_json::Value;
use support::records::recorded;
use support::world::Setup;
use support::{ACME, CHAT, Client, Files, Map, Program, tenants};
use testkit::{Provider, Reply};

struct World {
    primary: Provider,
    canary: Provider,
    files: Files,
}

impl World {
    async fn new() -> World {
        let Setup { primary, canary } = Setup::new().await;
        let world = World { primary, canary, files: Files::new("", "", &tenants()) };
        world.write_map("1", "generation = 1", "2%");
        world
    }

    /// With these lines for the canary, and this limit for its hard failures.
    fn write_map(&self, version: &str, lines: &str, limit: &str) {
        let urls = (self.primary.base_url(), self.canary.base_url());
        let top = format!("[gates]\nhard_failure = \"{limit}\"");
        let map = Map { version, top: &top, sticky_by: lines, ..Map::new(&urls.0, &urls.1, "100%") };
        self.files.write("routes.toml", &map.text());
    }

    async fn serve(&self) -> Running {
        let program = Program::serve(&self.files).await;
        Running { client: Client::connect(program.address).await, program }
    }

    async fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        self.files.run(arguments).await
    }

    async fn tell(&self, command: &str) {
        let confirmed: &[&str] = if command == "hold" { &[] } else { &["--yes"] };
        let told = [command, "the-canary", "--by", "kim", "--reason", "INC-42"];
        let (code, _, said) = self.run(&[&told, confirmed].concat()).await;
        assert_eq!(code, 0, "{command}: {said}");
    }

    /// Exit code, and what is said of all gates.
    async fn replay(&self) -> (i32, Value) {
        let (code, said, errors) = self.run(&["gates", "replay", "--format", "json"]).await;
        (code, serde_json::from_str(&said).unwrap_or_else(|_| errors.into()))
    }

    async fn reproduces(&self, decisions: usize) -> Value {
        let (code, said) = self.replay().await;
        assert_eq!((code, &said["verdict"]), (0, &"reproduced".into()), "{said}");
        let count = |gate: &Value| gate["reproduced"].as_u64().unwrap();
        let reproduced: u64 = said["gates"].as_array().unwrap().iter().map(count).sum();
        assert_eq!(reproduced, decisions as u64, "{said}");
        said
    }

    fn falls_ill(&self) {
        self.canary.on("POST", "*", Reply::error(500, "server_error", None, "no"));
    }

    fn decisions(&self) -> usize {
        [Kind::GateDecision, Kind::StepDecision].map(|kind| recorded(&self.files, kind).len()).iter().sum()
    }

    fn store(&self) -> PathBuf {
        self.files.path().join("state/evidence")
    }

    /// The files of the logs of all gates.
    fn logs(&self) -> Vec<PathBuf> {
        let entries = |path: PathBuf| fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<PathBuf> = entries(self.store().join("gates")).flat_map(entries).collect();
        files.sort();
        files
    }
}

struct Running {
    program: Program,
    client: Client,
}

impl Running {
    async fn ask(&mut self, times: usize) {
        for _ in 0..times {
            assert_eq!(self.client.chat(ACME, CHAT).await.status, 200);
        }
    }

    async fn end(mut self) {
        self.program.terminate();
        assert_eq!(self.program.ended().await, 0);
    }

    async fn kill(mut self) {
        self.program.signal("KILL");
        self.program.ended_somehow().await;
    }
}

/// A life with everything in it: failures, a hold, other rules, a restart, a step by hand, a trip, a rollback by hand.
async fn a_life(world: &World) {
    let mut first = world.serve().await;
    first.ask(20).await;
    world.tell("hold").await;
    first.ask(5).await;
    world.tell("resume").await;
    world.write_map("2", "generation = 1\nsteps = [\"99%\", \"100%\"]", "5%");
    first.program.logged("route map 2 is live").await;
    first.ask(10).await;
    world.tell("promote").await;
    first.end().await;

    let mut second = world.serve().await;
    second.ask(10).await;
    world.falls_ill();
    second.ask(40).await;
    second.program.logged("is rolled back for good").await;
    world.canary.clear_script();
    world.write_map("3", "generation = 2", "2%");
    second.program.logged("route map 3 is live").await;
    second.ask(10).await;
    world.tell("rollback").await;
    second.end().await;
}

#[tokio::test]
async fn every_decision_of_a_life_is_reproduced() {
    let world = World::new().await;
    let (code, said) = world.replay().await;
    assert_eq!(code, 3, "there is no store yet: {said}");
    a_life(&world).await;
    let decisions = world.decisions();
    // A hold, its end, a step, a suspension, a rollback, and one by hand.
    assert!(decisions >= 6, "{decisions}");
    let said = world.reproduces(decisions).await;
    let gates = said["gates"].as_array().unwrap();
    assert_eq!(gates.len(), 2, "one for each try: {said}");
    let told: u64 = gates.iter().map(|gate| gate["events"].as_u64().unwrap()).sum();
    assert!(told >= 90, "{said}");
    // Each file that was ended is in the chain.
    assert_eq!(recorded(&world.files, Kind::GateLogSegment).len(), world.logs().len());

    let (code, text, _) = world.run(&["gates", "replay", "the-canary"]).await;
    assert!(code == 0 && text.contains(": reproduced") && text.contains("as recorded"), "{text}");
    assert_eq!(world.run(&["gates", "replay", "another"]).await.0, 3);
    let (code, text, _) = world.run(&["gates", "replay", "--until", "24h"]).await;
    assert!(code == 0 && text.contains("; 0 decisions as recorded"), "{text}");
}

#[tokio::test]
async fn a_gateway_that_serves_can_be_replayed_and_a_killed_one_up_to_its_last_decision() {
    let world = World::new().await;
    let mut running = world.serve().await;
    running.ask(30).await;
    world.tell("hold").await;
    world.reproduces(1).await;
    running.ask(30).await;
    world.tell("resume").await;
    running.ask(3).await;
    running.kill().await;
    let said = world.reproduces(2).await;
    assert!(said["gates"][0]["events"].as_u64().unwrap() >= 62, "{said}");

    let mut again = world.serve().await;
    world.falls_ill();
    again.ask(40).await;
    again.program.logged("is rolled back for good").await;
    again.kill().await;
    world.reproduces(world.decisions()).await;
    // What a kill has cut off is at the end; what is missing before it was taken out.
    write_anew(&world, without_first());
    let (code, said) = world.replay().await;
    assert!(code == 4 && first_difference(&said).contains("none is recorded"), "{said}");
}

#[tokio::test]
async fn a_byte_of_a_log_that_was_changed_is_found() {
    let world = World::new().await;
    a_life(&world).await;
    for (at, path) in world.logs().into_iter().enumerate() {
        let whole = fs::read(&path).unwrap();
        for place in [whole.len() / 2, whole.len() - 20] {
            let mut changed = whole.clone();
            changed[place] ^= 1;
            fs::write(&path, &changed).unwrap();
            let (code, said) = world.replay().await;
            assert_eq!((code, &said["verdict"]), (4, &"differs".into()), "{at} {place}: {said}");
        }
        fs::remove_file(&path).unwrap();
        let (_, said) = world.replay().await;
        // The oldest of a gate may have gone for want of room; its decisions are not called reproduced.
        let is_oldest = path.ends_with("0000000001.gatelog");
        assert_eq!(said["verdict"] == "differs", !is_oldest, "{at}: {said}");
        fs::write(&path, whole).unwrap();
    }
    world.reproduces(world.decisions()).await;
}

fn entry(record: &Record, body: Body) -> Entry {
    let Record { at, route, route_version, map_sha256, by, .. } = record.clone();
    Entry { at, route, route_version, map_sha256, by, body }
}

fn first_difference(said: &Value) -> String {
    let gates = said["gates"].as_array().unwrap();
    gates.iter().find_map(|gate| gate["first_difference"].as_str()).unwrap().to_owned()
}

/// Writes the store anew, in a chain that is sound: each record with the body that `edit` makes of its own, or without it.
fn write_anew(world: &World, mut edit: impl FnMut(Body) -> Option<Body>) {
    let (store, aside) = (world.store(), world.files.path().join("aside"));
    fs::rename(&store, &aside).unwrap();
    let anew = Store::open(&store).unwrap();
    fs::rename(aside.join("gates"), store.join("gates")).unwrap();
    for record in Reader::open(&aside).unwrap().list(&Filter::default()).unwrap().iter().rev() {
        if let Some(body) = edit(record.body().unwrap()) {
            anew.append(&entry(record, body)).unwrap();
        }
    }
    fs::remove_dir_all(aside).unwrap();
}

/// Leaves out the first decision of a gate.
fn without_first() -> impl FnMut(Body) -> Option<Body> {
    let mut is_over = false;
    move |body| {
        let is_first = matches!(body, Body::GateDecision(_)) && !std::mem::replace(&mut is_over, true);
        (!is_first).then_some(body)
    }
}

/// It is sound, and does not follow from the logs.
#[tokio::test]
async fn a_record_that_was_changed_or_taken_out_is_found_also_in_a_chain_that_is_sound() {
    let world = World::new().await;
    a_life(&world).await;
    write_anew(&world, |mut body| {
        if let Body::GateDecision(said) = &mut body
            && said.reason.as_str() != "by_hand"
        {
            said.e_value = Exact(f64::from_bits(said.e_value.0.to_bits() ^ 1));
        }
        Some(body)
    });
    assert_eq!(world.run(&["evidence", "verify"]).await.0, 0);
    let (code, said) = world.replay().await;
    assert_eq!((code, &said["verdict"]), (4, &"differs".into()), "{said}");
    let first = first_difference(&said);
    assert!(first.contains("e_value is recorded as") && first.contains("and replayed as"), "{first}");

    let world = World::new().await;
    a_life(&world).await;
    write_anew(&world, without_first());
    let (code, said) = world.replay().await;
    assert!(code == 4 && first_difference(&said).contains("none is recorded"), "{said}");
}

#[tokio::test]
async fn a_stretch_that_could_not_be_written_is_said_and_nothing_is_made_of_it() {
    let world = World::new().await;
    let mut running = world.serve().await;
    running.ask(10).await;
    world.tell("hold").await;
    // A file where the logs were: the next one cannot begin.
    let (gates, away) = (world.store().join("gates"), world.files.path().join("away"));
    fs::rename(&gates, &away).unwrap();
    fs::write(&gates, "").unwrap();
    world.write_map("2", "generation = 1", "5%");
    running.program.logged("route map 2 is live").await;
    running.ask(10).await;
    running.program.logged("cannot be replayed").await;
    // The gate acts, and what it decides is recorded all the same.
    world.tell("resume").await;
    fs::remove_file(&gates).unwrap();
    fs::rename(&away, &gates).unwrap();
    running.ask(10).await;
    world.tell("hold").await;
    running.program.logged("is written again").await;
    running.end().await;

    let (code, said) = world.replay().await;
    assert_eq!((code, &said["verdict"]), (3, &"incomplete".into()), "{said}");
    let gate = &said["gates"][0];
    assert_eq!((&gate["reproduced"], &gate["not_in_log"]), (&2.into(), &1.into()), "{gate}");
    let missing = gate["missing"][0].as_str().unwrap();
    assert!(
        missing.contains("events before event") && missing.contains("than could be written"),
        "{missing}"
    );
    let (_, text, errors) = world.run(&["gates", "replay"]).await;
    assert!(text.contains("missing: ") && errors.contains("not all could"), "{text}{errors}");
}
