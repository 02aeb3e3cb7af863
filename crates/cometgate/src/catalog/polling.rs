//! The running gateway's own checks of the catalogs: at a conservative interval, one provider at a time, on a thread that
//! serves no request and over connections of their own. They change no route.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use config::Settings;
use evidence::{Body, CatalogCheck, Kind};
use jiff::Timestamp;
use proxy::SnapshotHandle;
use readiness::catalog::{Class, Severity, Signal, Told, Watch, drift};
use tokio_util::sync::CancellationToken;

use crate::catalog::promotion;
use crate::catalog::record::{drift_record, says_the_same, severity_of};
use crate::catalog::remembered::{self, GATEWAY, Remembered};
use crate::catalog::round::{self, Asking, Round};
use crate::catalog::snapshots::{Snapshot, Snapshots, Taken};
use crate::catalog::standings::Standings;
use crate::checks::Checked;
use crate::checks::prior::Prior;
use crate::clock::now;
use crate::exit::Failure;
use crate::gates::acting::Acting;
use crate::gates::keeper::Keeper;
use crate::gates::ticking::GateClock;
use crate::map_files::{MapPaths, Texts};
use crate::metrics::Fate;
use crate::state::StateDir;
use crate::state::digest::Digest;

/// The first check comes within this time after the start, or within an interval where that is shorter.
const SOON: Duration = Duration::from_secs(30);

/// A check that says the same is recorded again after a day.
const DAY_MS: i64 = 24 * 3_600_000;

/// An interval is longer or shorter by up to one part in so many, so that gateways that were started together ask apart.
const JITTER: u32 = 10;

/// What polling needs.
pub(crate) struct Polling {
    settings: Settings,
    handle: Arc<SnapshotHandle>,
    gates: Arc<Keeper>,
    clock: GateClock,
    standings: Arc<Standings>,
}

/// What is known of a provider after a check.
pub(super) struct Known {
    pub(super) memory: Memory,
    pub(super) round: Round,
}

/// What is remembered of a provider from check to check.
pub(super) struct Memory {
    pub(super) watch: Watch,
    remembered: Remembered,
    /// By this process.
    recorded: Option<CatalogCheck>,
}

impl Memory {
    fn begin(remembered: Remembered) -> Memory {
        Memory { watch: Watch::default(), remembered, recorded: None }
    }

    /// Whether a check says something else than the one that was recorded last, or that was a day ago: what is the same each
    /// hour fills no store.
    fn is_news(&self, now: &CatalogCheck) -> bool {
        let Some(last) = &self.recorded else { return true };
        now.ts.ms() - last.ts.ms() >= DAY_MS || !says_the_same(last, now)
    }
}

impl Polling {
    pub(crate) fn new(settings: &Settings, acting: &Acting) -> Polling {
        Polling {
            settings: settings.clone(),
            handle: Arc::clone(&acting.handle),
            gates: Arc::clone(&acting.keeper),
            clock: acting.clock,
            standings: Arc::clone(&acting.catalogs),
        }
    }

