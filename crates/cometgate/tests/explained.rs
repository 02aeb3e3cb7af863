//! What `routes explain` says is what the running gateway does, over random maps and requests, through the real program.
#![allow(clippy::unwrap_used, reason = "a test has nothing better to do with an error")]
#![allow(clippy::panic, reason = "a test has nothing better to do with an error")]

mod support;

use std::collections::HashSet;
use std::path::Path;

use config::{Loaded, Source, load_map};
use decisions::explain::{Explanation, explain};
use decisions::plan::{Feature, FeatureSet};
use decisions::{Caller, Decision, Endpoint, Facts, Refusal, StickyKeys, no_gates};
use fastrand::Rng;
use hyper::Method;
use serde_json::{Value, json};
use support::client::{Answer, request};
use support::program::output;
use support::{CANARY_KEY, Client, Files, PRIMARY_KEY, Program, scaled};
use testkit::Provider;

const REQUESTS_PER_MAP: usize = 200;
const TENANTS: usize = 4;
const ALIASES: usize = 3;
const MODELS: [&str; 4] = ["alias-0", "alias-1", "alias-2", "no-alias"];

#[tokio::test]
async fn an_explanation_is_what_the_running_gateway_does() {
    let one = Provider::builder("one").require_key(PRIMARY_KEY).record(false).start().await;
    let two = Provider::builder("two").require_key(CANARY_KEY).record(false).start().await;
    let urls = [one.base_url(), two.base_url()];
    let mut rng = Rng::with_seed(0x0C03_E7A7);
    let (mut routes, tenants) = random_files(&mut rng, 0, &urls);
    let files = Files::new("", &routes, &tenants);
    let mut program = Program::serve(&files).await;
    let mut client = Client::connect(program.address).await;
    let mut compared = 0;
    for number in 1..=scaled(500) {
        let loaded = load(&routes, &tenants);
        for _ in 0..REQUESTS_PER_MAP {
            let asked = Asked::random(&mut rng);
            let explained = explain(&loaded.plan, &asked.facts(&loaded), no_gates);
            let answer = asked.send(&mut client).await;
            check(&loaded, &asked, &explained, &answer, &routes);
            compared += 1;
        }
        if number % 25 == 0 {
            check_command(&files, &loaded, &mut rng).await;
        }
        let (next, tenants) = random_files(&mut rng, number, &urls);
        routes = next;
        files.write("tenants.toml", &tenants);
        files.write("routes.toml", &routes);
        program.logged(&format!("route map v{number} is live")).await;
        // The tenants are the same in every map, so that a pair is whole whichever file is seen first.
    }
    assert_eq!(compared, scaled(500) * REQUESTS_PER_MAP);
}

/// One request.
struct Asked {
    tenant: usize,
    endpoint: Endpoint,
    model: &'static str,
    keys: [Option<String>; 3],
    stateful: bool,
    features: FeatureSet,
}

impl Asked {
    fn random(rng: &mut Rng) -> Asked {
        let endpoint = Endpoint::ALL[rng.usize(..Endpoint::ALL.len())];
        let keys = [(); 3].map(|()| (rng.u8(..3) == 0).then(|| format!("key-{}", rng.u32(..1000))));
        Asked {
            tenant: rng.usize(..TENANTS),
            endpoint,
            model: MODELS[rng.usize(..MODELS.len())],
            // Embeddings know `user` only, and messages have it under another name.
            keys: match endpoint {
                Endpoint::Embeddings => [None, keys[1].clone(), None],
                of if of.is_anthropics() => [None, keys[1].clone(), None],
                _ => keys,
            },
            stateful: match endpoint {
                Endpoint::Responses => rng.bool(),
                of => of == Endpoint::ResponsesCompact,
            },
            features: Feature::ALL
                .into_iter()
                .filter(|feature| can_use(endpoint, *feature) && rng.u8(..6) == 0)
                .fold(FeatureSet::EMPTY, FeatureSet::with),
        }
    }

