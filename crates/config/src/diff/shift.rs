//! What becomes of one kind of request before and after: the parts, and how many keys change sides.
//!
//! Requests that carry keys are followed from one map to the other, since an equal share under another salt is other
//! people. Plain calls are compared by their shares only: nobody's next call follows from this one.

use decisions::plan::Plan;
use decisions::spread::{Carries, Class, Joint, PartDecision, joint, spread};
use decisions::{Refusal, Role, RouteId};

use crate::diff::words::{Billionths, billionths, fraction, percent, shown};

/// What a kind of request sees of a change.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Shift {
    /// Requests that carry keys.
    pub keyed: Vec<Share>,
    /// Requests that carry none, where they go elsewhere than those that do.
    pub plain: Option<Vec<Share>>,
    /// The keys that are sent elsewhere than before, and why they are more than the shares say; missing where each
    /// request is drawn by itself.
    pub moved: Option<Moved>,
}

/// How many keys are sent elsewhere than before, in billionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Moved {
    /// All of them.
    pub share: u64,
    /// Why they are more than the difference of the shares, where they are.
    pub why: Option<Why>,
}

/// Why equal shares are other keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Why {
    /// The canary's salt is another.
    Salt,
    /// The canary goes by another field.
    StickyBy,
    /// They come by another route, or through another cohort.
    Other,
}

/// One place where requests go, with how many, in billionths.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Share {
    /// Where.
    pub goes: Goes,
    /// Before.
    pub before: u64,
    /// After.
    pub after: u64,
}

/// Where a request goes. The order is that in which parts are listed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Goes {
    /// To a provider, by its role: 0 canary, 1 fallback, 2 primary.
    To {
        /// In which role.
        rank: u8,
        /// The provider's name.
        provider: String,
        /// What it is asked for; `None` where that is what the application sent, or where it differs between the
        /// aliases that are told of together and is the same before and after.
        model: Option<String>,
    },
    /// The gateway answers by itself.
    Refused(&'static str),
}

/// What a class sees of a change; `None` where it sees nothing.
pub(super) fn shift(before: (&Plan, Class<'_>), after: (&Plan, Class<'_>)) -> Option<Shift> {
    let keyed = joint(before, after);
    let with = |class, carries| Class { carries, ..class };
    let plain = [
        spread(before.0, with(before.1, Carries::Nothing)),
        spread(after.0, with(after.1, Carries::Nothing)),
    ];
    let plans = (before.0, after.0);
    let mut keyed_shares = Shares::default();
    for pair in &keyed.pairs {
        keyed_shares.add(plans.0, pair.before, [pair.share, 0.0]);
        keyed_shares.add(plans.1, pair.after, [0.0, pair.share]);
    }
    let mut plain_shares = Shares::default();
    for (part, is_after) in
        plain[0].iter().map(|part| (part, false)).chain(plain[1].iter().map(|part| (part, true)))
    {
        let (plan, share) =
            if is_after { (plans.1, [0.0, part.share]) } else { (plans.0, [part.share, 0.0]) };
        plain_shares.add(plan, part.decision, share);
    }
    let moved = moved(plans, &keyed);
    let (keyed_shares, plain_shares) = (keyed_shares.finish(), plain_shares.finish());
    let is_same = |shares: &[Share]| shares.iter().all(|share| share.before == share.after);
    let nobody_moves = keyed.is_drawn || moved == 0;
    if is_same(&keyed_shares) && is_same(&plain_shares) && nobody_moves {
        return None;
    }
    // Half the sum of all differences: what leaves one place arrives at another.
    let shares_say: Billionths =
        keyed_shares.iter().map(|share| share.after.abs_diff(share.before)).sum::<Billionths>() / 2;
    let why = (moved > shares_say + TOLERANCE).then(|| why(plans, &keyed));
    Some(Shift {
        plain: (plain_shares != keyed_shares).then_some(plain_shares),
        keyed: keyed_shares,
        moved: (!keyed.is_drawn).then_some(Moved { share: moved, why }),
    })
}

/// Sums of rounded parts differ by a few billionths from the rounded sum.
const TOLERANCE: Billionths = 100;

fn moved(plans: (&Plan, &Plan), joint: &Joint<'_>) -> Billionths {
    let is_elsewhere = |then, now| goes(plans.0, then) != goes(plans.1, now);
    billionths(
        joint.pairs.iter().filter(|pair| is_elsewhere(pair.before, pair.after)).map(|pair| pair.share).sum(),
    )
}

fn why((before, after): (&Plan, &Plan), joint: &Joint<'_>) -> Why {
    let split = |route: Option<RouteId>, plan| {
        let plan: &Plan = plan;
        Some(&plan.route(route?).canary.as_ref()?.bucketing)
    };
    let canary = |decision| match decision {
        PartDecision::Send { route, first } if first.role == Role::Canary => Some(route),
        PartDecision::Send { .. } | PartDecision::Refuse(_) => None,
    };
    let then = joint.pairs.iter().find_map(|pair| split(canary(pair.before)?, before));
    let now = joint.pairs.iter().find_map(|pair| split(canary(pair.after)?, after));
    match (then, now) {
        (Some(then), Some(now)) if then.sticky_by != now.sticky_by => Why::StickyBy,
        (Some(then), Some(now)) if then.salt != now.salt => Why::Salt,
        _ => Why::Other,
    }
}

/// Shares that are being summed up.
#[derive(Default)]
struct Shares(Vec<(Goes, [f64; 2])>);