    /// Checks until told to stop; returns at once where it is off.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let Some(interval) = self.settings.catalog.interval else { return };
        let mut known = BTreeMap::new();
        let mut pause = interval.min(SOON).mul_f64(draw());
        loop {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => return,
            }
            tokio::select! {
                done = self.poll(&mut known) => if let Err(failure) = done {
                    tracing::error!("the providers' catalogs could not be checked: {failure}");
                },
                () = stop.cancelled() => return,
            }
            let most = interval / JITTER;
            pause = interval - most + most.mul_f64(2.0 * draw());
        }
    }

    /// All providers of the map in force, once.
    async fn poll(&self, known: &mut BTreeMap<String, Known>) -> Result<(), Failure> {
        let checked = Checked::of(self.settings.clone(), self.texts_in_force()?)?.prepare()?;
        let back = Prior::of(&checked).into_map();
        let asking = Asking {
            command: "cometgate serve",
            by: GATEWAY,
            link: None,
            with_negative: false,
            compared: &[],
            timeout: self.settings.catalog.timeout,
        };
        let names: Vec<&str> = checked.providers.iter().map(|provider| provider.name.as_str()).collect();
        known.retain(|name, _| names.contains(&name.as_str()));
        self.standings.keep_only(&names);
        let new: Vec<&str> = names.iter().copied().filter(|name| !known.contains_key(*name)).collect();
        let mut remembered = match new[..] {
            [] => BTreeMap::new(),
            _ => remembered::read(&self.settings.state_dir, &new).map_err(Failure::invalid)?,
        };
        for (at, name) in names.iter().copied().enumerate() {
            let memory = match known.remove(name) {
                Some(known) => known.memory,
                None => Memory::begin(remembered.remove(name).unwrap_or_default()),
            };
            let back = back.as_ref().map(|back| &back.plan);
            let round = round::check(&checked, at, back, &asking, &memory.remembered).await;
            known.insert(name.to_owned(), self.take_in(&checked, round, memory));
        }
        let snapshot = self.handle.current();
        if snapshot.plan().route_version() == checked.loaded.plan.route_version() {
            let held = promotion::tell(&snapshot, known, self.clock.now_ms());
            for name in names {
                let routes = held.get(name).cloned().unwrap_or_default();
                self.standings.hold(name, routes);
            }
        }
        Ok(())
    }

    /// What a check says is logged, recorded and remembered.
    fn take_in(&self, checked: &Checked, round: Round, mut memory: Memory) -> Known {
        let before = memory.watch.clone();
        let configured = round.alignment.models.iter().map(|model| model.of.model_id.as_str()).collect();
        memory.watch.tell(&self.told(&round), &configured);
        tell_alerts(&round, &before, &memory.watch);
        self.standings.note(&round, memory.watch.missing(), memory.watch.alerts());
        let record = &round.record;
        memory.remembered.add(record);
        let mut found = Vec::new();
        // Where nobody was asked there is nothing to record.
        if round.seen.outcome.class != Class::NoKey && memory.is_news(record) {
            memory.recorded = Some(record.clone());
            found.push((None, Body::from(record.clone())));
        }
        found.extend(self.compare(checked, &round).map(|body| (None, body)));
        if !found.is_empty() {
            self.record(checked, &round.provider, found);
        }
        Known { memory, round }
    }

    fn record(&self, checked: &Checked, provider: &str, found: Vec<(Option<String>, Body)>) {
        let kinds: Vec<Kind> = found.iter().map(|(_, body)| body.kind()).collect();
        let counts = self.gates.evidence_counts();
        let fate = match checked.record(GATEWAY, found) {
            Ok(_) => Fate::Recorded,
            Err(failure) => {
                tracing::error!(provider, "a check of a catalog is not recorded: {failure}");
                counts.failed(now());
                Fate::Lost
            }
        };
        kinds.into_iter().for_each(|kind| counts.count(kind, fate));
    }

    fn told<'r>(&self, round: &'r Round) -> Told<'r> {
        let models = || round.alignment.models.iter();
        let listed = models().filter(|model| model.is_listed == Some(true));
        let not_allowed = round.alignment.unapproved().union(&round.alignment.blocked()).copied().collect();
        Told {
            class: Some(round.seen.outcome.class),
            listed: listed.map(|model| model.of.model_id.as_str()).collect(),
            missing: round.alignment.missing(),
            not_allowed,
            approved_changed: round.record.approved_not_listed_changed == Some(true),
            is_slow: round.seen.took > self.settings.catalog.slow,
        }
    }

    /// Against the list that was seen last, which this one takes the place of.
    fn compare(&self, checked: &Checked, round: &Round) -> Option<Body> {
        let catalog =
            round.seen.catalog.as_ref().filter(|catalog| !catalog.ids.is_empty() && !catalog.is_partial)?;
        let snapshots = Snapshots::of(&self.settings.state_dir);
        let provider = &round.provider;
        let unusable =
            |error: &io::Error| tracing::warn!(provider, "the list of models is not kept: {error}");
        let before = snapshots.read(provider, Taken::Seen).inspect_err(unusable).ok()?;
        let now = Snapshot::new(provider, round.record.ts, catalog.ids.clone());
        snapshots.write(&now, Taken::Seen).inspect_err(unusable).ok();
        let before = before?;
        let used: BTreeSet<&str> =
            round.alignment.models.iter().map(|model| model.of.model_id.as_str()).collect();
        let found = drift(&before.ids, &catalog.ids, &used);
        if found.is_empty() {
            return None;
        }
        self.standings.drifted(provider, &found);
        let (summary, severity) = (found.summary(), severity_of(&found));
        tracing::info!(provider, severity = severity.as_str(), "the list of models has changed: {summary}");
        Some(drift_record(checked, (GATEWAY, None), &before, &catalog.ids, &found).into())
    }

    /// The files where they are what is in force, else what is kept of that.
    fn texts_in_force(&self) -> Result<Texts, Failure> {
        let paths = MapPaths::of(&self.settings);
        let sha256 = self.gates.map().routes_sha256;
        let is_in_force = |texts: &Texts| evidence::Digest::from(Digest::of(&texts.routes)) == sha256;
        if let Ok(texts) = paths.read()
            && is_in_force(&texts)
            && paths.load(&texts).is_ok()
        {
            return Ok(texts);
        }
        let kept = || {
            let state = StateDir::read(&self.settings.state_dir).ok().flatten()?;
            let last = state.last()?;
            let routes = state.routes_text(last.routes).ok().flatten()?;
            let tenants = state.tenants_text(last.tenants).ok().flatten()?;
            Some(Texts { routes, tenants }).filter(is_in_force)
        };
        kept()
            .context("the map in force is neither in its files nor in the state directory")
            .map_err(Failure::invalid)
    }
}

