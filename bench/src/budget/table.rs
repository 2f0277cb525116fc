//! The numbers of [`Report`] beside what is wanted of them.

use super::{BURST, Report, Side, Sides};
use crate::table::{Row, Summary};

/// One number of a side.
type Tell = fn(&Side, &Sides) -> String;

impl Summary for Report {
    fn rows(&self) -> Vec<Row> {
        let trace = &self.trace;
        let tell = |what: &str, tell: Tell| told(what, trace, tell);
        let mut rows = vec![
            tell("trace: budget spent", |side, all| percent(side.spent_nanos, all.budget_nanos))
                .at_most(hundredths(trace.tollgate.spent_nanos, trace.budget_nanos), 100.0, " %"),
            tell("trace: spent before the first refusal", |side, all| {
                percent(side.spent_before_refusals_nanos, all.budget_nanos)
            })
            .at_least(
                hundredths(trace.tollgate.spent_before_refusals_nanos, trace.budget_nanos),
                98.0,
                " %",
            ),
            tell("trace: answered whole", |side, _| side.served.to_string()),
            tell("trace: cut, nothing was left", |side, _| side.cut.to_string()),
            tell("trace: refused", |side, _| side.refused.to_string()),
            tell("trace: refused though it was left", |side, _| side.needless.to_string()),
        ];
        for burst in &self.bursts {
            rows.push(
                told("burst: served", burst, |side, _| format!("{} of {BURST}", side.served))
                    .at_least(burst.tollgate.served as f64, 19.0, ""),
            );
            let over = burst.tollgate.spent_nanos.saturating_sub(burst.budget_nanos);
            rows.push(
                told("burst: budget spent", burst, |side, all| {
                    percent(side.spent_nanos, all.budget_nanos)
                })
                .at_most(over as f64, 0.0, " overshoot"),
            );
        }
        rows
    }

    fn notes(&self) -> Vec<String> {
        vec![
            "Other sides: hold the worst case / charge after, in virtual time and knowing every prompt's size.".into(),
            format!(
                "{} requests, a budget of 80 % of their cost; max_tokens {}, {:.0} % streams, played {} times as fast as recorded.",
                self.trace.requests, self.max_tokens, self.stream * 100.0, self.speed
            ),
            format!("Bursts: {BURST} streams at once, a budget of 110 % of their cost, nothing learned before."),
        ]
    }
}

fn told(what: &str, sides: &Sides, tell: Tell) -> Row {
    let others = [&sides.worst_case, &sides.charge_after].map(|side| tell(side, sides));
    Row::new(what, tell(&sides.tollgate, sides), others.join(" / "))
}

fn hundredths(part: u64, of: u64) -> f64 {
    part as f64 / of as f64 * 100.0
}

fn percent(part: u64, of: u64) -> String {
    format!("{:.2} %", hundredths(part, of))
}
