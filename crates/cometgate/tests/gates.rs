//! A canary that falls ill takes itself out after a handful of failed attempts, through the real program: what callers
//! see meanwhile, and that nothing goes there any more.
#![allow(clippy::print_stdout, reason = "the figures are worth seeing with --nocapture")]
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

mod support;

use std::time::Duration;

use support::client::Answer;
use support::fault::{begun, role, said};
use support::rate::{Caller, kinds};
use support::world::Setup;
use support::{ACME, CHAT, Client, Files, Map, Program, tenants};
use testkit::{Provider, Reply, Step};
use tokio::time::Instant;

/// The most attempts that may fail before a canary is out, where none is under way beside them.
const MOST_FAILED: u64 = 10;

const STREAM: &str = r#"{"model":"summary","messages":[],"stream":true}"#;

struct Trial {
    primary: Provider,
    canary: Provider,
    client: Client,
    program: Program,
    files: Files,
}

impl Trial {
    /// With these lines for the route and for its canary.
    async fn new(share: &str, route: &str, canary_lines: &str) -> Trial {
        let Setup { primary, canary } = Setup::new().await;
        let urls = (primary.base_url(), canary.base_url());
        let map = Map { route, sticky_by: canary_lines, ..Map::new(&urls.0, &urls.1, share) };
        let files = Files::new("", &map.text(), &tenants());
        let program = Program::serve(&files).await;
        let client = Client::connect(program.address).await;
        Trial { primary, canary, client, program, files }
    }

    fn falls_ill(&self, reply: Reply) {
        self.canary.on("POST", "*", reply);
    }

    /// Sends so many requests, one after the other.
    async fn ask(&mut self, body: &str, times: usize) -> Vec<Answer> {
        let mut answers = Vec::with_capacity(times);
        for _ in 0..times {
            answers.push(self.client.chat(ACME, body).await);
        }
        answers
    }

    /// The canary answers well for a while, then so; how many attempts fail until it is out. It stays out.
    async fn fails(&mut self, body: &str, reply: Reply) -> (u64, Vec<Answer>) {
        let healthy = self.ask(body, 40).await;
        assert!(healthy.iter().all(|answer| answer.status == 200));
        let before = self.canary.count();
        assert!(before > 0, "the canary has traffic");
        self.falls_ill(reply);
        let answers = self.ask(body, 100).await;
        let failed = self.canary.count() - before;
        assert!(failed <= MOST_FAILED, "{failed} attempts failed");
        // Also when it would be well again.
        self.canary.clear_script();
        assert!(self.ask(body, 100).await.iter().all(|answer| answer.status == 200));
        assert_eq!(self.canary.count() - before, failed, "a request came after it was out");
        (failed, answers)
    }
}

fn broken() -> Reply {
    Reply::error(500, "server_error", None, "it broke")
}

#[tokio::test]
async fn a_canary_that_breaks_is_out_and_no_caller_sees_it() {
    let mut trial = Trial::new("50%", "", "").await;
    let (failed, answers) = trial.fails(CHAT, broken()).await;
    println!("500: {failed} attempts failed");
    assert!(answers.iter().all(|answer| answer.status == 200));
    let after = answers.last().unwrap();
    assert_eq!((after.header("x-cometgate-role"), after.header("x-cometgate-attempts")), ("primary", "1"));
}

#[tokio::test]
async fn a_canary_that_answers_nonsense_is_out_and_no_caller_sees_it() {
    let mut trial = Trial::new("50%", "", "").await;
    let (failed, answers) =
        trial.fails(CHAT, Reply::bytes(200, "application/json", "{\"id\":\"c\",\"cho")).await;
    println!("malformed: {failed} attempts failed");
    assert!(answers.iter().all(|answer| answer.status == 200));
}

#[tokio::test]
async fn a_canary_that_is_silent_is_out_and_no_caller_sees_it() {
    let mut trial = Trial::new("50%", "", "timeout_ms = 300").await;
    let (failed, answers) = trial.fails(CHAT, Reply::hang_before_head()).await;
    println!("timeouts: {failed} attempts failed");
    assert!(answers.iter().all(|answer| answer.status == 200));
}

