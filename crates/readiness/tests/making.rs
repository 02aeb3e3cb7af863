//! The requests of a check: one lease, renewed while an answer is waited for, given back whatever happens.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]

use std::cell::RefCell;
use std::time::Duration;

use decisions::Role;
use evidence::{EndpointFamily, Moment};
use http::StatusCode;
use readiness::route_check::{Choice, Planned, Subject, make};
use readiness::{CheckRequest, Gateway, GatewayError, LeaseTerms, Leased, Reply, Seen, SeenAttempt};
use serde_json::json;

/// A gateway that writes down what it is asked.
struct Scripted {
    said: RefCell<Vec<String>>,
    /// How long it takes to answer a request.
    answers_after: Duration,
    /// How often the log still has a request under way.
    under_way: RefCell<usize>,
    /// It is gone after so many requests.
    dies_after: usize,
}

impl Scripted {
    fn new() -> Scripted {
        let said = RefCell::default();
        Scripted { said, answers_after: Duration::ZERO, under_way: RefCell::new(0), dies_after: usize::MAX }
    }

    fn say(&self, what: &str) -> Result<(), GatewayError> {
        let is_gone = self.count("send") >= self.dies_after;
        self.said.borrow_mut().push(what.to_owned());
        if is_gone { Err(GatewayError::Unreachable("gone".to_owned())) } else { Ok(()) }
    }

    fn count(&self, what: &str) -> usize {
        self.said.borrow().iter().filter(|said| *said == what).count()
    }
}

impl Gateway for Scripted {
    async fn lease(&self, _: &LeaseTerms) -> Result<Leased, GatewayError> {
        self.say("lease")?;
        Ok(Leased {
            lease: "l".to_owned(),
            lapses_in_ms: 30_000,
            route_version: "1".to_owned(),
            listen: String::new(),
        })
    }

    async fn renew(&self, _: &str, terms: Option<&LeaseTerms>) -> Result<(), GatewayError> {
        self.say(if terms.is_some() { "terms" } else { "renew" })
    }

    async fn end(&self, _: &str) -> Result<(), GatewayError> {
        self.say("end")
    }

    async fn seen(&self, _: &str, after: u64) -> Result<Seen, GatewayError> {
        self.say("seen")?;
        let left = self.under_way.borrow().saturating_sub(1);
        let in_flight = self.under_way.replace(left);
        let attempts = vec![SeenAttempt { number: after + 1, ..SeenAttempt::default() }];
        Ok(Seen { in_flight, attempts: if in_flight > 0 { Vec::new() } else { attempts } })
    }

    async fn send(&self, _: &Leased, _: &CheckRequest) -> Reply {
        tokio::time::sleep(self.answers_after).await;
        self.said.borrow_mut().push("send".to_owned());
        Reply { status: Some(StatusCode::OK), ..Reply::default() }
    }
}

fn subject() -> Subject {
    Subject {
        route: "r".to_owned(),
        route_version: "1".to_owned(),
        map_sha256: String::new(),
        environment: None,
        role: Role::Canary,
        provider: "p".to_owned(),
        alias: "a".to_owned(),
        model_id: "m".to_owned(),
        choice: Choice { family: EndpointFamily::Responses, because: String::new() },
        is_bearer_from_secret: true,
        is_serving: false,
        retries: 0,
    }
}

fn planned(count: usize) -> Vec<Planned> {
    let one = Planned { terms: LeaseTerms::default(), body: json!({}), timeout: Duration::from_secs(1) };
    vec![one; count]
}

fn now() -> Moment {
    Moment::from_ms(0)
}

#[tokio::test(start_paused = true)]
async fn each_request_has_its_terms_and_its_own_attempts_and_the_lease_is_given_back() {
    let gateway = Scripted { under_way: RefCell::new(2), ..Scripted::new() };
    let all = make(&gateway, &subject(), &planned(2), now).await;
    assert!(all.cut_short.is_none());
    let numbers: Vec<u64> = all.made.iter().map(|made| made.attempts[0].number).collect();
    assert_eq!(numbers, [1, 2], "the log is read from where it was left");
    assert_eq!(
        *gateway.said.borrow(),
        ["lease", "terms", "send", "seen", "seen", "seen", "terms", "send", "seen", "end"],
        "it waits until nothing is under way"
    );
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_renewed_while_an_answer_is_waited_for() {
    let gateway = Scripted { answers_after: Duration::from_secs(65), ..Scripted::new() };
    make(&gateway, &subject(), &planned(1), now).await;
    assert_eq!(gateway.count("renew"), 6);
}

#[tokio::test(start_paused = true)]
async fn what_was_made_before_the_gateway_went_stands_and_the_rest_is_said_not_to_be_made() {
    let gateway = Scripted { dies_after: 1, ..Scripted::new() };
    let all = make(&gateway, &subject(), &planned(2), now).await;
    assert_eq!(all.made.len(), 0, "what nobody can look up has shown nothing");
    assert_eq!(all.cut_short, Some(GatewayError::Unreachable("gone".to_owned())));
    assert_eq!(all.note(1), "not made: gone");
    assert_eq!(gateway.said.borrow().last().unwrap(), "end", "the lease is given back all the same");
    let gateway = Scripted { dies_after: 0, ..Scripted::new() };
    assert!(make(&gateway, &subject(), &planned(2), now).await.cut_short.is_some());
    assert_eq!(*gateway.said.borrow(), ["lease"], "nothing was lent");
    assert!(make(&gateway, &subject(), &[], now).await.made.is_empty());
}
