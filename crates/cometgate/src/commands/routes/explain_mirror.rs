//! Whether copies of a request go to its route's canary, as people and as programs read it.

use config::format_share;
use decisions::mirror::NotMirrored;
use decisions::plan::Mirror;
use serde_json::{Value, json};

/// Nothing where the route has no mirror.
pub(super) fn to_text(mirror: Result<Mirror, NotMirrored>) -> Option<String> {
    match mirror {
        Err(NotMirrored::NoMirror) => None,
        Err(why) => Some(format!("none, {}", because(why))),
        Ok(mirror) => Some(format!(
            "{} of such requests go to the canary too and their answers to nobody; {} a second, {} under way and {} bytes \
             at the most; none with tools, references or a third party's credential",
            format_share(mirror.share),
            mirror.most_per_second,
            mirror.most_in_flight,
            mirror.max_body_bytes,
        )),
    }
}

pub(super) fn to_json(mirror: Result<Mirror, NotMirrored>) -> Value {
    match mirror {
        Err(NotMirrored::NoMirror) => Value::Null,
        Err(why) => json!({ "copies": false, "why": because(why) }),
        Ok(mirror) => json!({
            "copies": true,
            "share_ppm": mirror.share.ppm(),
            "most_per_second": mirror.most_per_second,
            "most_in_flight": mirror.most_in_flight,
            "max_body_bytes": mirror.max_body_bytes,
        }),
    }
}

fn because(why: NotMirrored) -> &'static str {
    match why {
        NotMirrored::NoMirror => "the route has no mirror",
        NotMirrored::NotAtHome => "since it is not the canary's share alone that keeps it at the primary",
        NotMirrored::NotAllowed => "since its tenant has no `allow_mirror`",
        NotMirrored::Endpoint => "since only requests for text and embeddings are copied",
        NotMirrored::Stateful => "since it stores something or goes on from something stored",
        NotMirrored::Tools => "since it has tools, and some act",
        NotMirrored::NotPaidByUs => "since the callers would pay for them",
        NotMirrored::Barred(_) => "since the canary's gate keeps it out",
    }
}
