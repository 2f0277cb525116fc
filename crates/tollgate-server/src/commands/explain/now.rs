//! What would become of a request now: every limit that applies, and its verdict.

use std::process::ExitCode;

use http::Method;
use serde_json::Value;

use super::asked::AskedArgs;
use crate::{
    commands::{
        ask::Asker,
        table::{amount, judged, numbers, table, text},
    },
    output,
    screen::clean,
};

pub(super) fn run(asked: &AskedArgs, asker: &Asker, json: bool) -> anyhow::Result<ExitCode> {
    let explained = asker.send(Method::POST, "/v1/explain", Some(&asked.body()))?;
    if json {
        output::line(format_args!("{explained:#}"));
    } else {
        tell(&explained);
    }
    let passes = explained["decision"] == "admit";
    Ok(if passes { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn tell(explained: &Value) {
    let decision = text(&explained["decision"]);
    let passes = decision == "admit";
    let said = match decision.as_str() {
        "admit" => "it would be admitted".to_owned(),
        "wait" => format!("it would wait for {}", text(&explained["limit"])),
        _ if explained["limit"].is_null() => "it would be refused".to_owned(),
        _ => format!("it would be refused by {}", text(&explained["limit"])),
    };
    output::line(judged(&said, passes));
    if let Some(message) = explained["message"].as_str() {
        output::line(clean(message));
    }
    let who = explained["who"].as_object().into_iter().flatten();
    let who: Vec<String> =
        who.map(|(name, value)| format!("{name} {}", clean(&text(value)))).collect();
    output::line(format_args!("asked by: {}", who.join(", ")));
    for circuit in explained["circuits"].as_array().into_iter().flatten() {
        output::line(of_circuit(circuit));
    }
    let limits = explained["limits"].as_array().map(Vec::as_slice).unwrap_or_default();
    if limits.is_empty() {
        output::line("no limit applies to it");
    } else {
        output::line(format_args!("\n{}", of_limits(limits)));
    }
}

fn of_circuit(circuit: &Value) -> String {
    let (provider, state) = (text(&circuit["provider"]), text(&circuit["state"]));
    let model = circuit["model"].as_str().map(|model| format!("/{}", clean(model)));
    let until = circuit["until_at"].as_str().map(|at| format!(" until {at}"));
    format!(
        "circuit of {provider}{}: {state}{}",
        model.unwrap_or_default(),
        until.unwrap_or_default()
    )
}

fn of_limits(limits: &[Value]) -> comfy_table::Table {
    let mut table = table(&["limit", "per", "allows", "verdict", "asked", "left", "held", "until"]);
    for limit in limits {
        let quantity = |name: &str| amount(&limit["unit"], &limit[name]);
        let verdict = text(&limit["verdict"]);
        let waits = limit["queue"] == true && verdict == "in the way";
        let dial = limit["dial"].as_f64().filter(|dial| *dial < 1.0);
        let dial =
            dial.map_or_else(String::new, |dial| format!(", dialed to {:.1} %", dial * 100.0));
        table.add_row([
            text(&limit["name"]),
            text(&limit["per"]),
            text(&limit["allows"]) + &dial,
            if waits { "waits in its queue".to_owned() } else { verdict },
            quantity("asked"),
            quantity("remaining"),
            quantity("held"),
            text(&limit["retry_at"]),
        ]);
    }
    numbers(table, 4)
}
