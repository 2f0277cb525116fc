//! The numbers of [`Report`] beside what is wanted of them.

use std::collections::BTreeSet;

use super::{Latency, Report, bearing::Bearing, limits::Limits, outage::Outage};
use crate::table::{Row, Summary};

impl Summary for Report {
    fn rows(&self) -> Vec<Row> {
        let limits = self.limits.iter().flat_map(of_limits);
        let outage = self.outage.iter().flat_map(of_outage);
        limits.chain(outage).chain(self.concurrency.iter().flat_map(of_bearing)).collect()
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        for limits in &self.limits {
            notes.push(format!(
                "Limits that come back {}: {:.0} requests/s were offered where the provider takes {:.0}/s; the other side does not learn.",
                limits.refill, limits.offered_per_second, limits.capacity_per_second
            ));
        }
        let late = self.limits.iter().map(|limits| limits.late_s).fold(0.0, f64::max);
        if late > 1.0 {
            notes.push(format!(
                "The callers came up to {late:.0} s late: the machine had too much to do, and less was offered than is said."
            ));
        }
        if let Some(outage) = &self.outage {
            notes.push(format!(
                "Outage: {:.0} requests/s; the first provider failed for {:.1} s; circuits are open for {:.0} s; the other side has neither a second provider nor a breaker. Calls were counted on their way to the provider.",
                outage.offered_per_second, outage.ill_s, outage.recovery_s
            ));
        }
        if let Some(bearing) = &self.concurrency {
            notes.push(format!(
                "Concurrency: {:.0} requests/s were offered where the provider makes {:.0}/s, {} at once at its full pace; it fails a tenth of its calls at once. The second half counts; the other side does not adapt.",
                bearing.offered_per_second, bearing.capacity_per_second, bearing.bears
            ));
        }
        notes
    }
}

fn of_limits(limits: &Limits) -> Vec<Row> {
    let (on, off, refill) = (&limits.learning, &limits.not_learning, limits.refill);
    let percent = |part: f64| format!("{part:.1} %");
    let of_calls = |throttled: usize, share: f64| format!("{throttled} ({share:.2} %)");
    let row = |what: &str, on: String, off: String| Row::new(format!("{refill}: {what}"), on, off);
    vec![
        row("capacity used", percent(on.used_percent), percent(off.used_percent)).at_least(
            on.used_percent,
            95.0,
            " %",
        ),
        row(
            "429s of the provider",
            of_calls(on.throttled, on.throttled_percent),
            of_calls(off.throttled, off.throttled_percent),
        )
        .at_most(on.throttled_percent, 0.1, " %"),
        row("calls to the provider", on.calls.to_string(), off.calls.to_string()),
        row(
            "served of those who asked",
            format!("{} of {}", on.served, on.asked),
            format!("{} of {}", off.served, off.asked),
        ),
        row("refused by the gateway", on.refused.to_string(), off.refused.to_string()),
        row("served after, p50, p99", after(on.answered), after(off.answered)),
        row(
            "longest time without an answer",
            format!("{:.1} s", on.silent_s),
            format!("{:.1} s", off.silent_s),
        ),
        row("refused after, p50, p99", after(on.given_up), after(off.given_up)),
    ]
}

fn of_outage(outage: &Outage) -> Vec<Row> {
    let row =
        |what: &str, ours: String, bare: String| Row::new(format!("outage: {what}"), ours, bare);
    let none = || "-".to_owned();
    let mut rows = vec![
        row(
            "served while it lasted",
            format!("{:.2} %", outage.goodput_percent),
            format!("{:.2} %", outage.bare_goodput_percent),
        )
        .at_least(outage.goodput_percent, 95.0, " %"),
        row(
            "calls to what failed",
            outage.calls_ill.to_string(),
            outage.bare_calls_ill.to_string(),
        ),
        row("calls while the circuit was open", outage.calls_open.to_string(), none()).at_most(
            outage.calls_open as f64,
            0.0,
            "",
        ),
        row(
            "probes",
            format!(
                "{} in {} times, {} at most",
                outage.calls_half_open, outage.half_opened, outage.most_probes
            ),
            none(),
        ),
        row("noticed after", format!("{:.2} s", outage.noticed_s), none()),
        row("recovered after", format!("{:.2} s", outage.recovered_s), none()).at_most(
            outage.recovered_s,
            outage.recovery_s,
            " s",
        ),
        row("served after, p50, p99", after(outage.answered), after(outage.bare_answered)),
    ];
    for phase in &outage.phases {
        let groups: BTreeSet<&String> = phase.got.keys().chain(phase.bare.keys()).collect();
        for group in groups {
            let count = |of: &std::collections::BTreeMap<String, usize>| {
                of.get(group).map(ToString::to_string).unwrap_or_default()
            };
            let what = format!("{} ({:.1} s): {group}", phase.name, phase.seconds);
            rows.push(Row::new(what, count(&phase.got), count(&phase.bare)));
        }
    }
    rows
}

fn of_bearing(bearing: &Bearing) -> Vec<Row> {
    let (on, off) = (&bearing.adapting, &bearing.not_adapting);
    let row =
        |what: &str, on: String, off: String| Row::new(format!("concurrency: {what}"), on, off);
    vec![
        row("at once, median", on.median_at_once.to_string(), off.median_at_once.to_string())
            .at_most(
                f64::from(on.median_at_once) / f64::from(bearing.bears),
                2.0,
                "× what is borne",
            ),
        row("at once, most", on.most_at_once.to_string(), off.most_at_once.to_string()),
        row(
            "failed at once by the provider",
            on.failed_by_provider.to_string(),
            off.failed_by_provider.to_string(),
        ),
        row("served", on.served.to_string(), off.served.to_string()),
        row("refused by the gateway", on.refused.to_string(), off.refused.to_string()),
        row("served after, p50, p99", after(on.answered), after(off.answered)),
    ]
}

fn after(latency: Latency) -> String {
    format!("{:.0}, {:.0} ms", latency.p50_ms, latency.p99_ms)
}
