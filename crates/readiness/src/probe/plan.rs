//! Which questions are put to whom, and the most that each may cost: known, and announced, before the first is sent.

use std::time::Duration;

use decisions::Endpoint;
use decisions::plan::{Feature, FeatureSet};
use http::Method;
use serde_json::Value;

use crate::Auth;
use crate::probe::question::Question;
use crate::probe::{features, requests};

/// One alias at one provider.
#[derive(Clone, Debug)]
pub struct Target {
    /// The alias.
    pub alias: String,
    /// The exact ID of its model there.
    pub model_id: String,
    /// The place of the provider in the run's list.
    pub provider: usize,
    /// What the map says that it bears there; `None` where it says nothing, and everything may be sent.
    pub enabled: Option<FeatureSet>,
    /// What an answer must have at its top.
    pub required_fields: Vec<String>,
    /// The families that are asked, each with its path below the base URL.
    pub families: Vec<(Endpoint, String)>,
    /// Where the provider lists its models, below the base URL.
    pub models_path: String,
}

/// How a run is made.
#[derive(Clone, Debug)]
pub struct Options {
    /// The limit of output of each request, in tokens.
    pub max_tokens: u64,
    /// How long the prompt near the ceiling is, in tokens.
    pub prompt_tokens: u64,
    /// How long each answer may take.
    pub timeout: Duration,
    /// A time in which no model answers.
    pub short_timeout: Duration,
    /// With the probes of the contract that keep no state.
    pub contract: bool,
    /// With those that store responses at the provider.
    pub state: bool,
    /// A word that stands in every prompt, and that is looked for where no prompt may be.
    pub marker: String,
}

/// How an answer is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// To its end.
    Whole,
    /// To its end, as an event stream if it is one.
    Stream,
    /// It is left after its first bytes.
    Leave,
}

/// What a later probe needs of an earlier answer of the same target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing.
    Nothing,
    /// The response's ID, as `previous_response_id`.
    PreviousId,
    /// The response's ID, at the end of the path.
    IdInPath,
    /// A sealed item of reasoning, before the input.
    Sealed,
}

/// One request, and what is set aside for it.
#[derive(Clone, Debug)]
pub struct Planned {
    /// The place of its target in the run's list.
    pub target: usize,
    /// What it is to find out.
    pub question: Question,
    /// The family; `None` for the list of models and for a path that is none.
    pub endpoint: Option<Endpoint>,
    /// How.
    pub method: Method,
    /// Below the base URL.
    pub path: String,
    /// What it carries.
    pub body: Option<Value>,
    /// As whom.
    pub auth: Auth,
    /// How its answer is read.
    pub manner: Manner,
    /// How long that may take.
    pub timeout: Duration,
    /// What it needs of an earlier answer.
    pub needs: Needs,
    /// The most that it may use, in tokens: a token has at least one byte, so its bytes bound its input.
    pub tokens: u64,
}

/// What the matrix says without anything being sent.
#[derive(Clone, Copy, Debug)]
pub struct Untried {
    /// The place of its target in the run's list.
    pub target: usize,
    /// The family.
    pub endpoint: Endpoint,
    /// The feature.
    pub feature: Feature,
    /// Why not.
    pub why: &'static str,
}

/// All of a run.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// In the order in which they are sent.
    pub probes: Vec<Planned>,
    /// What is not tried.
    pub untried: Vec<Untried>,
}

/// Room for what a provider may put before a prompt of its own accord.
const HIDDEN_PROMPT: u64 = 128;

/// How often a stored response is followed (contract, probe 5).
const FOLLOW_UPS: usize = 10;

/// The most bytes of a sealed item that are sent back.
pub(super) const MOST_SEALED: usize = 8 << 10;

impl Plan {
    /// The most that it may use, in tokens.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.probes.iter().fold(0, |sum, probe| sum.saturating_add(probe.tokens))
    }
}

/// Plans a run.
#[must_use]
pub fn plan(targets: &[Target], options: &Options) -> Plan {
    let mut plan = Plan::default();
    for (at, target) in targets.iter().enumerate() {
        let is_first = targets.iter().position(|other| other.provider == target.provider) == Some(at);
        let mut planner = Planner { plan: &mut plan, at, target, options };
        if is_first {
            planner.of_the_provider();
        }
        for (endpoint, path) in &target.families {
            planner.of_the_family(*endpoint, path);
        }
        if options.state {
            planner.of_state();
        }
    }
    plan
}

struct Planner<'a> {
    plan: &'a mut Plan,
    at: usize,
    target: &'a Target,
    options: &'a Options,
}

