//! A gateway of the tests' own, whose targets do what a case says.

use std::cell::{Cell, RefCell};

use decisions::bucket::{Share, contains};
use decisions::rolled_back::Connections;
use evidence::Moment;
use http::{HeaderMap, StatusCode};
use serde_json::Value;

use crate::drill::{Acceptance, Standing, Step, Surroundings};
use crate::gateway::{CheckRequest, Gateway, GatewayError, LeaseTerms, Leased, Reply, Seen, SeenAttempt};

pub(super) const SALT: &str = "acme-summaries";

/// What a gateway of the test's own does.
#[derive(Default)]
pub(super) struct Fake {
    pub(super) terms: RefCell<Option<LeaseTerms>>,
    pub(super) seen: RefCell<Vec<SeenAttempt>>,
    pub(super) renewed: Cell<u32>,
    /// What the canary makes of a request: an error class for the one with this number, counted from 0.
    pub(super) canary: Option<fn(u64) -> Option<&'static str>>,
    pub(super) primary: Option<fn(u64) -> Option<&'static str>>,
    /// A request with this number, of those that should go home after the way back, goes to the canary all the same.
    pub(super) straggler: Option<u64>,
    /// The map that is in force from this attempt on.
    pub(super) other_map_from: Option<u64>,
    pub(super) accepts: Option<fn(u64) -> Acceptance>,
    pub(super) approves: Option<fn(Step) -> bool>,
    /// Usage is reported, unless.
    pub(super) is_unmetered: bool,
    /// An invalid request is answered as a valid one is.
    pub(super) takes_anything: bool,
    pub(super) live: bool,
    pub(super) open: Option<u64>,
    pub(super) told: RefCell<Vec<String>>,
    pub(super) returned: Cell<u64>,
    pub(super) was_there: Cell<bool>,
}

impl Fake {
    fn is_at_canary(&self, body: &Value) -> bool {
        let terms = self.terms.borrow();
        let terms = terms.as_ref().unwrap();
        if let Some(role) = &terms.role {
            return role != "primary";
        }
        let percent: f64 = terms.share.as_ref().unwrap().trim_end_matches('%').parse().unwrap();
        let ppm = (percent * 10_000.0) as u32;
        self.was_there.set(self.was_there.get() || ppm > 0);
        let key = body["user"].as_str().unwrap_or("no key");
        let share = Share::from_ppm(ppm).unwrap();
        if ppm == 0 && self.was_there.get() {
            let number = self.returned.get();
            self.returned.set(number + 1);
            return self.straggler == Some(number);
        }
        contains(share, SALT, key.as_bytes())
    }

    fn attempt(&self, role: &str, kind: &str, class: Option<&str>) -> SeenAttempt {
        let number = self.seen.borrow().len() as u64 + 1;
        let other = self.other_map_from.is_some_and(|from| number >= from);
        let tokens = (class.is_none() && !self.is_unmetered).then_some(20);
        SeenAttempt {
            number,
            request_id: format!("request-{number}"),
            endpoint: "chat".to_owned(),
            route: Some(SALT.to_owned()),
            route_version: if other { "2" } else { "1" }.to_owned(),
            role: role.to_owned(),
            provider: if role == "primary" { "openai" } else { "cometapi" }.to_owned(),
            model_id: self.terms.borrow().as_ref().unwrap().model_id.clone().or(Some("gpt".to_owned())),
            kind: kind.to_owned(),
            status: class.is_none().then_some(200),
            malformed: class == Some("malformed"),
            timed_out: class.is_some_and(|class| class.ends_with("timeout")),
            error_class: class.map(str::to_owned),
            latency_ms: 10 * number,
            input_tokens: tokens,
            output_tokens: tokens,
            ..SeenAttempt::default()
        }
    }
}

impl Gateway for Fake {
    async fn lease(&self, terms: &LeaseTerms) -> Result<Leased, GatewayError> {
        *self.terms.borrow_mut() = Some(terms.clone());
        Ok(Leased {
            lease: "lease".to_owned(),
            lapses_in_ms: 30_000,
            route_version: "1".to_owned(),
            listen: String::new(),
        })
    }

