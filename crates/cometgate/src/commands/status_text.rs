//! The status of gates as a person reads it.

use config::format_share;
use decisions::bucket::Share;
use jiff::Timestamp;
use serde_json::Value;

/// All of it.
pub(super) fn status_lines(status: &Value) -> Vec<String> {
    let mut lines = vec![format!("route map {}, at {}", text(status, "route_version"), time(status))];
    if status["gates_are_kept"] == Value::Bool(false) {
        lines.push(
            "the state directory cannot be written: canaries are out of traffic, and fallbacks whose gate acts"
                .to_owned(),
        );
    }
    if let Some(why) = status["not_recorded_because"].as_str() {
        lines.push(format!("what gates decide is not recorded: {why}"));
    }
    lines.extend(list(status, "checks").map(check_line));
    for route in list(status, "routes") {
        lines.push(String::new());
        // Of a route without other targets nobody keeps count.
        let in_flight = route["primary_in_flight"].as_u64();
        lines.push(format!(
            "{} (mode {}, primary {}: {}breaker {})",
            text(route, "route"),
            text(route, "mode"),
            text(route, "primary"),
            in_flight.map_or_else(String::new, |count| format!("{count} in flight, ")),
            text(route, "primary_breaker")
        ));
        for target in list(route, "targets") {
            lines.push(format!("  {}", target_line(target)));
            lines.extend(details(target).into_iter().map(|line| format!("    {line}")));
        }
        for entry in list(route, "recent") {
            lines.push(format!("  {}", recent_line(entry)));
        }
    }
    if list(status, "routes").next().is_none() {
        lines.push("no route has a canary or a fallback".to_owned());
    }
    lines.extend(list(status, "catalogs").map(catalog_line));
    lines
}

/// What the last check of a provider's models said.
fn catalog_line(catalog: &Value) -> String {
    let alerts: Vec<String> = list(catalog, "alerts")
        .map(|alert| format!("{} ({})", text(alert, "signal"), text(alert, "severity")))
        .collect();
    let alerts = if alerts.is_empty() { String::new() } else { format!("; {}", alerts.join(", ")) };
    let held: Vec<&str> = list(catalog, "holds_canaries_of").filter_map(Value::as_str).collect();
    let held =
        if held.is_empty() { String::new() } else { format!("; holds the canary of {}", held.join(", ")) };
    let listed = catalog["identifiers"].as_u64().map_or_else(String::new, |count| format!(", {count} IDs"));
    format!(
        "models of {}: {}{listed}, {} configured missing, at {}{alerts}{held}",
        text(catalog, "provider"),
        text(catalog, "outcome"),
        catalog["configured_missing"],
        time(catalog)
    )
}

/// A check that runs.
fn check_line(check: &Value) -> String {
    let where_to = match (check["role"].as_str(), check["share"].as_str()) {
        (Some(role), _) => format!(", its {role}"),
        (None, Some(share)) => format!(", {share} to its canary"),
        (None, None) => String::new(),
    };
    format!(
        "{} is lent to check {} of {}{where_to}, for {} s more unless it is renewed; {} requests of it under way",
        text(check, "route"),
        text(check, "check_id"),
        text(check, "by"),
        check["lapses_in_ms"].as_u64().unwrap_or_default() / 1_000,
        check["in_flight"],
    )
}

/// Where a target stands, in one line.
pub(super) fn target_line(target: &Value) -> String {
    let model = target["model_id"].as_str().map_or_else(String::new, |id| format!(", {id}"));
    let shares = match (target["share_ppm"].as_u64(), target["configured_share_ppm"].as_u64()) {
        (Some(now), Some(configured)) if now == configured => format!(", share {}", share(now)),
        (Some(now), Some(configured)) => format!(", share {} (configured {})", share(now), share(configured)),
        _ => String::new(),
    };
    let why = target["phase_why"].as_str().map_or_else(String::new, |why| format!(": {why}"));
    format!(
        "{} {}{model}, generation {}{shares}: {}{why}",
        text(target, "target"),
        text(target, "provider"),
        target["generation"],
        text(target, "phase")
    )
}

fn details(target: &Value) -> Vec<String> {
    let mut lines = vec![traffic_line(target)];
    match text(target, "mode") {
        "off" => {
            lines.push("its gate is switched off: only a person takes it out of traffic".to_owned());
        }
        "observe" => {
            lines.push("its gate only observes: it says what it would do, and does nothing".to_owned());
        }
        _ => {}
    }
    if target["latch"].is_object() {
        lines.push(format!("rolled back {}", latch_words(&target["latch"])));
    }
    if target["proof"].is_object() {
        lines.push(proof_line(&target["proof"]));
    }
    let holds: Vec<&str> = list(target, "holds").filter_map(Value::as_str).collect();
    if !holds.is_empty() && text(target, "phase") != "latched" {
        lines.push(format!("held: {}", holds.join(", ")));
    }
    if target["copies"].is_object() {
        lines.push(copies_line(&target["copies"]));
    }
    if target["step"].is_object() {
        lines.push(step_line(&target["step"]));
    }
    if text(target, "phase") != "latched" {
        lines.extend(list(target, "signals").map(signal_line));
    }
    lines
}