impl Planner<'_> {
    /// Once for a provider, whatever aliases it serves.
    fn of_the_provider(&mut self) {
        let models = self.target.models_path.as_str();
        self.get(Question::Models, models, Auth::Ours);
        if self.options.contract {
            self.get(Question::ModelsWithoutKey, models, Auth::Omitted);
            self.get(Question::ModelsInvalidKey, models, Auth::Invalid);
            self.get(Question::ModelsUnknown, &format!("{models}/{}", requests::UNKNOWN_MODEL), Auth::Ours);
            self.get(Question::UnknownPath, "/cometgate-probe-nonexistent", Auth::Ours);
        }
        let Some((endpoint, path)) = self.target.families.first() else { return };
        let (model, options) = (&self.target.model_id, self.options);
        let refused = requests::single_turn(*endpoint, model, options);
        self.post(Question::InvalidKey, *endpoint, path, refused).auth = Auth::Invalid;
        let long = requests::long_answer(*endpoint, model, options);
        self.post(Question::ShortTimeout, *endpoint, path, long.clone()).timeout = options.short_timeout;
        self.post(Question::Cancelled, *endpoint, path, long).manner = Manner::Leave;
    }

    fn of_the_family(&mut self, endpoint: Endpoint, path: &str) {
        let (model, options) = (&self.target.model_id, self.options);
        let single = || requests::single_turn(endpoint, model, options);
        self.post(Question::SingleTurn, endpoint, path, single());
        self.post(Question::MultiTurn, endpoint, path, requests::multi_turn(endpoint, model, options));
        self.post(Question::NearCeiling, endpoint, path, requests::near_ceiling(endpoint, model, options));
        self.post(Question::InvalidRequest, endpoint, path, requests::invalid(endpoint, model, options));
        self.post(Question::ExactModel, endpoint, path, single());
        self.every_field(endpoint, path);

        let mut warm = single();
        requests::set(&mut warm, "temperature", 0.2.into());
        self.post(Question::Temperature, endpoint, path, warm);
        if endpoint == Endpoint::Chat {
            let mut older = single();
            if let Some(limit) = older.as_object_mut().and_then(|body| body.remove("max_completion_tokens")) {
                requests::set(&mut older, "max_tokens", limit);
            }
            self.post(Question::MaxTokens, endpoint, path, older);
        }
        for feature in Feature::ALL {
            self.feature(endpoint, path, feature);
        }
        if options.contract {
            let unknown = requests::single_turn(endpoint, requests::UNKNOWN_MODEL, options);
            self.post(Question::UnknownModel, endpoint, path, unknown);
            let mut plain = single();
            requests::set(&mut plain, "stream", true.into());
            self.post(Question::StreamWithoutUsage, endpoint, path, plain);
            if endpoint != Endpoint::Messages {
                let body = requests::stripped_fields(endpoint, model, options);
                self.post(Question::StrippedFields, endpoint, path, body);
            }
        }
    }

    /// What the alias declares, together; where it declares nothing, a stream.
    fn every_field(&mut self, endpoint: Endpoint, path: &str) {
        let mut body = requests::single_turn(endpoint, &self.target.model_id, self.options);
        requests::set(&mut body, "temperature", 1.into());
        let declared = self.target.enabled.unwrap_or(FeatureSet::EMPTY.with(Feature::Streaming));
        // What a family has no field for, its own probe says.
        let used: Vec<Feature> =
            declared.iter().filter(|feature| features::add(&mut body, endpoint, *feature).is_ok()).collect();
        features::leave_the_choice(&mut body, endpoint);
        let more: u64 = used.into_iter().map(features::allowance).sum();
        self.post(Question::EveryField, endpoint, path, body).tokens += more;
    }

    fn feature(&mut self, endpoint: Endpoint, path: &str, feature: Feature) {
        let why = match self.target.enabled {
            Some(enabled) if !enabled.contains(feature) => Some("the alias does not declare it there"),
            None if !features::is_tried_unasked(feature) => {
                Some("it is tried where `enabled_features` names it")
            }
            _ => None,
        };
        let mut body = requests::single_turn(endpoint, &self.target.model_id, self.options);
        match why.map_or_else(|| features::add(&mut body, endpoint, feature), Err) {
            Ok(()) => {
                let question = Question::Feature(feature);
                self.post(question, endpoint, path, body).tokens += features::allowance(feature);
            }
            Err(why) => self.plan.untried.push(Untried { target: self.at, endpoint, feature, why }),
        }
    }

    /// Probes 5, 6 and 7 of the contract; what they store stays at the provider for as long as it keeps it.
    fn of_state(&mut self) {
        let families = &self.target.families;
        let Some((_, path)) = families.iter().find(|(endpoint, _)| *endpoint == Endpoint::Responses) else {
            return;
        };
        let (model, options) = (&self.target.model_id, self.options);
        let endpoint = Endpoint::Responses;
        let begin = self.post(Question::StateBegin, endpoint, path, requests::state_begin(model, options));
        // A follow-up is billed for what it follows as well.
        let before = begin.tokens;
        for keyed in [false, true] {
            let question = if keyed { Question::StateFollowKeyed } else { Question::StateFollow };
            for _ in 0..FOLLOW_UPS {
                let follow =
                    self.post(question, endpoint, path, requests::state_follow(model, options, keyed));
                follow.needs = Needs::PreviousId;
                follow.tokens += before;
            }
        }
        self.get(Question::StateRetrieve, path, Auth::Ours);
        if let Some(retrieve) = self.plan.probes.last_mut() {
            (retrieve.needs, retrieve.endpoint) = (Needs::IdInPath, Some(endpoint));
        }
        self.post(Question::SealedBegin, endpoint, path, requests::sealed_begin(model, options));
        let replay =
            self.post(Question::SealedReplay, endpoint, path, requests::sealed_replay(model, options));
        replay.needs = Needs::Sealed;
        replay.tokens += MOST_SEALED as u64;
    }

    fn get(&mut self, question: Question, path: &str, auth: Auth) {
        self.plan.probes.push(Planned {
            target: self.at,
            question,
            endpoint: None,
            method: Method::GET,
            path: path.to_owned(),
            body: None,
            auth,
            manner: Manner::Whole,
            timeout: self.options.timeout,
            needs: Needs::Nothing,
            tokens: 0,
        });
    }

    fn post(&mut self, question: Question, endpoint: Endpoint, path: &str, body: Value) -> &mut Planned {
        let streams = body.get("stream").and_then(Value::as_bool) == Some(true);
        let input = (body.to_string().len() as u64).saturating_add(HIDDEN_PROMPT);
        let probes = &mut self.plan.probes;
        probes.push(Planned {
            target: self.at,
            question,
            endpoint: Some(endpoint),
            method: Method::POST,
            path: path.to_owned(),
            body: Some(body),
            auth: Auth::Ours,
            manner: if streams { Manner::Stream } else { Manner::Whole },
            timeout: self.options.timeout,
            needs: Needs::Nothing,
            tokens: input.saturating_add(self.options.max_tokens),
        });
        let last = probes.len() - 1;
        &mut probes[last]
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) fn options() -> Options {
        Options {
            max_tokens: 64,
            prompt_tokens: 500,
            timeout: Duration::from_secs(5),
            short_timeout: Duration::from_millis(20),
            contract: true,
            state: true,
            marker: "marker-0000".to_owned(),
        }
    }

    pub(crate) fn target(provider: usize, enabled: Option<FeatureSet>) -> Target {
        let families = [Endpoint::Chat, Endpoint::Responses, Endpoint::Messages];
        Target {
            alias: "summary".to_owned(),
            model_id: "gpt-canary".to_owned(),
            provider,
            enabled,
            required_fields: vec!["choices".to_owned()],
            families: families.map(|endpoint| (endpoint, endpoint.path().to_owned())).into(),
            models_path: "/models".to_owned(),
        }
    }

    fn any_features() -> impl Strategy<Value = Option<FeatureSet>> {
        let some = prop::collection::vec(prop::sample::select(Feature::ALL.as_slice()), 0..9)
            .prop_map(|listed| listed.into_iter().fold(FeatureSet::EMPTY, FeatureSet::with));
        prop::option::of(some)
    }

    proptest! {
        #[test]
        fn every_probe_is_bounded_by_its_bytes_and_limit_and_no_feature_is_forgotten(
            enabled in any_features(), contract: bool, state: bool, max_tokens in 16..2_000_u64,
        ) {
            let options = Options { contract, state, max_tokens, ..options() };
            let target = target(0, enabled);
            let plan = plan(std::slice::from_ref(&target), &options);
            for probe in &plan.probes {
                let Some(body) = &probe.body else {
                    prop_assert_eq!(probe.tokens, 0);
                    continue;
                };
                prop_assert!(probe.tokens >= body.to_string().len() as u64 + max_tokens, "{:?}", probe.question);
                let limits = ["max_tokens", "max_completion_tokens", "max_output_tokens"];
                let limit = limits.iter().find_map(|name| body.get(*name)?.as_u64());
                prop_assert_eq!(limit, Some(max_tokens), "{:?}", probe.question);
            }
            prop_assert_eq!(plan.tokens(), plan.probes.iter().map(|probe| probe.tokens).sum::<u64>());
            for (endpoint, _) in &target.families {
                for feature in Feature::ALL {
                    let asks = |probe: &&Planned| {
                        probe.endpoint == Some(*endpoint) && probe.question == Question::Feature(feature)
                    };
                    let tried = plan.probes.iter().filter(asks).count();
                    let untried = plan.untried.iter().filter(|at| at.endpoint == *endpoint && at.feature == feature);
                    prop_assert_eq!(tried + untried.count(), 1);
                }
            }
        }
    }

    #[test]
    fn what_is_asked_of_a_provider_is_asked_once() {
        let targets = [target(0, None), target(0, None), target(1, None)];
        let plan = plan(&targets, &options());
        for question in
            [Question::Models, Question::InvalidKey, Question::ShortTimeout, Question::UnknownPath]
        {
            let asked: Vec<usize> = plan
                .probes
                .iter()
                .filter(|probe| probe.question == question)
                .map(|probe| probe.target)
                .collect();
            assert_eq!(asked, [0, 2], "{question:?}");
        }
        let invalid: Vec<_> =
            plan.probes.iter().filter(|probe| probe.question == Question::InvalidKey).collect();
        assert!(invalid.iter().all(|probe| probe.auth == Auth::Invalid));
    }
}
