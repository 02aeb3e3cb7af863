//! What of a pair of files may go live: all of it, all of it with some routes held at home, or, once it has expired,
//! the version to go back to.
//!
//! It decides and changes nothing, so that `routes check` and the edits ask the same question before anything happens.

use std::collections::HashSet;

use config::{Code, Loaded, Problem};
use decisions::RouteId;
use decisions::exposure::{exposed, raised};
use decisions::plan::{Plan, Route};
use decisions::proof::Lack;
use jiff::Timestamp;

use crate::drill_book::DrillBook;
use crate::map_files::{Known, MapPaths, Refused, Texts};
use crate::state::StateDir;
use crate::state::archive::archived;
use crate::state::digest::Digest;
use crate::state::record::Why;
use crate::way_back::{Lacks, Versions, explain_lack, find_lacks, is_development};

/// What a pair of files is judged against.
#[derive(Clone, Copy)]
pub(crate) struct Judge<'s> {
    pub(crate) paths: &'s MapPaths,
    /// The environment that this gateway is for.
    pub(crate) environment: Option<&'s str>,
    /// The versions that were live.
    pub(crate) state: Option<&'s StateDir>,
    /// The drills that were made; without it none was.
    pub(crate) drills: Option<&'s DrillBook>,
    pub(crate) now: Timestamp,
}

/// What is in force before.
#[derive(Clone, Copy)]
pub(crate) enum Before<'p> {
    /// Nothing ever was.
    Nothing,
    /// The same map, with these routes held.
    Same(&'p [String]),
    /// Another map.
    Other(&'p Plan),
    /// There was one, and nobody knows what it said.
    Unknown,
}

/// What may go live.
pub(crate) struct Standing {
    pub(crate) loaded: Loaded,
    pub(crate) texts: Texts,
    pub(crate) why: Why,
    /// The routes that are held at their primary, by name.
    pub(crate) held: Vec<String>,
    /// When it has to be judged again.
    pub(crate) judge_again: Option<Timestamp>,
    pub(crate) notes: Vec<Note>,
}

/// Something to tell the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) code: Code,
    pub(crate) is_warning: bool,
    pub(crate) text: String,
}

impl From<&Problem> for Note {
    fn from(problem: &Problem) -> Note {
        Note { code: problem.code, is_warning: true, text: problem.to_string() }
    }
}

