//! Which reply a request gets: the scripts of a provider, looked up by method and path.
//!
//! Replies for one time come first, in the order given; then the latest lasting one. Nothing found means the standard
//! answer.

use std::fmt;
use std::sync::Arc;

use crate::{RecordedRequest, Reply};

type Call = Arc<dyn Fn(&RecordedRequest) -> Reply + Send + Sync>;

/// Matches any method or any path.
const ANY: &str = "*";

#[derive(Clone)]
pub(crate) enum Answering {
    Reply(Box<Reply>),
    Call(Call),
}

impl Answering {
    pub(crate) fn reply(&self, request: &RecordedRequest) -> Reply {
        match self {
            Answering::Reply(reply) => Reply::clone(reply),
            Answering::Call(call) => call(request),
        }
    }
}

impl From<Reply> for Answering {
    fn from(reply: Reply) -> Answering {
        Answering::Reply(Box::new(reply))
    }
}

struct Rule {
    method: String,
    path: String,
    answering: Answering,
}

impl Rule {
    fn matches(&self, request: &RecordedRequest) -> bool {
        (self.method == ANY || self.method.eq_ignore_ascii_case(request.method.as_str()))
            && (self.path == ANY || self.path == request.path())
    }
}

#[derive(Default)]
pub(crate) struct Script {
    once: Vec<Rule>,
    lasting: Vec<Rule>,
}

impl Script {
    pub(crate) fn add_once(&mut self, method: &str, path: &str, answering: Answering) {
        self.once.push(Rule { method: method.to_owned(), path: path.to_owned(), answering });
    }

    pub(crate) fn add(&mut self, method: &str, path: &str, answering: Answering) {
        self.lasting.push(Rule { method: method.to_owned(), path: path.to_owned(), answering });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.once.is_empty() && self.lasting.is_empty()
    }

    /// The rule for this request. Cheap to clone, so that its closure runs outside the provider's lock.
    pub(crate) fn find(&mut self, request: &RecordedRequest) -> Option<Answering> {
        if let Some(place) = self.once.iter().position(|rule| rule.matches(request)) {
            return Some(self.once.remove(place).answering);
        }
        self.lasting.iter().rev().find(|rule| rule.matches(request)).map(|rule| rule.answering.clone())
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Script({} once, {} lasting)", self.once.len(), self.lasting.len())
    }
}