    fn facts(&self, loaded: &Loaded) -> Facts<'_> {
        let [safety_identifier, user, prompt_cache_key] = self.keys.each_ref().map(Option::as_deref);
        Facts {
            tenant: loaded.plan.tenant_named(&format!("tenant-{}", self.tenant)).unwrap(),
            caller: Caller::Known,
            endpoint: self.endpoint,
            model: self.model,
            keys: StickyKeys { safety_identifier, user, prompt_cache_key },
            stateful: self.stateful,
            features: self.features,
            draw: 0,
        }
    }

    async fn send(&self, client: &mut Client) -> Answer {
        let body = self.body();
        let path = format!("/v1{}", self.endpoint.path());
        let key = format!("cgk-{}", self.tenant);
        client.send(request(Method::POST, &path, &key, &body.to_string())).await.unwrap()
    }

    fn body(&self) -> Value {
        let mut body = json!({"model": self.model});
        match self.endpoint {
            Endpoint::Chat => body["messages"] = json!([{"role": "user", "content": "hi"}]),
            Endpoint::Responses => {
                body["input"] = json!("hi");
                body["store"] = json!(self.stateful);
            }
            of if of.is_anthropics() => {
                if let [_, Some(user), _] = &self.keys {
                    body["metadata"] = json!({"user_id": user});
                }
            }
            _ => body["input"] = json!("hi"),
        }
        for (name, value) in ["safety_identifier", "user", "prompt_cache_key"].into_iter().zip(&self.keys) {
            if let (Some(value), false) = (value, self.endpoint.is_anthropics()) {
                body[name] = json!(value);
            }
        }
        self.features.iter().for_each(|feature| use_feature(&mut body, self.endpoint, feature));
        body
    }
}

/// Whether a request to an endpoint can show that it uses something.
fn can_use(endpoint: Endpoint, feature: Feature) -> bool {
    match endpoint {
        Endpoint::Chat => true,
        Endpoint::Responses | Endpoint::ResponsesInputTokens => feature != Feature::Streaming,
        of if of.is_anthropics() => {
            !matches!(feature, Feature::Streaming | Feature::Audio | Feature::Logprobs)
        }
        _ => false,
    }
}

/// One of the ways to use a feature.
fn use_feature(body: &mut Value, endpoint: Endpoint, feature: Feature) {
    let is_responses = matches!(endpoint, Endpoint::Responses | Endpoint::ResponsesInputTokens);
    let mut part = |kind: &str| {
        let (list, whole) = if is_responses { ("input", "input_") } else { ("messages", "") };
        let part = json!({"type": format!("{whole}{kind}")});
        if !body[list].is_array() {
            body[list] = json!([]);
        }
        body[list].as_array_mut().unwrap().push(json!({"role": "user", "content": [part]}));
    };
    match feature {
        Feature::Vision if is_responses || endpoint.is_anthropics() => part("image"),
        Feature::Vision => part("image_url"),
        Feature::Audio if is_responses => part("audio"),
        Feature::Audio => part("input_audio"),
        Feature::Files if endpoint.is_anthropics() => part("document"),
        Feature::Files => part("file"),
        Feature::Streaming => body["stream"] = json!(true),
        Feature::Tools => push_tool(body, json!({"type": "function", "name": "f"})),
        Feature::WebSearch => push_tool(body, json!({"type": "web_search_preview"})),
        Feature::ResponseFormat if is_responses => body["text"] = json!({"format": {"type": "json_schema"}}),
        Feature::ResponseFormat if endpoint.is_anthropics() => {
            body["output_config"] = json!({"format": {"type": "json_schema"}});
        }
        Feature::ResponseFormat => body["response_format"] = json!({"type": "json_object"}),
        Feature::Logprobs => body["top_logprobs"] = json!(2),
        Feature::Reasoning if endpoint.is_anthropics() => body["thinking"] = json!({"type": "enabled"}),
        Feature::Reasoning if is_responses => body["reasoning"] = json!({"effort": "low"}),
        Feature::Reasoning => body["reasoning_effort"] = json!("low"),
    }
}

fn push_tool(body: &mut Value, tool: Value) {
    if !body["tools"].is_array() {
        body["tools"] = json!([]);
    }
    body["tools"].as_array_mut().unwrap().push(tool);
}

fn check(loaded: &Loaded, asked: &Asked, explained: &Explanation<'_>, answer: &Answer, map: &str) {
    let sides = match &explained.either {
        Some(either) => either.to_vec(),
        None => vec![explained.decision],
    };
    let agrees = sides.iter().any(|decision| agrees(loaded, asked, decision, answer));
    assert!(
        agrees,
        "{:?} {} tenant-{} {:?}: explained {sides:?}, answered {} {:?} {:?}\n{map}",
        asked.endpoint, asked.model, asked.tenant, asked.keys, answer.status, answer.headers, answer.body
    );
}

