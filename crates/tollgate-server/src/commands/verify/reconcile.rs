//! `tollgate verify --reconcile`: what a crash left unresolved is resolved.

use std::{collections::HashSet, process::ExitCode};

use anyhow::Context as _;
use serde::Serialize;
use serde_json::json;
use tollgate::{
    Clock,
    store::embedded::{Balance, LimitBalance, Reconciled, Resolution, reconcile},
};
use tollgate_core::{Demand, ReservationId};
use uuid::Uuid;

use super::{Rest, VerifyArgs, conclude, shown, usage};
use crate::{
    commands::table::{numbers, table},
    output,
    roster::{By, Change, Moment, Trail},
};

/// What was done, for programs.
#[derive(Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    done: &'a Reconciled,
    /// Ids of the file that nothing is unresolved of.
    not_unresolved: &'a [Uuid],
}

/// Ids that are named to people.
const MOST_NAMED: usize = 5;

/// Resolves: success is a clean ledger, failure one with findings.
pub(super) fn run(args: &VerifyArgs) -> anyhow::Result<ExitCode> {
    let usages = args.usage.as_deref().map(usage::read).transpose()?.unwrap_or_default();
    let mut met = HashSet::new();
    let decide = |id: ReservationId, reserved: &Demand| match (usages.get(&id), args.reconcile) {
        (Some(known), _) => {
            met.insert(id);
            Resolution::Settle(known.of(reserved))
        }
        (None, Some(Rest::Release)) => Resolution::Release,
        (None, Some(Rest::Keep)) => Resolution::Keep,
        (None, None) => Resolution::Leave,
    };
    let done = reconcile(&args.ledger, Clock::no_earlier_than, decide)?;
    note(args, &done)?;
    let mut not_unresolved: Vec<Uuid> =
        usages.keys().filter(|id| !met.contains(*id)).map(|id| Uuid::from_u128(id.0)).collect();
    not_unresolved.sort_unstable();
    if args.json {
        let report = Report { done: &done, not_unresolved: &not_unresolved };
        let report = serde_json::to_string_pretty(&report).context("writing what was done")?;
        output::line(report);
    } else {
        tell(&done, &not_unresolved);
    }
    Ok(if done.after.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Writes down in the audit of the roster beside the ledger what was resolved, if anything was.
fn note(args: &VerifyArgs, done: &Reconciled) -> anyhow::Result<()> {
    if done.settled + done.released + done.kept == 0 {
        return Ok(());
    }
    let user = std::env::var("USER").unwrap_or_else(|_| "unknown".to_owned());
    let at = Moment::of(Clock::system().now().wall);
    let by =
        By { who: format!("command:{user}"), at, reason: None }.because(args.reason.clone())?;
    let before = json!({ "unresolved": done.before.outstanding });
    let after = json!({
        "unresolved": done.after.outstanding, "settled": done.settled,
        "released": done.released, "kept": done.kept,
    });
    let change = Change { what: "ledger.reconcile", subject: String::new(), before, after };
    Ok(Trail::note_beside(&args.ledger, change, &by)?)
}

fn tell(done: &Reconciled, not_unresolved: &[Uuid]) {
    output::line(format_args!(
        "of {} unresolved reservations, {} are settled by what was used, {} released and {} kept; {} are left",
        done.before.outstanding, done.settled, done.released, done.kept, done.after.outstanding,
    ));
    let header = ["limit", "unresolved before", "settled", "released", "unresolved now"];
    let mut changes = table(&header);
    // Nothing is reserved meanwhile, so both have the same limits.
    for (before, now) in done.before.limits.iter().zip(&done.after.limits) {
        let (before, LimitBalance { limit, unit, balance }) = (before.balance, now);
        let show = |amount| shown(*unit, amount);
        changes.add_row([
            limit.clone(),
            show(unresolved(&before)),
            format!("+{}", show(balance.settled.saturating_sub(before.settled))),
            format!("+{}", show(balance.released.saturating_sub(before.released))),
            show(unresolved(balance)),
        ]);
    }
    if !done.after.limits.is_empty() {
        output::line(numbers(changes, 1));
    }
    if !not_unresolved.is_empty() {
        let first: Vec<String> =
            not_unresolved.iter().take(MOST_NAMED).map(Uuid::to_string).collect();
        output::line(format_args!(
            "{} ids of the file have nothing unresolved here, and were passed over: {}{}",
            not_unresolved.len(),
            first.join(", "),
            if not_unresolved.len() > MOST_NAMED { ", …" } else { "" },
        ));
    }
    conclude(&done.after);
}

/// What counts as used, or is held, without anybody having said what was used.
const fn unresolved(balance: &Balance) -> u64 {
    balance.expired + balance.held
}
