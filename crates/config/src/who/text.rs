//! Who is in a canary as people and as programs read it.

use decisions::bucket::Share;
use decisions::plan::Mode;
use serde_json::{Value as Json, json};

use crate::diff::sticky_names;
use crate::diff::words::{self, fraction, percent, shown};
use crate::share::format_share;
use crate::who::{Drawn, InCanary, Reach, Split, Who};

/// Lines of one kind that somebody reads at night.
const MOST: usize = 40;

impl Who {
    /// For people, a line each.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("route {}: {}", self.route, self.what())];
        if let Some(split) = self.split.as_ref().filter(|_| self.mode == Mode::Canary) {
            lines.push(split.text());
        }
        if self.groups.is_empty() {
            lines.push("nobody is in: no tenant's requests come to this route".to_owned());
        } else if self.is_nobody() {
            lines.push(format!("nobody is {}", self.place()));
        }
        let groups = self.groups.iter().map(|group| self.group_text(group)).collect();
        lines.extend(capped(groups));
        lines.extend(capped(self.drawn.iter().map(Drawn::text).collect()));
        lines
    }

    /// For programs.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let group = |group: &InCanary| {
            let endpoints: Vec<&str> = group.endpoints.iter().map(|endpoint| endpoint.as_str()).collect();
            json!({
                "tenants": group.tenants,
                "aliases": group.aliases,
                "endpoints": endpoints,
                "keyed": group.keyed.to_json(),
                "plain": group.plain.to_json(),
            })
        };
        let drawn = |drawn: &Drawn| {
            json!({
                "tenant": drawn.tenant,
                "position": drawn.position,
                "is_in": drawn.is_in,
                "is_whole": drawn.is_whole,
                "is_kept_out": drawn.is_kept_out,
            })
        };
        json!({
            "route": self.route,
            "mode": self.mode.as_str(),
            "is_held": self.is_held,
            "provider": self.provider,
            "primary_provider": self.primary,
            "split": self.split.as_ref().map(|split| json!({
                "salt": split.salt,
                "share_ppm": split.share_ppm,
                "climbs_to_ppm": split.climbs_to_ppm,
                "sticky_by": split.sticky_by.iter().map(|by| by.as_str()).collect::<Vec<_>>(),
            })),
            "groups": self.groups.iter().map(group).collect::<Vec<_>>(),
            "tenants_drawn_by_name": self.drawn.iter().map(drawn).collect::<Vec<_>>(),
        })
    }

    fn what(&self) -> String {
        let primary = &self.primary;
        match (self.mode, &self.split, &self.provider) {
            (Mode::Disabled, _, _) => "mode disabled, every request is refused".to_owned(),
            _ if self.is_held => format!("held at {primary}, until its map's way back is proven"),
            (Mode::Canary, Some(split), Some(provider)) => {
                format!("mode canary, {} to {provider}, the rest to {primary}", split.share())
            }
            (Mode::Fallback, _, Some(provider)) => format!("mode fallback, all to {provider}"),
            (mode, _, _) => format!("mode {}, all to {primary}", mode.as_str()),
        }
    }

    fn place(&self) -> &'static str {
        if self.mode == Mode::Fallback { "at the fallback" } else { "in the canary" }
    }

    fn group_text(&self, group: &InCanary) -> String {
        let who = words::tenants(&group.tenants, self.tenants);
        let (aliases, endpoints) = (words::aliases(&group.aliases), words::endpoints(&group.endpoints));
        let place = self.place();
        let shares = if group.keyed == group.plain {
            group.keyed.text("requests", place)
        } else {
            format!(
                "{}; {}",
                group.keyed.text("keyed requests", place),
                group.plain.text("plain ones", place)
            )
        };
        format!("{who}, {aliases}{endpoints}: {shares}")
    }
}

impl Reach {
    fn text(self, what: &str, place: &str) -> String {
        if self.reach == 0 {
            return format!("{what} do not come here");
        }
        let all = format!("{} of {what} {place}", percent(self.within));
        if self.reach == words::ALL {
            return all;
        }
        let (some, reach) = (percent(self.of_those_that_reach()), percent(self.reach));
        format!("{all} ({some} of the {reach} that come here)")
    }

    fn to_json(self) -> Json {
        json!({
            "of_all": fraction(self.within),
            "of_those_that_reach_the_route": fraction(self.of_those_that_reach()),
            "reach_the_route": fraction(self.reach),
        })
    }
}

impl Split {
    fn share(&self) -> String {
        let text = |ppm| Share::from_ppm(ppm).map(format_share).unwrap_or_default();
        match self.climbs_to_ppm {
            None => text(self.share_ppm),
            Some(most) => format!("{} (and up to {} by steps)", text(self.share_ppm), text(most)),
        }
    }

    fn text(&self) -> String {
        format!(
            "a key is in if xxh3_64(salt 0x1f key) x 1000000 >> 64 is below {}; salt {}; the key is the first of: {}",
            self.share_ppm,
            shown(&self.salt),
            sticky_names(&self.sticky_by)
        )
    }
}

impl Drawn {
    fn text(&self) -> String {
        let side = if self.is_in { "in" } else { "out" };
        let what = if self.is_whole { "as a whole" } else { "with what carries no key" };
        let why =
            if self.is_kept_out { ", which would be in, but its allowed_providers keep it home" } else { "" };
        format!("tenant {}: {side} {what}, position {}{why}", self.tenant, self.position)
    }
}

/// As many as fit a screen, and how many more there are.
fn capped(mut lines: Vec<String>) -> Vec<String> {
    if lines.len() > MOST {
        let more = lines.len() - MOST;
        lines.truncate(MOST);
        lines.push(format!("and {} more", words::count(more)));
    }
    lines
}