fn agrees(loaded: &Loaded, asked: &Asked, decision: &Decision<'_>, answer: &Answer) -> bool {
    let plan = &loaded.plan;
    match decision {
        Decision::Send(chosen) => {
            let first = chosen.order.first();
            let route = chosen.route.map_or("", |id| &plan.route(id).name);
            answer.status == 200
                && answer.header("x-cometgate-provider") == plan.provider(first.provider).name
                && answer.header("x-cometgate-role") == first.role.as_str()
                && answer.header("x-cometgate-route") == route
                && (asked.features.contains(Feature::Streaming)
                    || answer.json()["model"] == first.model_id.unwrap_or(asked.model))
        }
        Decision::Refuse(refusal) => {
            let (status, code) = match refusal {
                Refusal::UnknownModel => (404, "model_not_found"),
                Refusal::RouteDisabled(_) => (503, "route_disabled"),
                Refusal::ProviderNotAllowed => (403, "provider_not_allowed"),
                Refusal::UnknownKey | Refusal::RestrictedTenant => (0, ""),
            };
            // Anthropic's errors have no code.
            let is_code = |answer: &Answer| asked.endpoint.is_anthropics() || answer.error().0 == code;
            answer.status == status && is_code(answer)
        }
    }
}

/// The command says in JSON what the library says.
async fn check_command(files: &Files, loaded: &Loaded, rng: &mut Rng) {
    let asked = Asked::random(rng);
    let path = files.path().join("routes.toml");
    let (tenant, path) = (format!("tenant-{}", asked.tenant), path.to_str().unwrap().to_owned());
    let mut arguments = vec!["routes", "explain", &path, "--tenant", &tenant];
    arguments.extend(["--endpoint", asked.endpoint.as_str(), "--format", "json"]);
    let (mut with_body, body) = (arguments.clone(), files.path().join("body.json"));
    std::fs::write(&body, asked.body().to_string()).unwrap();
    with_body.extend(["--body", body.to_str().unwrap()]);
    let features: Vec<&str> = asked.features.iter().map(Feature::as_str).collect();
    let features = format!("--features={}", features.join(","));
    arguments.extend(["--model", asked.model]);
    if !asked.features.is_empty() {
        arguments.push(&features);
    }
    let names = ["safety_identifier", "user", "prompt_cache_key"].into_iter().zip(&asked.keys);
    let keys: Vec<String> =
        names.filter_map(|(name, value)| Some(format!("--key={name}={}", value.as_ref()?))).collect();
    arguments.extend(keys.iter().map(String::as_str));
    if asked.stateful {
        arguments.push("--stateful");
    }
    let (code, said, errors) = output(&arguments).await;
    assert_eq!(code, 0, "{errors}");
    let said: Value = serde_json::from_str(&said).unwrap();
    let (code, said_of_body, errors) = output(&with_body).await;
    assert_eq!(code, 0, "{errors}");
    assert_eq!(serde_json::from_str::<Value>(&said_of_body).unwrap(), said, "{}", asked.body());
    let explained = explain(&loaded.plan, &asked.facts(loaded), no_gates);
    let sides = explained.either.map_or_else(|| vec![explained.decision], |either| either.to_vec());
    let results = said["results"].as_array().unwrap();
    assert_eq!(results.len(), sides.len(), "{said}");
    for (result, decision) in results.iter().zip(&sides) {
        let targets: Vec<Value> = match decision {
            Decision::Refuse(_) => Vec::new(),
            Decision::Send(chosen) => chosen
                .order
                .iter()
                .map(|target| {
                    json!({
                        "provider": loaded.plan.provider(target.provider).name,
                        "role": target.role.as_str(),
                        "provider_model_id": target.model_id,
                        "timeout_ms": u64::try_from(target.timeout.as_millis()).unwrap(),
                    })
                })
                .collect(),
        };
        assert_eq!(result["targets"], json!(targets), "{said}");
    }
}

fn load(routes: &str, tenants: &str) -> Loaded {
    let source = |name, text| Source { path: Path::new(name), text };
    load_map(source("routes.toml", routes), source("tenants.toml", tenants))
        .unwrap_or_else(|problems| panic!("{problems}\n{routes}"))
}

