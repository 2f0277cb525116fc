//! The numbers of [`Report`] beside what is wanted of them.

use super::Report;
use crate::table::{Row, Summary};

/// As much more memory as a gateway may take under overload, in MiB.
const MOST_MIB: f64 = 64.0;

impl Summary for Report {
    fn rows(&self) -> Vec<Row> {
        let (ours, theirs) = (&self.limited, &self.unlimited);
        let grown = |side: &super::Side| {
            side.resident_most.saturating_sub(side.resident_before) as f64 / f64::from(1 << 20)
        };
        let refused = |micros: Option<f64>| micros.map_or_else(|| "none".to_owned(), ms);
        let refusals = Row::new(
            "refusals under overload, p50",
            refused(ours.refused_p50_us),
            refused(theirs.refused_p50_us),
        );
        vec![
            Row::new("p99, unloaded", ms(ours.unloaded_p99_us), ms(theirs.unloaded_p99_us)),
            Row::new("answers, peak", rate(ours.peak_per_second), rate(theirs.peak_per_second)),
            Row::new(
                "goodput under overload",
                rate(ours.goodput_per_second),
                rate(theirs.goodput_per_second),
            )
            .at_least(
                100.0 * ours.goodput_per_second / ours.peak_per_second,
                90.0,
                " % of peak",
            ),
            Row::new(
                "p99 of the admitted under overload",
                ms(ours.admitted_p99_us),
                ms(theirs.admitted_p99_us),
            )
            .at_most(ours.admitted_p99_us / ours.unloaded_p99_us, 2.0, "× unloaded"),
            match ours.refused_p50_us {
                Some(micros) => refusals.at_most(micros / 1_000.0, 1.0, " ms"),
                None => refusals,
            },
            Row::new(
                "refusals under overload, p99",
                refused(ours.refused_p99_us),
                refused(theirs.refused_p99_us),
            ),
            Row::new("memory under overload, more", mib(grown(ours)), mib(grown(theirs))).at_most(
                grown(ours),
                MOST_MIB,
                " MiB",
            ),
        ]
    }

    fn notes(&self) -> Vec<String> {
        vec![
            format!(
                "{} slots and {:.0} answers a second; {} times as many requests, at random instants.",
                self.slots, self.capacity_per_second, self.times
            ),
            "Goodput is what was answered within twice the unloaded p99. The other side has no limit."
                .into(),
        ]
    }
}

fn ms(micros: f64) -> String {
    format!("{:.2} ms", micros / 1_000.0)
}

fn rate(per_second: f64) -> String {
    format!("{per_second:.0}/s")
}

fn mib(mib: f64) -> String {
    format!("{mib:.1} MiB")
}