/// Each alert when it begins, gets worse or ends.
fn tell_alerts(round: &Round, before: &Watch, now: &Watch) {
    let provider = &round.provider;
    let outcome = &round.seen.outcome;
    let (was, is): (BTreeMap<Signal, Severity>, BTreeMap<Signal, Severity>) =
        (before.alerts().into_iter().collect(), now.alerts().into_iter().collect());
    for (signal, severity) in &is {
        if was.get(signal) == Some(severity) {
            continue;
        }
        let ids: Vec<&str> = match signal {
            Signal::ConfiguredMissing => round.alignment.missing().into_iter().collect(),
            Signal::NotAllowed => {
                round.alignment.unapproved().union(&round.alignment.blocked()).copied().collect()
            }
            _ => Vec::new(),
        };
        let named = if ids.is_empty() { String::new() } else { format!(": {}", ids.join(", ")) };
        let what = format!("{}{named}", signal.as_sentence());
        if *severity == Severity::High {
            tracing::error!(provider, signal = signal.as_str(), severity = "high", "catalog: {what}");
        } else {
            tracing::warn!(
                provider,
                signal = signal.as_str(),
                severity = severity.as_str(),
                "catalog: {what}"
            );
        }
    }
    for signal in was.keys().filter(|signal| !is.contains_key(*signal)) {
        tracing::info!(provider, signal = signal.as_str(), "catalog: this is over");
    }
    if outcome.class.is_unreached() || outcome.class == Class::Service {
        let advice = outcome.class.advice();
        tracing::warn!(
            provider,
            outcome = outcome.class.as_str(),
            detail = outcome.detail,
            "catalog: {advice}"
        );
    }
    tracing::debug!(provider, at = %Timestamp::now(), "the catalog was checked");
}

/// From 0 to 1.
fn draw() -> f64 {
    f64::from(getrandom::u32().unwrap_or(u32::MAX / 2)) / f64::from(u32::MAX)
}