    async fn renew(&self, _: &str, terms: Option<&LeaseTerms>) -> Result<(), GatewayError> {
        self.renewed.set(self.renewed.get() + 1);
        if let Some(terms) = terms {
            *self.terms.borrow_mut() = Some(terms.clone());
        }
        Ok(())
    }

    async fn end(&self, _: &str) -> Result<(), GatewayError> {
        *self.terms.borrow_mut() = None;
        Ok(())
    }

    async fn seen(&self, _: &str, after: u64) -> Result<Seen, GatewayError> {
        let seen = self.seen.borrow();
        let attempts = seen.iter().filter(|attempt| attempt.number > after).cloned().collect();
        Ok(Seen { in_flight: 0, attempts })
    }

    async fn send(&self, _: &Leased, request: &CheckRequest) -> Reply {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let is_there = self.is_at_canary(&body);
        let of_role = |role: &str| self.seen.borrow().iter().filter(|one| one.role == role).count() as u64;
        let role = if is_there { "canary" } else { "primary" };
        let fails = if is_there { self.canary } else { self.primary };
        let is_faulty = !body["messages"].is_array() && !self.takes_anything;
        let class = fails.and_then(|fails| fails(of_role(role)));
        let class = if is_faulty { class.or(Some("validation")) } else { class };
        let attempt = self.attempt(role, "first", class);
        let request_id = attempt.request_id.clone();
        self.seen.borrow_mut().push(attempt);
        let status = match class {
            None => 200,
            Some("validation") => 400,
            // What fails at the canary goes home and is answered there.
            Some(_) if is_there => {
                let mended = SeenAttempt {
                    request_id: request_id.clone(),
                    ..self.attempt("primary", "fallback", None)
                };
                self.seen.borrow_mut().push(mended);
                200
            }
            Some(_) => 502,
        };
        let mut headers = HeaderMap::new();
        headers.insert("x-cometgate-request-id", request_id.parse().unwrap());
        let status = StatusCode::from_u16(status).ok();
        Reply { status, headers, body: br#"{"model":"gpt-1"}"#.to_vec(), ..Reply::default() }
    }
}

impl Surroundings for Fake {
    fn now(&self) -> Moment {
        Moment::from_ms(1_795_262_400_000)
    }

    async fn standing(&self) -> Result<Standing, GatewayError> {
        Ok(Standing {
            route_version: "1".to_owned(),
            config_sha256: "00".to_owned(),
            phase: if self.live { "serving" } else { "off" }.to_owned(),
            share_ppm: Some(if self.live { 50_000 } else { 0 }),
            is_held: !self.live,
            in_flight: 0,
        })
    }

    async fn connections(&self) -> Result<Connections, GatewayError> {
        Ok(self.open.map_or(Connections::Shared, Connections::Own))
    }

    async fn approve(&self, step: Step) -> Option<String> {
        self.approves.is_none_or(|approves| approves(step)).then(|| "kim".to_owned())
    }

    async fn accepts(&self, _: &str, _: &[u8]) -> Acceptance {
        self.accepts.map_or(Acceptance::NotAsked, |accepts| accepts(self.seen.borrow().len() as u64))
    }

    fn tell(&self, line: &str) {
        self.told.borrow_mut().push(line.to_owned());
    }
}

/// Lets others run between two requests.
pub(super) struct Yielding<'f>(pub(super) &'f Fake);

impl Gateway for Yielding<'_> {
    async fn lease(&self, terms: &LeaseTerms) -> Result<Leased, GatewayError> {
        self.0.lease(terms).await
    }

    async fn renew(&self, lease: &str, terms: Option<&LeaseTerms>) -> Result<(), GatewayError> {
        self.0.renew(lease, terms).await
    }

    async fn end(&self, lease: &str) -> Result<(), GatewayError> {
        self.0.end(lease).await
    }

    async fn seen(&self, lease: &str, after: u64) -> Result<Seen, GatewayError> {
        self.0.seen(lease, after).await
    }

    async fn send(&self, leased: &Leased, request: &CheckRequest) -> Reply {
        let reply = self.0.send(leased, request).await;
        tokio::task::yield_now().await;
        reply
    }
}
