//! What is marked, two providers that look at all that arrives, and what was found where it must not be.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use hyper::http::{HeaderMap, Method};
use testkit::{Collector, Provider, Reply};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::answers::{answer, number_of};
use crate::support::client::{Answer, request};
use crate::support::collected::telemetry;
use crate::support::markers::{Kind, Oracle};
use crate::support::{self, Client, Files, Program};

pub(crate) const GATEWAY_KEY: Kind = Kind { name: "a gateway key", prefix: "cgk-q/+Z" };
pub(crate) const KEY_ONE: Kind = Kind { name: "the key of one", prefix: "k1/+sXw8" };
pub(crate) const KEY_TWO: Kind = Kind { name: "the key of two", prefix: "k2/+tYv9" };
pub(crate) const PROMPT: Kind = Kind { name: "a prompt", prefix: "pR/+mq7_" };
pub(crate) const COMPLETION: Kind = Kind { name: "a completion", prefix: "cO/+vz9_" };
/// What the collector knows the gateway by.
pub(crate) const KEY_THREE: Kind = Kind { name: "the key of the collector", prefix: "k3/+uZx1" };
pub(crate) const ALL: [&Kind; 6] = [&GATEWAY_KEY, &KEY_ONE, &KEY_TWO, &KEY_THREE, &PROMPT, &COMPLETION];

pub(crate) const TENANTS: usize = 4;

pub(crate) fn key(of: &Kind) -> String {
    format!("{}-the-rest-of-it", of.prefix)
}

pub(crate) fn tenant_key(at: usize) -> String {
    format!("{}{at}", GATEWAY_KEY.prefix)
}

/// What the oracle has found, and where.
#[derive(Clone, Default)]
pub(crate) struct Findings(Arc<Mutex<BTreeSet<String>>>);

impl Findings {
    pub(crate) fn look(&self, place: &str, oracle: &Oracle, bytes: &[u8]) {
        for (kind, form) in oracle.find(bytes) {
            self.add(format!("{kind} {place}, {form}"));
        }
    }

    pub(crate) fn add(&self, finding: String) {
        self.0.lock().unwrap().insert(finding);
    }

    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().iter().cloned().collect()
    }
}

pub(crate) fn headers(headers: &HeaderMap) -> Vec<u8> {
    let lines =
        headers.iter().map(|(name, value)| [name.as_str().as_bytes(), b": ", value.as_bytes()].concat());
    lines.collect::<Vec<_>>().join(&b'\n')
}

/// Providers that look at all that arrives, and fail in every way; both show what they were sent wherever they can.
pub(crate) struct World {
    pub(crate) providers: [Provider; 2],
    pub(crate) collector: Collector,
    pub(crate) findings: Findings,
    /// By number of a prompt: the providers that it may reach, as bits.
    pub(crate) may_reach: Arc<Vec<Mutex<u8>>>,
    /// Lines of the log that were looked at, of the lowest level.
    pub(crate) traced: Arc<AtomicUsize>,
    /// Lines of requests that were looked at.
    pub(crate) told: Arc<AtomicUsize>,
}

impl World {
    pub(crate) async fn new(requests: usize) -> World {
        let findings = Findings::default();
        let may_reach: Arc<Vec<_>> = Arc::new((0..requests).map(|_| Mutex::new(0)).collect());
        let start = async |at: usize, name: &str, foreign: [&'static Kind; 3]| {
            let provider = Provider::builder(name).record(false).start().await;
            let (findings, may_reach) = (findings.clone(), Arc::clone(&may_reach));
            let (oracle, place) = (Oracle::new(&foreign), format!("at provider {name}"));
            provider.on_call("*", "*", move |arrived| {
                findings.look(&place, &oracle, &headers(&arrived.headers));
                findings.look(&place, &oracle, &arrived.body);
                let Some(number) = number_of(&arrived.body) else { return Reply::new(400) };
                if *may_reach[number].lock().unwrap() & 1 << at == 0 {
                    findings.add(format!("a prompt {place}, where no route leads"));
                }
                answer(arrived, number)
            });
            provider
        };
        let providers = [
            start(0, "one", [&GATEWAY_KEY, &KEY_TWO, &COMPLETION]).await,
            start(1, "two", [&GATEWAY_KEY, &KEY_ONE, &COMPLETION]).await,
        ];
        let collector = Collector::start().await.unwrap();
        World { providers, collector, findings, may_reach, traced: Arc::default(), told: Arc::default() }
    }