impl Shares {
    fn add(&mut self, plan: &Plan, decision: PartDecision<'_>, share: [f64; 2]) {
        let goes = goes(plan, decision);
        let sum = match self.0.iter_mut().find(|(known, _)| *known == goes) {
            Some((_, sum)) => sum,
            None => {
                self.0.push((goes, share));
                return;
            }
        };
        for (sum, share) in sum.iter_mut().zip(share) {
            *sum += share;
        }
    }

    fn finish(self) -> Vec<Share> {
        let round = |(goes, [before, after]): (Goes, [f64; 2])| {
            let (before, after) = (billionths(before), billionths(after));
            // Sums in another order differ in their last bit, and that is no change.
            let after = if after.abs_diff(before) <= 1 { before } else { after };
            Share { goes, before, after }
        };
        let mut shares: Vec<Share> = self.0.into_iter().map(round).collect();
        shares.sort_unstable();
        shares
    }
}

fn goes(plan: &Plan, decision: PartDecision<'_>) -> Goes {
    match decision {
        PartDecision::Send { first, .. } => Goes::To {
            rank: match first.role {
                Role::Canary => 0,
                Role::Fallback => 1,
                Role::Primary => 2,
            },
            provider: plan.provider(first.provider).name.clone(),
            model: first.model_id.map(str::to_owned),
        },
        PartDecision::Refuse(refusal) => Goes::Refused(match refusal {
            Refusal::UnknownModel => "unknown model",
            Refusal::RouteDisabled(_) => "route disabled",
            Refusal::UnknownKey => "unknown key",
            Refusal::RestrictedTenant => "path not allowed",
            Refusal::ProviderNotAllowed => "provider not allowed",
        }),
    }
}

impl Shift {
    /// Without model IDs, so that aliases that differ in those alone are told of together; with them where one changes.
    pub(super) fn without_models(&self) -> Shift {
        let all = self.keyed.iter().chain(self.plain.iter().flatten());
        let mut known: Vec<(&String, &Option<String>)> = Vec::new();
        for share in all {
            let Goes::To { provider, model, .. } = &share.goes else { continue };
            match known.iter().find(|(name, _)| *name == provider) {
                Some((_, other)) if *other != model => return self.clone(),
                Some(_) => {}
                None => known.push((provider, model)),
            }
        }
        // What is sent as it came is no model ID that could differ.
        if known.iter().any(|(_, model)| model.is_none()) {
            return self.clone();
        }
        let mut bare = self.clone();
        for share in bare.keyed.iter_mut().chain(bare.plain.iter_mut().flatten()) {
            if let Goes::To { model, .. } = &mut share.goes {
                *model = None;
            }
        }
        bare
    }

    /// The parts as people read them.
    pub(super) fn text(&self) -> String {
        let mut text = parts_text(&self.keyed);
        if let Some(Moved { share, why: Some(why) }) = self.moved {
            let why = match why {
                Why::Salt => "another salt",
                Why::StickyBy => "another sticky_by",
                Why::Other => "other keys",
            };
            text = format!("{text}; {why}: {} of keys change sides", percent(share));
        }
        match &self.plain {
            Some(plain) => format!("{text}; plain calls: {}", parts_text(plain)),
            None => text,
        }
    }
}

fn parts_text(shares: &[Share]) -> String {
    let is_said_twice = |goes: &Goes| {
        let same = |share: &&Share| without_role(&share.goes) == without_role(goes);
        shares.iter().filter(same).count() > 1
    };
    let is_unchanged = shares.iter().all(|share| share.before == share.after);
    let part = |share: &Share| {
        let name = goes_text(&share.goes, is_said_twice(&share.goes));
        if share.before == share.after {
            format!("{name} {}", percent(share.after))
        } else {
            format!("{name} {} -> {}", percent(share.before), percent(share.after))
        }
    };
    let parts: Vec<String> = shares.iter().map(part).collect();
    let as_before = if is_unchanged { " as before" } else { "" };
    format!("{}{as_before}", parts.join(", "))
}

fn without_role(goes: &Goes) -> Option<(&String, &Option<String>)> {
    match goes {
        Goes::To { provider, model, .. } => Some((provider, model)),
        Goes::Refused(_) => None,
    }
}

fn goes_text(goes: &Goes, with_role: bool) -> String {
    match goes {
        Goes::To { provider, model, .. } => {
            let role =
                if with_role { format!(" as {}", goes.role().unwrap_or_default()) } else { String::new() };
            let model = model.as_ref().map(|model| format!(" ({})", shown(model))).unwrap_or_default();
            format!("{provider}{model}{role}")
        }
        Goes::Refused(why) => format!("refused ({why})"),
    }
}

impl Goes {
    /// The target's role; `None` where there is no target.
    #[must_use]
    pub fn role(&self) -> Option<&'static str> {
        match self {
            Goes::To { rank: 0, .. } => Some(Role::Canary.as_str()),
            Goes::To { rank: 1, .. } => Some(Role::Fallback.as_str()),
            Goes::To { .. } => Some(Role::Primary.as_str()),
            Goes::Refused(_) => None,
        }
    }
}

/// The parts for programs.
pub(super) fn parts_json(shares: &[Share]) -> serde_json::Value {
    let part = |share: &Share| {
        let (provider, model, refused) = match &share.goes {
            Goes::To { provider, model, .. } => (Some(provider), model.as_ref(), None),
            Goes::Refused(why) => (None, None, Some(why)),
        };
        serde_json::json!({
            "provider": provider,
            "provider_model_id": model,
            "role": share.goes.role(),
            "refused": refused,
            "before": fraction(share.before),
            "after": fraction(share.after),
        })
    };
    shares.iter().map(part).collect()
}
