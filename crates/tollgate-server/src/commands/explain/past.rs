//! What became of a request: what the ledger has of its id, and what the process keeps of it.

use std::{path::Path, process::ExitCode};

use anyhow::bail;
use serde_json::{Map, Value, json};
use tollgate::store::embedded::{AccountCharge, LedgerError, LedgerRow, ReservationRow, lookup};
use tollgate_core::{Amounts, ReservationId, Time, Unit};
use uuid::Uuid;

use crate::{
    commands::{
        ask::Asker,
        table::{amount, judged, numbers, table, text},
    },
    output,
    screen::clean,
};

/// Where the ledger is if nothing else is said.
pub(super) const LEDGER: &str = "tollgate.db";

pub(super) fn run(
    text: &str,
    ledger: &Path,
    asker: &Asker,
    as_json: bool,
) -> anyhow::Result<ExitCode> {
    let Ok(id) = text.parse::<Uuid>() else {
        output::note(format_args!(
            "error: `{}` is no id: write the UUID that X-Tollgate-Request-Id told, like {}",
            clean(text),
            Uuid::nil(),
        ));
        return Ok(ExitCode::from(2));
    };
    let kept = asker.find(&format!("/v1/decisions/{id}"));
    let told = kept.as_ref().ok().and_then(Option::as_ref);
    let decisions: Vec<Value> =
        told.and_then(|told| told["decisions"].as_array().cloned()).unwrap_or_default();
    // What the process knows was asked when its id says, so a refusal reads no whole ledger.
    let rows = match lookup(ledger, ReservationId(id.as_u128()), decisions.is_empty()) {
        Ok(rows) => Ok(rows),
        // Another process may have it all the same.
        Err(error @ LedgerError::Missing { .. }) => Err(error),
        Err(error) => return Err(error.into()),
    };
    let found = rows.as_deref().unwrap_or_default();
    if found.is_empty() && decisions.is_empty() {
        let ledger = match &rows {
            Ok(_) => format!("the ledger {} has no such reservation", ledger.display()),
            Err(error) => error.to_string(),
        };
        match &kept {
            Ok(_) => bail!(
                "nothing is known of {id}: {ledger}, and the process keeps no such refusal, failure or wait of late"
            ),
            Err(error) => bail!("nothing is known of {id}: {ledger}, and {error:#}"),
        }
    }
    if as_json {
        output::line(format_args!("{:#}", as_object(id, found, &decisions)));
    } else {
        tell(id, found, &decisions);
    }
    Ok(ExitCode::SUCCESS)
}

fn as_object(id: Uuid, rows: &[ReservationRow], decisions: &[Value]) -> Value {
    let events: Vec<Value> = rows.iter().map(event).collect();
    json!({ "id": id, "events": events, "decisions": decisions })
}

fn event(row: &ReservationRow) -> Value {
    let LedgerRow { seq, kind, wall, amounts, estimated, attributes, .. } = &row.row;
    let attributes: Map<String, Value> =
        attributes.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    json!({
        "seq": seq, "kind": kind, "at": instant(*wall), "attributes": attributes,
        "requests": amounts.requests, "input_tokens": amounts.input_tokens,
        "output_tokens": amounts.output_tokens, "milliseconds": amounts.millis,
        "usd": amounts.cost, "estimated": estimated, "expires_at": row.expires.map(instant),
        "charges": row.charges.iter().map(charge).collect::<Vec<_>>(),
    })
}

fn charge(charge: &AccountCharge) -> Value {
    let quantity = |amount: u64| quantity(charge.unit, amount);
    let account: Map<String, Value> =
        charge.account.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    json!({
        "limit": charge.limit, "allows": charge.allows, "account": account,
        "unit": charge.unit.name(), "cap": quantity(charge.cap), "shadow": charge.shadow,
        "before": charge.before.map(quantity), "reserved": quantity(charge.held),
        "used": charge.used.map(quantity),
    })
}

/// An amount in the unit that people use.
fn quantity(unit: Unit, amount: u64) -> Value {
    match unit {
        Unit::Usd => json!(amount as f64 / 1e9),
        Unit::Seconds => json!(amount as f64 / 1e3),
        _ => json!(amount),
    }
}