impl Judge<'_> {
    /// Judges a pair of files.
    pub(crate) fn judge(&self, texts: Texts, why: Why, before: Before<'_>) -> Result<Standing, Refused> {
        let loaded = self.load(&texts)?;
        match loaded.expires_at.filter(|at| *at <= self.now) {
            None => Ok(self.stand(loaded, texts, why, before)),
            Some(at) => Ok(self.act_as_rollback(loaded, texts, at, before)),
        }
    }

    /// A pair that was live, with what was held then.
    pub(crate) fn load_held(&self, texts: &Texts, held: &[String]) -> Option<Loaded> {
        let mut loaded = self.paths.load(texts).ok()?;
        hold(&mut loaded.plan, held);
        Some(loaded)
    }

    pub(crate) fn versions(&self) -> Versions<'_> {
        Versions { directory: &self.paths.directory, state: self.state }
    }

    fn load(&self, texts: &Texts) -> Result<Loaded, Refused> {
        let loaded = self.paths.load(texts)?;
        self.check_environment(&loaded)?;
        self.check_version(&loaded, texts)?;
        Ok(loaded)
    }

    fn check_environment(&self, loaded: &Loaded) -> Result<(), Refused> {
        let Some(wanted) = self.environment else { return Ok(()) };
        let found = loaded.environment.as_deref().unwrap_or("none");
        if found == wanted {
            return Ok(());
        }
        let (found, wanted) = (found.to_owned(), wanted.to_owned());
        Err(Refused::OtherEnvironment { path: self.paths.routes.clone(), found, wanted })
    }

    /// A version never changes: what was live under it, or is kept under it, must be these very bytes.
    fn check_version(&self, loaded: &Loaded, texts: &Texts) -> Result<(), Refused> {
        let version = loaded.plan.route_version();
        let digest = Digest::of(&texts.routes);
        let reused = |known| {
            let (path, version) = (self.paths.routes.clone(), version.to_owned());
            Err(Refused::VersionReused { path, version, known })
        };
        if let Some(record) = self.state.and_then(|state| state.digest_of_version(version))
            && record.routes != digest
        {
            return reused(Known::Live(record.at));
        }
        match archived(&self.paths.directory, version) {
            Ok(Some(kept)) if kept != texts.routes => {
                reused(Known::Kept(self.versions().archive_path(version)))
            }
            // What cannot be read vouches for nothing and forbids nothing.
            Ok(_) | Err(_) => Ok(()),
        }
    }

    fn stand(&self, mut loaded: Loaded, texts: Texts, why: Why, before: Before<'_>) -> Standing {
        let away = exposed(&loaded.plan);
        let lacks = if away.is_empty() {
            Lacks::default()
        } else {
            let tenants = self.paths.tenants_source(&texts);
            find_lacks(&loaded, tenants, self.versions(), self.drills, (&away, self.now))
        };
        let held = if is_development(&loaded) {
            Vec::new()
        } else {
            names_to_hold(&loaded.plan, &lacks.by_route, before)
        };
        let notes = self.notes(&loaded, &lacks.by_route, &held, before);
        hold(&mut loaded.plan, &held);
        let until = loaded.rollback_override.as_ref().map(|vouched| vouched.until);
        let ends = loaded.expires_at.into_iter().chain(until).chain(lacks.drilled_until);
        let judge_again = ends.filter(|at| *at > self.now).min();
        Standing { loaded, texts, why, held, judge_again, notes }
    }

    /// One for each thing that is missing.
    fn notes(
        &self,
        loaded: &Loaded,
        lacks: &[(RouteId, Lack)],
        held: &[String],
        before: Before<'_>,
    ) -> Vec<Note> {
        let mut kinds: Vec<Lack> = Vec::new();
        for (_, lack) in lacks {
            if !kinds.contains(lack) {
                kinds.push(*lack);
            }
        }
        let of_kind = |kind: Lack| {
            let lacking = lacks.iter().filter(|(_, lack)| *lack == kind);
            let names = lacking.map(|(id, _)| loaded.plan.route(*id).name.as_str());
            let (held, others): (Vec<_>, Vec<_>) =
                names.partition(|name| held.iter().any(|held| held == name));
            self.note(loaded, kind, (&held, &others), before)
        };
        kinds.into_iter().filter_map(of_kind).collect()
    }

    fn note(
        &self,
        loaded: &Loaded,
        lack: Lack,
        (held, others): (&[&str], &[&str]),
        before: Before<'_>,
    ) -> Option<Note> {
        let lacking = if held.is_empty() { others } else { held };
        let (what, mend) = explain_lack(loaded, lack, self.versions(), lacking);
        let version = loaded.plan.route_version();
        let is_first = matches!(before, Before::Nothing);
        let text = match (held, is_first) {
            ([], true) if is_development(loaded) => return None,
            ([], true) => format!(
                "route map {version} is the first, so it needs no proven way back; the next one that raises a share \
                 does: {what}"
            ),
            ([], false) => format!("route map {version} has no proven way back: {what}\n  help: {mend}"),
            (held, _) => format!(
                "route map {version} has no proven way back, so these routes send to their primary only: {}; {what}\n  \
                 help: {mend}",
                held.join(", ")
            ),
        };
        Some(Note { code: Code::WouldBeHeld, is_warning: !is_first, text })
    }

    /// An expired map acts as a rollback, not as "no route".
    fn act_as_rollback(
        &self,
        mut loaded: Loaded,
        texts: Texts,
        at: Timestamp,
        before: Before<'_>,
    ) -> Standing {
        let version = loaded.plan.route_version().to_owned();
        let expired = format!("route map {version} expired at {at:.0}");
        if let Some((back, back_texts)) = self.find_unexpired_rollback(&loaded, &texts) {
            let to = back.plan.route_version().to_owned();
            let mut standing = self.stand(back, back_texts, Why::Expired, before);
            let text = format!("{expired}: its rollback_route_version {to} takes its place");
            standing.notes.insert(0, Note { code: Code::Expired, is_warning: true, text });
            return standing;
        }
        let away = exposed(&loaded.plan);
        let held: Vec<String> = away.iter().map(|id| loaded.plan.route(*id).name.clone()).collect();
        hold(&mut loaded.plan, &held);
        let text = format!(
            "{expired}, and it names no version to go back to that can be used: all its routes send to their primary\n  \
             help: put a map with a later `expires_at` in its place"
        );
        let notes = vec![Note { code: Code::Expired, is_warning: true, text }];
        Standing { loaded, texts, why: Why::Expired, held, judge_again: None, notes }
    }

    fn find_unexpired_rollback(&self, loaded: &Loaded, texts: &Texts) -> Option<(Loaded, Texts)> {
        let version = loaded.rollback_route_version.as_deref()?;
        let routes = self.versions().find(version).ok()??;
        let back_texts = Texts { routes, tenants: texts.tenants.clone() };
        let back = self.load(&back_texts).ok()?;
        let is_usable =
            back.plan.route_version() == version && back.expires_at.is_none_or(|expires| expires > self.now);
        is_usable.then_some((back, back_texts))
    }
}

fn names_to_hold(plan: &Plan, lacks: &[(RouteId, Lack)], before: Before<'_>) -> Vec<String> {
    if matches!(before, Before::Nothing) {
        return Vec::new();
    }
    let raised = if let Before::Other(before) = before { raised(before, plan) } else { Vec::new() };
    let is_held = |(id, lack): &&(RouteId, Lack)| match before {
        // Whoever vouched did so until then, a drill proves for so long, and what went live on it goes home.
        _ if lack.has_ended() => true,
        Before::Nothing => false,
        Before::Unknown => true,
        Before::Same(held) => held.contains(&plan.route(*id).name),
        Before::Other(_) => raised.contains(id),
    };
    lacks.iter().filter(is_held).map(|(id, _)| plan.route(*id).name.clone()).collect()
}

fn hold(plan: &mut Plan, names: &[String]) {
    let names: HashSet<&str> = names.iter().map(String::as_str).collect();
    let is_named = |(_, route): &(RouteId, &Route)| names.contains(route.name.as_str());
    let ids: Vec<RouteId> = plan.routes().filter(is_named).map(|(id, _)| id).collect();
    ids.into_iter().for_each(|id| plan.hold(id));
}
