//! `[cohorts.NAME]` of the map, and the rule by which requests are split, which canaries share with cohorts.

use decisions::bucket::Share;
use decisions::plan::StickyBy;

use crate::code::Code;
use crate::document::{Document, Named};
use crate::fields::Fields;
use crate::map_file::check_name;
use crate::names::{EXACT_RULE, is_exact_text, quote};
use crate::share::parse_share;

/// The first a request carries counts; plain SDK calls carry none, and then every request draws for itself.
pub(crate) const STICKY_BY: [StickyBy; 4] =
    [StickyBy::SafetyIdentifier, StickyBy::User, StickyBy::PromptCacheKey, StickyBy::Request];

/// One `[cohorts.NAME]`.
#[derive(Debug)]
pub(crate) struct CohortEntry {
    pub(crate) name: Named,
    pub(crate) tenants: Option<Vec<Named>>,
    pub(crate) bucketing: Option<BucketingEntry>,
}

/// A share of sticky keys.
#[derive(Debug)]
pub(crate) struct BucketingEntry {
    pub(crate) share: Option<Share>,
    /// Where the share stands, or where it should.
    pub(crate) share_at: usize,
    pub(crate) sticky_by: Vec<StickyBy>,
    pub(crate) salt: Option<Named>,
}

/// How a share is written.
pub(crate) const SHARE_HELP: &str = "in quotes and with a percent sign, as in \"5%\"";

pub(crate) fn read_cohort(document: &Document<'_>, name: Named, mut fields: Fields<'_, '_>) -> CohortEntry {
    check_name(document, "cohort", &name);
    let names_tenants = fields.value("tenants").is_some();
    let tenants = fields.texts("tenants");
    let wants_share =
        ["share", "sticky_by", "salt"].map(|field| fields.value(field).is_some()).contains(&true);
    let bucketing = if names_tenants {
        None
    } else if wants_share {
        fields.required("sticky_by");
        Some(read_bucketing(document, &mut fields, true))
    } else {
        None
    };
    if names_tenants == wants_share {
        let message = format!("cohort {} must have either `tenants` or `share`", quote(&name.text));
        let help = "`share` comes with `sticky_by` and perhaps `salt`";
        document.problem_with_help(Code::TenantsOrShare, name.at, message, help);
    }
    fields.finish();
    CohortEntry { name, tenants, bucketing }
}

pub(crate) fn read_bucketing(
    document: &Document<'_>,
    fields: &mut Fields<'_, '_>,
    needs_share: bool,
) -> BucketingEntry {
    if needs_share {
        fields.required("share");
    }
    let written = fields.text_as("share", SHARE_HELP);
    let share_at = written.as_ref().map_or(fields.at(), |text| text.at);
    let share = written.and_then(|text| read_share(document, &text));
    let list_at = fields.value("sticky_by").map_or(fields.at(), |value| value.span().start);
    let sticky_by = match fields.texts("sticky_by") {
        Some(words) => read_sticky_by(document, list_at, &words),
        None => STICKY_BY.to_vec(),
    };
    let salt = fields.checked_text("salt", is_exact_text, (Code::NotExactText, EXACT_RULE));
    BucketingEntry { share, share_at, sticky_by, salt }
}

/// A share, unless the text is none.
pub(crate) fn read_share(document: &Document<'_>, text: &Named) -> Option<Share> {
    let message = |error| format!("{} cannot be a share: {error}", quote(&text.text));
    let parsed = parse_share(&text.text);
    parsed.map_err(|error| document.problem(Code::BadShare, text.at, message(error))).ok()
}

fn read_sticky_by(document: &Document<'_>, at: usize, words: &[Named]) -> Vec<StickyBy> {
    let mut list: Vec<(StickyBy, usize)> = Vec::new();
    for word in words {
        let Some(by) = StickyBy::ALL.into_iter().find(|by| by.as_str() == word.text) else {
            let message = format!("nothing is sticky by {}", quote(&word.text));
            let known = StickyBy::ALL.iter().map(|by| by.as_str());
            document.unknown(Code::NotAChoice, word.at, message, &word.text, known);
            continue;
        };
        let last = list.last().copied();
        if let Some((_, first_at)) = list.iter().find(|(listed, _)| *listed == by) {
            let message = format!("{} is listed twice", quote(&word.text));
            document.problem_beside(Code::ListedTwice, word.at, *first_at, "first here", message);
        } else if let Some((StickyBy::Request, request_at)) = last {
            let message = "`request` must come last: every request has it, so nothing after it ever counts";
            document.problem_beside(Code::StickyByOrder, word.at, request_at, "this always counts", message);
        } else if let Some((StickyBy::Tenant, _)) = last {
            let message = format!("{} never counts: every request has a tenant", quote(&word.text));
            let help = "what stands after `tenant` is not looked at; put `tenant` last or leave the rest out";
            document.warn(Code::StickyByNeverCounts, word.at, message, help);
        }
        list.push((by, word.at));
    }
    if words.is_empty() {
        document.problem(Code::StickyByEmpty, at, "`sticky_by` is empty: nobody would ever be in");
    }
    list.into_iter().map(|(by, _)| by).collect()
}