fn instant(at: Time) -> String {
    let at = jiff::Timestamp::from_nanosecond(i128::from(at.as_nanos()));
    format!("{:.3}", at.unwrap_or(jiff::Timestamp::MAX))
}

fn tell(id: Uuid, rows: &[ReservationRow], decisions: &[Value]) {
    for decision in decisions {
        of_decision(id, decision);
    }
    let Some(first) = rows.first() else { return };
    output::line(format_args!(
        "{} at {}{}",
        judged(&format!("{id} was admitted"), true),
        instant(first.row.wall),
        waited(id, first.row.wall),
    ));
    let who = first.row.attributes.iter();
    let who: Vec<String> = who.map(|(name, value)| format!("{name} {}", clean(value))).collect();
    if !who.is_empty() {
        output::line(format_args!("asked by: {}", who.join(", ")));
    }
    for row in rows {
        let estimated = if row.row.estimated { ", by estimate" } else { "" };
        output::line(format_args!(
            "{} {}: {}{estimated}",
            instant(row.row.wall),
            word(row.row.kind),
            amounts(&row.row.amounts),
        ));
    }
    if !rows.iter().any(|row| ["settle", "void", "expire"].contains(&row.row.kind)) {
        output::line("it has not ended yet, as far as the ledger tells");
    }
    let charges = of_charges(rows);
    if charges.row_count() > 0 {
        output::line(format_args!("\n{charges}"));
    }
}