#[tokio::test]
async fn a_canary_whose_streams_break_is_out() {
    // Before the first content another target can answer; after it the caller is told.
    let mut early = Trial::new("50%", "", "").await;
    let (failed, answers) = early.fails(STREAM, Reply::sse(vec![role(), Step::Abort])).await;
    println!("streams without content: {failed} attempts failed");
    assert!(answers.iter().all(|answer| said(answer).is_done));

    let mut late = Trial::new("50%", "", "").await;
    let (failed, answers) = late.fails(STREAM, begun(5, [Step::Abort])).await;
    println!("streams with content: {failed} attempts failed");
    let cut = answers.iter().filter(|answer| said(answer).error.is_some()).count();
    assert_eq!(u64::try_from(cut).unwrap(), failed);
    assert!(answers.iter().all(|answer| said(answer).is_done == said(answer).error.is_none()));
}

#[tokio::test]
async fn a_refused_credential_is_one_failure_and_out() {
    let mut trial = Trial::new("50%", "", "").await;
    let refused = Reply::error(401, "invalid_request_error", Some("invalid_api_key"), "no");
    let (failed, answers) = trial.fails(CHAT, refused).await;
    assert_eq!(failed, 1);
    let seen = answers.iter().filter(|answer| answer.status != 200).count();
    assert!(seen <= 1, "{seen} callers saw it");
}

#[tokio::test]
async fn at_five_percent_of_200_a_second_ten_attempts_fail_at_the_most() {
    let trial = Trial::new("5%", "", "").await;
    let caller = Caller::new(trial.program.address, ACME);
    assert!(caller.send(600, 200).await.iter().all(|served| served.status == 200));
    let before = trial.canary.count();
    assert!(before > 0, "the canary has traffic");
    trial.falls_ill(broken());
    let served = caller.send(800, 200).await;
    let failed = trial.canary.count() - before;
    println!("5 % of 200 a second: {failed} attempts failed; {}", kinds(&served));
    assert!(served.iter().all(|served| served.status == 200));
    // One or two may be under way when it trips: an answer takes a millisecond, one comes every hundred.
    assert!((1..=MOST_FAILED + 2).contains(&failed), "{failed}");
    assert!(caller.send(400, 200).await.iter().all(|served| served.status == 200));
    assert_eq!(trial.canary.count() - before, failed);
}

#[tokio::test]
async fn an_outage_of_both_rolls_nobody_back() {
    let mut trial = Trial::new("50%", "", "").await;
    trial.ask(CHAT, 60).await;
    trial.falls_ill(broken());
    trial.primary.on("POST", "*", broken());
    trial.ask(CHAT, 60).await;
    trial.canary.clear_script();
    trial.primary.clear_script();
    // Their breakers have to find out, and the canary is asked again.
    let (before, began) = (trial.canary.count(), Instant::now());
    let mut well = 0;
    while trial.canary.count() < before + 20 {
        assert!(began.elapsed() < Duration::from_secs(40), "the canary gets nothing any more");
        well += trial.ask(CHAT, 10).await.iter().filter(|answer| answer.status == 200).count();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    println!("both ill: back in traffic after {:.1} s, {well} answered", began.elapsed().as_secs_f64());
    assert!(well > 0);
}

#[tokio::test]
async fn a_tripped_canary_stays_out_over_a_reload_until_its_generation_is_raised() {
    let mut trial = Trial::new("50%", "", "").await;
    trial.fails(CHAT, broken()).await;
    let urls = (trial.primary.base_url(), trial.canary.base_url());
    let out = trial.canary.count();
    for (version, share, lines) in [("test.2", "100%", ""), ("test.3", "100%", "generation = 2")] {
        let map = Map { version, sticky_by: lines, ..Map::new(&urls.0, &urls.1, share) };
        trial.files.write("routes.toml", &map.text());
        let began = Instant::now();
        while trial.ask(CHAT, 1).await[0].header("x-cometgate-route-version") != version {
            assert!(began.elapsed() < Duration::from_secs(20), "{version} does not go live");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        trial.ask(CHAT, 20).await;
        let is_open = trial.canary.count() > out;
        assert_eq!(is_open, version == "test.3", "{version}");
    }
}
