//! The table of the benchmark.

use super::{Measured, Report};
use crate::table::{Row, Summary};

/// What is wanted of exact decisions, as a share of calls of an empty script.
const SHARE: f64 = 0.35;

/// How much faster leased ones are to be on a hot account.
const FASTER: f64 = 20.0;

impl Summary for Report {
    fn rows(&self) -> Vec<Row> {
        let Self { empty_script, set, exact, hot, leased, .. } = self;
        vec![
            Row::new(
                "exact decisions of seven limits, against an empty script",
                rate(exact),
                rate(empty_script),
            )
            .at_least(self.exact_share, SHARE, ""),
            Row::new("the same against SET", rate(exact), rate(set)),
            Row::new("how long one takes, p50 / p99", times(exact), times(empty_script)),
            Row::new("the same against SET", times(exact), times(set)),
            Row::new(
                "calls for a decision, and commands within",
                format!("{:.2} / {:.2}", self.exact_calls, self.exact_commands),
                "1 / 0",
            ),
            Row::new(
                "leased decisions of two limits of all, against the same in Redis",
                rate(leased),
                rate(hot),
            )
            .at_least(self.leased_factor, FASTER, "×"),
            Row::new("the same against SET", rate(leased), rate(set)),
            Row::new("how long one takes, p50 / p99", times(leased), times(hot)),
            Row::new(
                "calls for a leased decision, and commands within",
                format!("{:.5} / {:.5}", self.leased_calls, self.leased_commands),
                "1 / 0",
            ),
        ]
    }

    fn notes(&self) -> Vec<String> {
        let asked = &self.asked;
        vec![format!(
            "{} tasks over {} connections on one machine with the server, one call at a time each",
            asked.tasks, asked.connections
        )]
    }
}

fn rate(measured: &Measured) -> String {
    format!("{:.0}/s", measured.per_second)
}

fn times(measured: &Measured) -> String {
    format!("{:.0} / {:.0} µs", measured.p50_us, measured.p99_us)
}
