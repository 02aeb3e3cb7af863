use decisions::ProviderId;
use decisions::plan::{Plan, PlanParts, Provider, UnlistedModels};

use super::*;
use crate::auth::KeyRing;

const CALLERS: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

static ID: HeaderValue = HeaderValue::from_static("1");

/// Keeps what it is given.
#[derive(Default)]
struct Kept(Mutex<Vec<Traced>>);

impl TraceSink for Kept {
    fn expects(&self, _: TraceId, parent_is_kept: Option<bool>) -> Option<bool> {
        Some(parent_is_kept.unwrap_or(false))
    }

    fn finished(&self, traced: Traced) {
        self.0.lock().unwrap().push(traced);
    }
}

/// Keeps nothing.
struct Nobody;

impl TraceSink for Nobody {
    fn expects(&self, _: TraceId, _: Option<bool>) -> Option<bool> {
        None
    }

    fn finished(&self, _: Traced) {}
}

fn snapshot() -> Arc<Snapshot> {
    let plan = Plan::new(PlanParts {
        route_version: "1".to_owned(),
        unlisted_models: UnlistedModels::Refuse,
        primary_provider: ProviderId(0),
        default_tenant: None,
        shared_state: false,
        providers: vec![Provider::paid_by_us("home")],
        families: Vec::new(),
        aliases: Vec::new(),
        tenants: Vec::new(),
        cohorts: Vec::new(),
        routes: Vec::new(),
    });
    Arc::new(Snapshot::new(plan.unwrap(), Vec::new(), KeyRing::new([])))
}

fn head() -> request::Parts {
    http::Request::new(()).into_parts().0
}

fn begun(kept: &Arc<Kept>, parents: &[&'static str]) -> Trace {
    let mut head = head();
    for parent in parents {
        head.headers.append(TRACEPARENT, HeaderValue::from_static(parent));
    }
    let sink = Arc::clone(kept) as Arc<dyn TraceSink>;
    Trace::open(Some(&sink), &snapshot(), (&head, &ID), Instant::now())
}

#[test]
fn the_last_that_lets_go_hands_it_over_and_nobody_else() {
    let kept = Arc::new(Kept::default());
    let ticket = begun(&kept, &[]);
    let (attempt, copy) = (ticket.clone(), ticket.clone());
    ticket.note(Happened::Committed);
    drop(ticket);
    drop(attempt);
    assert_eq!(kept.0.lock().unwrap().len(), 0);
    drop(copy);
    let kept = kept.0.lock().unwrap();
    let [traced] = kept.as_slice() else { panic!("{kept:?}") };
    assert_eq!(traced.moments[0].map(|moment| moment.what), Some(Happened::Committed));
    assert_eq!((traced.spans(), traced.method), (1, "GET"));
}

#[test]
fn more_moments_than_fit_are_left_out() {
    let kept = Arc::new(Kept::default());
    let trace = begun(&kept, &[]);
    for ppm in 0..100 {
        trace.note(Happened::ShareMoved(ppm));
    }
    drop(trace);
    let kept = kept.0.lock().unwrap();
    let last = kept[0].moments.last().unwrap().unwrap();
    assert_eq!(last.what, Happened::ShareMoved(7));
}

#[test]
fn where_no_traces_are_made_there_is_nothing() {
    let trace = Trace::open(None, &snapshot(), (&head(), &ID), Instant::now());
    assert!(!trace.is_made() && trace.new_span().is_none() && trace.own_span(None).is_none());
    trace.ended(|| unreachable!("nobody asks"));
    trace.attempted(|| unreachable!("nobody asks"));
}

/// What a request costs: one piece of memory where traces are made, and none where they are not.
#[test]
fn a_trace_takes_memory_once_and_only_where_it_is_made() {
    let (sink, snapshot) = (Arc::new(Nobody) as Arc<dyn TraceSink>, snapshot());
    let mut head = head();
    head.headers.insert(TRACEPARENT, HeaderValue::from_static(CALLERS));
    let allocated = |sink: Option<&Arc<dyn TraceSink>>| {
        let counted = allocation_counter::measure(|| {
            let trace = Trace::open(sink, &snapshot, (&head, &ID), Instant::now());
            let attempt = trace.clone();
            trace.note(Happened::Committed);
            assert_eq!(trace.new_span().is_some(), sink.is_some());
            drop((trace, attempt));
        });
        counted.count_total
    };
    assert_eq!((allocated(None), allocated(Some(&sink))), (0, 1));
}

/// Only the lines of the log want the facts: providers are told nothing, and the trace is the caller's or none.
#[test]
fn without_spans_nobody_is_told_of_a_trace_and_the_callers_is_known() {
    let sink = Arc::new(Nobody) as Arc<dyn TraceSink>;
    let known = |parent: Option<&'static str>| {
        let mut head = head();
        head.headers.extend(parent.map(|parent| (TRACEPARENT, HeaderValue::from_static(parent))));
        let trace = Trace::open(Some(&sink), &snapshot(), (&head, &ID), Instant::now());
        assert!(trace.own_span(trace.new_span()).is_none());
        trace.id().map(|id| id.to_string())
    };
    assert_eq!((known(None), known(Some(CALLERS))), (None, Some(CALLERS[3..35].to_owned())));
}

#[test]
fn a_trace_goes_on_or_begins_anew() {
    let kept = Arc::new(Kept::default());
    let told = |parents: &[&'static str]| {
        let mut headers = HeaderMap::new();
        headers.insert(TRACEPARENT, HeaderValue::from_static("what was there"));
        headers.insert(TRACESTATE, HeaderValue::from_static("a=b"));
        begun(&kept, parents).own_span(None).unwrap().write_to(&mut headers);
        let parent = headers[TRACEPARENT].to_str().unwrap().to_owned();
        (parent[3..35].to_owned(), parent[53..].to_owned(), headers.contains_key(TRACESTATE))
    };
    let trace = CALLERS[3..35].to_owned();
    assert_eq!(told(&[CALLERS]), (trace.clone(), "01".to_owned(), true));
    // Nobody knows which of two is meant.
    for parents in [&[][..], &[CALLERS, CALLERS], &["00-garbage"]] {
        let (new, flags, has_state) = told(parents);
        assert!(new != trace && flags == "02" && !has_state, "{parents:?}: {new} {flags}");
    }
}