/// What it gets.
fn traffic_line(target: &Value) -> String {
    let observed = &target["observed"];
    let seconds = observed["within_ms"].as_u64().unwrap_or_default() / 1_000;
    let began = match (observed["share_ppm"].as_f64(), observed["requests"].as_u64()) {
        (Some(ppm), _) => {
            format!("{:.1}% of {} requests in the last {seconds} s", ppm / 10_000.0, observed["of"])
        }
        (None, Some(requests)) => format!("{requests} requests in the last {seconds} s"),
        (None, None) => "no request seen yet".to_owned(),
    };
    format!("{began}; {} in flight; breaker {}", target["in_flight"], text(target, "breaker"))
}

/// Whether nothing is left on it.
fn proof_line(proof: &Value) -> String {
    if text(proof, "verdict") == "rollback_proven" {
        return format!("rollback proven at {}", time(proof));
    }
    let remaining: Vec<&str> = list(proof, "remaining").filter_map(Value::as_str).collect();
    let until = if proof["is_watched"] == true {
        "remaining"
    } else {
        "not proven when the gateway ended; remaining then"
    };
    format!("{until}: {}", remaining.join("; "))
}

fn latch_words(latch: &Value) -> String {
    let operator = &latch["operator"];
    let by = operator["by"]
        .as_str()
        .map_or_else(String::new, |by| format!(" by {by}: {}", text(operator, "reason")));
    let signal = latch["signal"].as_str().map_or_else(String::new, |signal| {
        let number = |name: &str| latch[name].as_f64().unwrap_or_default();
        format!(
            ", {signal}: {} of {} attempts failed, e-value {:.1} against {:.0}",
            latch["failures"],
            latch["n"],
            number("e_value"),
            1.0 / number("alpha")
        )
    });
    format!("at {}, {}{signal}{by}", time(latch), text(latch, "reason"))
}

fn copies_line(copies: &Value) -> String {
    let copied = copies["share_ppm"].as_u64().map(share).unwrap_or_default();
    let (good, failed) = (&copies["good"], &copies["failed"]);
    let (other, under_way) = (&copies["other"], &copies["under_way"]);
    format!(
        "copies, of {copied}: {good} answered well, {failed} failed, {other} say nothing, {under_way} under way"
    )
}

fn step_line(step: &Value) -> String {
    let shares: Vec<String> = list(step, "shares_ppm").filter_map(Value::as_u64).map(share).collect();
    let missing: Vec<&str> = list(step, "missing").filter_map(Value::as_str).collect();
    let missing = if missing.is_empty() { "nothing".to_owned() } else { missing.join(", ") };
    let to_go = step["good_attempts_to_go"]
        .as_u64()
        .filter(|left| *left > 0)
        .map_or_else(String::new, |left| format!("; {left} good attempts in a row would be evidence enough"));
    format!(
        "step {} of {} ({}); missing for the next: {missing}{to_go}",
        step["at"],
        step["of"],
        shares.join(", ")
    )
}

/// How sure the gate is, and what would trip it.
fn signal_line(signal: &Value) -> String {
    let trip = signal["failures_to_trip"].as_u64().map_or_else(String::new, |count| {
        let failures = if count == 1 {
            "one more failure".to_owned()
        } else {
            format!("{count} more failures in a row")
        };
        format!("; {failures} would trip it")
    });
    format!(
        "{}: {}, evidence {:.1} of {:.0}; {} of {} attempts failed{trip}",
        text(signal, "signal"),
        text(signal, "how_sure"),
        signal["one_in"].as_f64().unwrap_or_default(),
        signal["trips_at"].as_f64().unwrap_or_default(),
        signal["failures"],
        signal["attempts"]
    )
}

/// Who did what, when.
fn recent_line(entry: &Value) -> String {
    let shares = || {
        let share_of = |name: &str| share(entry[name].as_u64().unwrap_or_default());
        format!("{} to {}", share_of("from_share_ppm"), share_of("to_share_ppm"))
    };
    let what = match text(entry, "kind") {
        "operator_action" => {
            let outcome = if entry["changed"] == Value::Bool(false) {
                ", which changed nothing".to_owned()
            } else if entry["from_share_ppm"] == entry["to_share_ppm"] {
                String::new()
            } else {
                format!(", {}", shares())
            };
            format!("{}{outcome}, {} ({})", text(entry, "action"), text(entry, "by"), text(entry, "reason"))
        }
        "step_decision" => format!("step from {}, the gate", shares()),
        _ => format!("{} ({}), the gate", text(entry, "verdict"), text(entry, "reason")),
    };
    format!("{}  {} {what}", time(entry), text(entry, "target"))
}

fn share(ppm: u64) -> String {
    let share = u32::try_from(ppm).ok().and_then(Share::from_ppm);
    share.map_or_else(|| format!("{ppm} ppm"), format_share)
}

/// To the second.
fn time(value: &Value) -> String {
    let at = text(value, "at");
    at.parse::<Timestamp>().map_or_else(|_| at.to_owned(), |at| format!("{at:.0}"))
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or("unknown")
}

fn list<'v>(value: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> {
    value[name].as_array().into_iter().flatten()
}