/// What the process kept: a refusal, a failure, or how it came to be admitted.
fn of_decision(id: Uuid, decision: &Value) {
    let known = |name: &str| clean(&text(&decision[name]));
    let what = text(&decision["decision"]);
    if what == "admit" {
        let tried = decision["attempts"].as_str().map(clean);
        let tried =
            tried.map_or_else(String::new, |tried| format!("; others did not serve: {tried}"));
        output::line(format_args!("it waited for {} ms{tried}", known("waited_ms")));
        return;
    }
    let did = match what.as_str() {
        "refuse" => format!("{id} was refused by {}", known("limit")),
        _ => format!("{id} failed"),
    };
    output::line(format_args!(
        "{} at {}: {} ({} {})",
        judged(&did, false),
        known("at"),
        known("message"),
        known("status"),
        known("error"),
    ));
    match &decision["retry_at"] {
        Value::Null if what == "refuse" => output::line("no instant was promised"),
        Value::Null => {}
        at => output::line(format_args!("it would be admitted at {}", text(at))),
    }
    if let Some(waited) = decision["waited_ms"].as_u64() {
        output::line(format_args!("it waited for {waited} ms"));
    }
    if let Some(attempts) = decision["attempts"].as_str() {
        output::line(format_args!("asked before: {}", clean(attempts)));
    }
    let who = decision["who"].as_object().into_iter().flatten();
    let who: Vec<String> =
        who.map(|(name, value)| format!("{name} {}", clean(&text(value)))).collect();
    if !who.is_empty() {
        output::line(format_args!("asked by: {}", who.join(", ")));
    }
    let limits = decision["limits"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !limits.is_empty() {
        output::line(format_args!("\n{}", of_standings(limits)));
    }
}

fn of_standings(limits: &[Value]) -> comfy_table::Table {
    let mut table = table(&["limit", "verdict", "asked", "left then", "of", "more at"]);
    for limit in limits {
        let quantity = |name: &str| amount(&limit["unit"], &limit[name]);
        let verdict = if limit["in_the_way"] == true { "in the way" } else { "had room" };
        table.add_row([
            text(&limit["name"]),
            verdict.to_owned(),
            quantity("asked"),
            quantity("remaining"),
            quantity("limit"),
            text(&limit["reset_at"]),
        ]);
    }
    numbers(table, 2)
}

/// Every account that it was charged to: what was used of it before, reserved and used.
fn of_charges(rows: &[ReservationRow]) -> comfy_table::Table {
    let header = ["limit", "account", "allows", "before", "reserved", "used"];
    let mut table = table(&header);
    let begun: Vec<&AccountCharge> =
        rows.iter().filter(|row| row.row.kind == "reserve").flat_map(|row| &row.charges).collect();
    for charge in begun {
        let its = |row: &ReservationRow| -> Option<u64> {
            let same = |other: &&AccountCharge| {
                other.limit == charge.limit && other.account == charge.account
            };
            row.charges
                .iter()
                .filter(same)
                .map(|other| other.used.unwrap_or(other.held))
                .reduce(|a, b| a.saturating_add(b))
        };
        let of_kind =
            |kinds: &'static [&str]| rows.iter().filter(move |row| kinds.contains(&row.row.kind));
        let reserved = of_kind(&["reserve", "extend"]).filter_map(its).fold(0, u64::saturating_add);
        let used = of_kind(&["settle", "void", "expire"]).filter_map(its).next_back();
        let shown = |value: Option<u64>| {
            let value = value.map(|value| quantity(charge.unit, value)).unwrap_or_default();
            amount(&charge.unit.name().into(), &value)
        };
        let account: Vec<String> =
            charge.account.iter().map(|(name, value)| format!("{name} {}", clean(value))).collect();
        let shadow = if charge.shadow { " (shadow)" } else { "" };
        table.add_row([
            format!("{}{shadow}", charge.limit),
            if account.is_empty() { "all together".to_owned() } else { account.join(", ") },
            charge.allows.clone(),
            shown(charge.before),
            shown(Some(reserved)),
            shown(used),
        ]);
    }
    numbers(table, 3)
}

const fn word(kind: &str) -> &str {
    match kind.as_bytes() {
        b"reserve" => "reserved",
        b"extend" => "reserved more",
        b"renew" => "renewed",
        b"settle" => "settled",
        b"void" => "voided, nothing was used",
        b"expire" => "expired, all of it counts as used",
        b"overrun" => "of that not reserved",
        _ => "noted",
    }
}

fn amounts(amounts: &Amounts) -> String {
    let mut said = vec![match amounts.requests {
        1 => "1 request".to_owned(),
        count => format!("{count} requests"),
    }];
    if amounts.input_tokens + amounts.output_tokens > 0 {
        said.push(format!("{} tokens in", amounts.input_tokens));
        said.push(format!("{} out", amounts.output_tokens));
    }
    if amounts.millis > 0 {
        said.push(format!("{} s", amounts.millis as f64 / 1e3));
    }
    said.push(format!("${}", amounts.cost));
    said.join(", ")
}

/// How long after its id was made it was admitted, where the id tells and that is a wait.
fn waited(id: Uuid, admitted: Time) -> String {
    let made = id.get_timestamp().filter(|_| id.get_version_num() == 7).map(|it| it.to_unix());
    let made = made.map(|(seconds, nanos)| seconds * 1_000 + u64::from(nanos) / 1_000_000);
    let admitted = admitted.as_nanos() / 1_000_000;
    match made.and_then(|made| admitted.checked_sub(made)) {
        Some(millis @ 5..3_600_000) => format!(", {millis} ms after it came"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use tollgate_core::Kind;

    use super::*;

    fn row(seq: u64, kind: &'static str, used: Option<u64>) -> ReservationRow {
        let charge = AccountCharge {
            limit: "all".to_owned(),
            allows: "9 tokens at once".to_owned(),
            account: Vec::new(),
            unit: Unit::Tokens,
            kind: Kind::Concurrency,
            cap: 9_000,
            shadow: false,
            held: 700,
            used,
            before: Some(55),
        };
        let row = LedgerRow {
            seq,
            kind,
            id: Some(ReservationId(1)),
            wall: Time::from_millis(seq),
            amounts: Amounts::default(),
            estimated: false,
            attributes: Vec::new(),
        };
        ReservationRow { row, expires: None, charges: vec![charge] }
    }

    /// One that expired was charged whole, until it was told what it had used.
    #[test]
    fn what_was_told_last_is_what_was_used() {
        let mut rows = vec![row(1, "reserve", None), row(2, "expire", Some(700))];
        let cells = |rows: &[ReservationRow]| {
            let table = of_charges(rows);
            let row = table.row(0).expect("the account");
            row.cell_iter().map(comfy_table::Cell::content).skip(3).collect::<Vec<_>>()
        };
        assert_eq!(cells(&rows), ["55", "700", "700"]);
        rows.push(row(3, "settle", Some(321)));
        assert_eq!(cells(&rows), ["55", "700", "321"]);
    }
}