/// A map and its tenants, valid by construction.
fn random_files(rng: &mut Rng, number: usize, urls: &[String; 2]) -> (String, String) {
    let version = format!("v{number}");
    let unlisted = if rng.bool() { "primary" } else { "refuse" };
    let mut map = format!(
        "route_version = \"{version}\"\nenvironment = \"development\"\nprimary_provider = \"one\"\n\
         unlisted_models = \"{unlisted}\"\n\
         [providers.one]\nbase_url = \"{}\"\ncredential = {{ env = \"PRIMARY_KEY\" }}\n\
         [providers.two]\nbase_url = \"{}\"\ncredential = {{ env = \"CANARY_KEY\" }}\nblocked_models = [\"no-alias\"]\n",
        urls[0], urls[1]
    );
    for at in 0..ALIASES {
        let family = rng.usize(..2);
        let features = enabled_features(rng);
        map.push_str(&format!(
            "[aliases.alias-{at}]\nfamily = \"family-{family}\"\n{features}\
             provider_model_id = {{ one = \"one-{at}\", two = \"two-{at}\" }}\n"
        ));
    }
    for at in 0..2 {
        let members: Vec<String> =
            (0..TENANTS).filter(|_| rng.bool()).map(|tenant| format!("\"tenant-{tenant}\"")).collect();
        map.push_str(&format!("[cohorts.named-{at}]\ntenants = [{}]\n", members.join(", ")));
        let share = [0, 20, 50, 100][rng.usize(..4)];
        // Nothing that is drawn per request: then the route itself would be a matter of chance.
        map.push_str(&format!(
            "[cohorts.drawn-{at}]\nshare = \"{share}%\"\nsticky_by = [{}]\n",
            sticky_by(rng, false)
        ));
    }
    let mut seen = HashSet::new();
    for _ in 0..rng.usize(..12) {
        push_route(&mut map, rng, &mut seen);
    }
    map.push_str(&format!("# end {version}\n"));
    (map, tenants())
}

/// Mostly everything but a few, so that requests both fit and do not.
fn enabled_features(rng: &mut Rng) -> String {
    let mut list = || {
        let some = Feature::ALL.into_iter().filter(|_| rng.u8(..4) > 0);
        some.map(|feature| format!("\"{}\"", feature.as_str())).collect::<Vec<_>>().join(", ")
    };
    let (first, second) = (list(), list());
    match rng.u8(..4) {
        0 => String::new(),
        1 => format!("enabled_features = {{ two = [{first}] }}\n"),
        2 => format!("enabled_features = {{ one = [{first}], two = [{second}] }}\n"),
        _ => format!("enabled_features = [{first}]\n"),
    }
}

fn push_route(map: &mut String, rng: &mut Rng, seen: &mut HashSet<String>) {
    let families: Vec<usize> =
        (0..2).filter(|at| map.contains(&format!("family = \"family-{at}\""))).collect();
    let scopes =
        ["tenant-0", "tenant-1", "tenant-2", "tenant-3", "named-0", "named-1", "drawn-0", "drawn-1", "*"];
    let scope = scopes[rng.usize(..scopes.len())];
    let models = match rng.u8(..4) {
        0 => "model_alias = \"*\"".to_owned(),
        1 => format!("model_family = \"family-{}\"", families[rng.usize(..families.len())]),
        _ => format!("model_alias = \"alias-{}\"", rng.usize(..ALIASES)),
    };
    let endpoint = match rng.u8(..6) {
        0 => "endpoint = \"chat\"\n",
        1 => "endpoint = \"responses\"\n",
        2 => "endpoint = \"embeddings\"\n",
        _ => "",
    };
    if !seen.insert(format!("{scope} {models} {endpoint}")) {
        return;
    }
    let (home, away) = if rng.bool() { ("one", "two") } else { ("two", "one") };
    let mode = ["primary", "canary", "canary", "canary", "fallback", "disabled"][rng.usize(..6)];
    let stateful = if rng.bool() { "canary" } else { "primary" };
    let share = [0, 10, 50, 100][rng.usize(..4)];
    map.push_str(&format!(
        "[[routes]]\nname = \"route-{}\"\ntenant_or_cohort = \"{scope}\"\n{models}\n{endpoint}mode = \"{mode}\"\n\
         primary_provider = \"{home}\"\nfallback_provider = \"{away}\"\nstateful = \"{stateful}\"\n\
         [routes.canary]\nprovider = \"{away}\"\nshare = \"{share}%\"\nsticky_by = [{}]\n",
        seen.len(),
        sticky_by(rng, true)
    ));
}

fn sticky_by(rng: &mut Rng, may_draw: bool) -> String {
    let mut fields = ["\"safety_identifier\"", "\"user\"", "\"prompt_cache_key\"", "\"tenant\""];
    rng.shuffle(&mut fields);
    let mut list = fields[..rng.usize(1..=fields.len())].to_vec();
    if may_draw && rng.bool() {
        list.push("\"request\"");
    }
    list.join(", ")
}

fn tenants() -> String {
    let mut text = "version = \"1\"\n".to_owned();
    for at in 0..TENANTS {
        let limits =
            ["", "allowed_aliases = [\"alias-0\", \"alias-2\"]\n", "allowed_providers = [\"one\"]\n", ""][at];
        let hash = support::hash(&format!("cgk-{at}"));
        text.push_str(&format!("[tenants.tenant-{at}]\nkey_sha256 = [\"{hash}\"]\n{limits}"));
    }
    text.push_str("# end 1\n");
    text
}
