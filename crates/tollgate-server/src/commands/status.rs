//! `tollgate status`: how a running process is, asked of its control plane.

use std::process::ExitCode;

use serde_json::Value;

use super::{
    ask::{Asker, Base, TokenArgs},
    table::{amount, judged, numbers, table, text},
};
use crate::{
    output,
    screen::{clean, span},
};

/// Shows how the running gateway is: its health, services, limits that are in the way, alerts.
///
/// Exit status 0 when it is healthy: it serves, its store is well, and `overall_status` is
/// `healthy`. 1 when not, or when nothing answers.
#[derive(Debug, clap::Args)]
pub(crate) struct StatusArgs {
    /// The control plane
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8788")]
    admin: Base,
    #[command(flatten)]
    token: TokenArgs,
    /// Show every limit, and what it did
    #[arg(long)]
    limits: bool,
    /// Print the answer as JSON: what /status tells and what /v1/monitor does, in one object
    #[arg(long)]
    json: bool,
}

/// The share of a limit from which on it is told of, though it has refused nobody.
const NEAR: f64 = 0.8;

/// Shows the status: success is a process that is well.
///
/// # Errors
/// When nothing answers, or not with a status.
pub(crate) fn run(args: &StatusArgs) -> anyhow::Result<ExitCode> {
    let asker = Asker::new(&args.admin, args.token.read()?.as_deref(), "--admin")?;
    let mut status = asker.ask("/status")?;
    if let (Some(status), Value::Object(monitor)) =
        (status.as_object_mut(), asker.ask("/v1/monitor")?)
    {
        status.extend(monitor);
    }
    if args.json {
        output::line(format_args!("{status:#}"));
    } else {
        tell(&status, args.limits);
    }
    Ok(if is_well(&status) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn is_well(status: &Value) -> bool {
    status["stage"] == "serving"
        && status["store"]["healthy"] == true
        && status["ended"].is_null()
        && status["overall_status"] == "healthy"
}

fn tell(status: &Value, all_limits: bool) {
    if let Some(line) = super::emergency::line(&status["emergency"]) {
        output::line(line);
    }
    let stage = text(&status["stage"]);
    let overall = text(&status["overall_status"]);
    let store = &status["store"];
    let health = if store["healthy"] == true { "healthy" } else { "unhealthy" };
    output::line(format_args!(
        "{} {}/100: tollgate {} is {} on {} for {}",
        judged(&overall, overall == "healthy"),
        text(&status["health_score"]),
        text(&status["version"]),
        judged(&stage, stage == "serving"),
        text(&status["listen"]),
        span(status["uptime_seconds"].as_u64().unwrap_or_default()),
    ));
    output::line(format_args!(
        "store: {}, {}; profile: {}",
        text(&store["kind"]),
        judged(health, health == "healthy"),
        text(&status["policy"]["profile"]),
    ));
    if let Some(line) = of_redis(&store["redis"]) {
        output::line(line);
    }
    of_totals(status);
    let list = |name: &str| status[name].as_array().map(Vec::as_slice).unwrap_or_default();
    for part in list("ended") {
        let part = clean(&text(part));
        output::line(format_args!(
            "error: `{part}` has ended, see the log: start the process anew"
        ));
    }
    for warning in status["policy"]["warnings"].as_array().into_iter().flatten() {
        output::line(format_args!("warning: {}", text(warning)));
    }
    for alert in list("alerts") {
        let severity = text(&alert["severity"]);
        output::line(format_args!(
            "{} {} since {}: {}",
            judged(&severity, false),
            clean(&text(&alert["name"])),
            text(&alert["since_at"]),
            clean(&text(&alert["message"])),
        ));
    }
    for warning in list("budget_warnings") {
        output::line(format_args!("{} {}", text(&warning["at"]), text(&warning["message"])));
    }
    if !list("nodes").is_empty() {
        output::line(format_args!("\n{}", of_nodes(list("nodes"))));
        if let Some(line) = of_policies(list("nodes")) {
            output::line(line);
        }
    }
    if let Some(services) = status["services"].as_object().filter(|all| !all.is_empty()) {
        output::line(format_args!("\n{}", of_services(services)));
    }
    let limits: Vec<&Value> =
        list("limits").iter().filter(|limit| all_limits || is_in_the_way(limit)).collect();
    match (limits.is_empty(), list("limits").len()) {
        (false, _) => output::line(format_args!("\n{}", of_limits(&limits))),
        (true, 0) => output::line("\nno limit is in the policy"),
        (true, count) => output::line(format_args!(
            "\nnone of {count} limits is in the way: --limits shows them"
        )),
    }
}

fn of_totals(status: &Value) {
    let totals = &status["totals"];
    output::line(format_args!(
        "requests: {} admitted and {} refused of {}; {} running, of {} users",
        text(&totals["admitted"]),
        text(&totals["refused"]),
        text(&totals["requests"]),
        text(&status["concurrent"]),
        text(&status["users"]),
    ));
    output::line(format_args!(
        "tokens: {} in and {} out; cost: ${}, of it overrun ${}",
        text(&totals["input_tokens"]),
        text(&totals["output_tokens"]),
        text(&totals["cost_usd"]),
        text(&totals["overrun_usd"]),
    ));
}

/// Whether a limit has refused somebody or made somebody wait, or is about to.
fn is_in_the_way(limit: &Value) -> bool {
    let some = |name: &str| limit[name].as_u64().is_some_and(|count| count > 0);
    let standing = &limit["standing"];
    let number = |name: &str| standing[name].as_f64();
    let is_near = number("limit")
        .zip(number("remaining"))
        .is_some_and(|(all, left)| all - left >= NEAR * all);
    let is_dialed = limit["dial"].as_f64().is_some_and(|dial| dial < 1.0);
    ["refused", "waited", "shadowed", "warned"].into_iter().any(some) || is_near || is_dialed
}

/// How Redis is, where there is one.
fn of_redis(redis: &Value) -> Option<String> {
    let state = redis["state"].as_str()?;
    let shown = state.replace('_', " ");
    let state = judged(&shown, state == "connected");
    Some(match redis["why"].as_str() {
        Some(why) => format!("redis: {state} since {}: {}", text(&redis["since_at"]), clean(why)),
        None => format!("redis: {state}, answers in {} ms", text(&redis["response_ms"])),
    })
}

fn of_nodes(nodes: &[Value]) -> comfy_table::Table {
    let mut table = table(&["node", "state", "silent", "address", "version", "policy", "since"]);
    for node in nodes {
        let is_live = node["is_live"] == true;
        let this = if node["is_this"] == true { " (this)" } else { "" };
        table.add_row([
            format!("{}{this}", clean(&text(&node["name"]))),
            judged(if is_live { "live" } else { "dead" }, is_live),
            format!("{} ms", text(&node["silent_ms"])),
            clean(&text(&node["address"])),
            clean(&text(&node["version"])),
            clean(&text(&node["policy"])),
            text(&node["since_at"]),
        ]);
    }
    table
}

/// What there is to say where nodes that live serve several policies.
fn of_policies(nodes: &[Value]) -> Option<String> {
    let live = nodes.iter().filter(|node| node["is_live"] == true);
    let policies: std::collections::BTreeSet<String> =
        live.map(|node| text(&node["policy"])).filter(|policy| !policy.is_empty()).collect();
    (policies.len() > 1).then(|| {
        format!(
            "warning: the nodes serve {} policies: reload those that lag behind",
            policies.len()
        )
    })
}

fn of_services(services: &serde_json::Map<String, Value>) -> comfy_table::Table {
    let header = [
        "service", "status", "circuit", "success", "running", "queue", "requests", "cost",
        "a minute", "p95",
    ];
    let mut table = table(&header);
    for (name, service) in services {
        let usd = |name: &str| match &service[name] {
            Value::Null => "-".to_owned(),
            usd => format!("${}", text(usd)),
        };
        let p95 = service["latency_ms"]["p95"].as_f64();
        table.add_row([
            clean(name),
            text(&service["status"]),
            text(&service["circuit"]).replace('_', " "),
            percent(&service["success_rate"]),
            text(&service["concurrent"]),
            text(&service["queue"]),
            text(&service["requests"]),
            usd("cost_usd"),
            usd("cost_per_minute_usd"),
            p95.map_or_else(|| "-".to_owned(), |millis| format!("{millis:.0} ms")),
        ]);
    }
    numbers(table, 3)
}

fn of_limits(limits: &[&Value]) -> comfy_table::Table {
    let is_dialed = limits.iter().any(|limit| limit["dial"].is_number());
    let dial = is_dialed.then_some("dial");
    let header = ["limit", "per", "allows", "refused", "waited", "would refuse", "left"];
    let mut table = table(&header.into_iter().chain(dial).collect::<Vec<_>>());
    for limit in limits {
        let standing = &limit["standing"];
        let is_shadow = match (&limit["shadow"], &limit["soft"]) {
            (Value::Bool(true), _) => " (shadow)",
            (_, Value::Bool(true)) => " (soft)",
            _ => "",
        };
        let row = [
            format!("{}{is_shadow}", text(&limit["name"])),
            text(&limit["per"]),
            text(&limit["allows"]),
            text(&limit["refused"]),
            text(&limit["waited"]),
            text(&limit["shadowed"]),
            amount(&standing["unit"], &standing["remaining"]),
        ];
        table.add_row(row.into_iter().chain(dial.map(|_| percent(&limit["dial"]))));
    }
    numbers(table, 3)
}

/// A share as people say it.
fn percent(share: &Value) -> String {
    share.as_f64().map_or_else(|| text(share), |share| format!("{:.1} %", share * 100.0))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn it_is_well_where_all_of_it_is() {
        let well = json!({
            "stage": "serving", "store": {"healthy": true}, "overall_status": "healthy",
        });
        assert!(is_well(&well));
        for (name, value) in [
            ("stage", json!("draining")),
            ("store", json!({"healthy": false})),
            ("overall_status", json!("degraded")),
            ("overall_status", Value::Null),
        ] {
            let mut ill = well.clone();
            ill[name] = value;
            assert!(!is_well(&ill), "{ill}");
        }
    }

    #[test]
    fn a_limit_is_in_the_way_where_it_did_something_or_is_nearly_full() {
        let limit = |remaining: u64| {
            json!({
                "refused": 0, "waited": 0, "shadowed": 0, "warned": 0,
                "standing": {"limit": 100, "remaining": remaining},
            })
        };
        assert!(!is_in_the_way(&limit(21)));
        assert!(is_in_the_way(&limit(20)));
        for (name, value) in [
            ("refused", json!(1)),
            ("waited", json!(1)),
            ("shadowed", json!(1)),
            ("dial", json!(0.5)),
        ] {
            let mut limit = limit(100);
            limit[name] = value;
            assert!(is_in_the_way(&limit), "{limit}");
        }
    }

    #[test]
    fn nodes_are_shown_and_those_that_serve_another_policy_told() {
        let node = |name: &str, is_live: bool, policy: &str| {
            json!({ "name": name, "is_this": name == "a", "is_live": is_live, "silent_ms": 5,
                "address": "h:1", "version": "1", "policy": policy, "since_at": "then" })
        };
        let nodes = [node("a", true, "x"), node("b", true, "x"), node("c", false, "y")];
        let shown = of_nodes(&nodes).to_string();
        assert!(shown.contains("a (this)") && shown.contains("dead"), "{shown}");
        assert_eq!(of_policies(&nodes), None, "the dead serve none");
        let nodes = [node("a", true, "x"), node("b", true, "y")];
        assert!(of_policies(&nodes).is_some_and(|line| line.contains("2 policies")));
        let away = json!({ "state": "away", "why": "no", "since_at": "then" });
        assert!(of_redis(&away).is_some_and(|line| line.ends_with("since then: no")));
        assert_eq!(of_redis(&Value::Null), None);
    }

    #[test]
    fn the_dial_is_shown_where_a_limit_has_one() {
        let limit = |name: &str, dial: Value| {
            json!({
                "name": name, "per": [], "allows": "10/minute", "refused": 0, "shadowed": 0,
                "standing": { "unit": "requests", "remaining": 7 }, "dial": dial,
            })
        };
        let (a, b) = (limit("a", json!(0.125)), limit("b", Value::Null));
        let shown = of_limits(&[&a, &b]).to_string();
        let lines: Vec<&str> = shown.lines().map(str::trim).collect();
        assert!(lines[0].ends_with("dial"), "{shown}");
        assert!(lines[2].ends_with("12.5 %") && lines[3].ends_with('-'), "{shown}");
        assert!(!of_limits(&[&b]).to_string().contains("dial"));
    }
}