    /// Looks at every line that the program logs and prints. What is returned tells of each map that has gone live.
    pub(crate) fn watch(&self, program: &mut Program) -> UnboundedReceiver<String> {
        let (live, told) = unbounded_channel();
        for (mut lines, place) in program.take_lines().into_iter().zip(["in the log", "in a line"]) {
            let (findings, live) = (self.findings.clone(), live.clone());
            let (oracle, traced, of_requests) =
                (Oracle::new(&ALL), Arc::clone(&self.traced), Arc::clone(&self.told));
            tokio::spawn(async move {
                while let Some(line) = lines.recv().await {
                    findings.look(place, &oracle, line.as_bytes());
                    if line.contains("TRACE") {
                        traced.fetch_add(1, Ordering::Relaxed);
                    }
                    if line.starts_with("{\"event\":\"request\",") {
                        of_requests.fetch_add(1, Ordering::Relaxed);
                    }
                    if line.contains(" is live") {
                        drop(live.send(line));
                    }
                }
            });
        }
        told
    }

    /// What whoever reads metrics sees.
    pub(crate) async fn look_at_metrics(&self, probes: SocketAddr) {
        let asked = request(Method::GET, "/metrics", "", "");
        let page = Client::connect(probes).await.send(asked).await.unwrap();
        assert!(page.status == 200 && !page.body.is_empty());
        self.findings.look("in the metrics", &Oracle::new(&ALL), &page.body);
    }

    /// What a collector gets: everything, decoded. How many bytes that was.
    pub(crate) fn look_at_telemetry(&self) -> usize {
        let oracle = Oracle::new(&ALL);
        let mut length = 0;
        for collected in self.collector.drain() {
            assert_eq!(collected.headers["x-key"], key(&KEY_THREE).as_str());
            self.findings.look("in the telemetry", &oracle, &collected.message);
            length += collected.message.len();
        }
        length
    }

    /// What a caller sees of an answer.
    pub(crate) fn look_at(&self, answer: &Answer, number: usize) {
        self.findings.look("in a header of an answer", &Oracle::new(&ALL), &headers(&answer.headers));
        let keys = Oracle::new(&[&GATEWAY_KEY, &KEY_ONE, &KEY_TWO]);
        self.findings.look("in the body of an answer", &keys, &answer.body);
        let own = [COMPLETION, PROMPT].map(|kind| format!("{}{number}_", kind.prefix));
        let others = String::from_utf8_lossy(&answer.body).replace(&own[0], "").replace(&own[1], "");
        self.findings.look("in another's answer", &Oracle::new(&[&COMPLETION, &PROMPT]), others.as_bytes());
    }
}

/// Tenants with a marked key each, and a collector that gets a trace of every request.
pub(crate) fn files(map: &str, collector: &Collector) -> Files {
    let mut tenants = "version = \"1\"\n".to_owned();
    for at in 0..TENANTS {
        let hash = support::hash(&tenant_key(at));
        tenants.push_str(&format!("[tenants.tenant-{at}]\nkey_sha256 = [\"{hash}\"]\n"));
    }
    let headers = "headers = { x-key = { env = \"COLLECTOR_KEY\" } }";
    let tables = "[telemetry.traces]\nsample = \"100%\"\n[telemetry.metrics]\ninterval_ms = 1000\n\
                  [admin]\nlisten = \"127.0.0.1:0\"";
    let settings = telemetry(collector, "http", headers, tables);
    Files::new(&settings, map, &format!("{tenants}# end 1\n"))
}
