//! The numbers of [`Report`] beside what is wanted of them.

use super::Report;
use crate::table::{Row, Summary};

impl Summary for Report {
    fn rows(&self) -> Vec<Row> {
        let nanos = |nanos: f64| format!("{nanos:.0} ns");
        vec![
            Row::new(
                "seven limits, decided and settled / two keyed string checks",
                nanos(self.seven_limits_ns),
                nanos(self.governor_two_keyed_ns),
            )
            .at_most(self.seven_limits_ns / self.governor_two_keyed_ns, 1.0, "×"),
            Row::new("of these, admitted", "", "").at_least(
                self.admitted_share * 100.0,
                90.0,
                " %",
            ),
            Row::new(
                "one bucket / direct check",
                nanos(self.one_bucket_ns),
                nanos(self.governor_direct_ns),
            )
            .at_most(self.one_bucket_ns / self.governor_direct_ns, 1.5, "×"),
            Row::new("two threads / one, with the global limits", "", "").at_least(
                self.scaling_with_global,
                1.3,
                "×",
            ),
            Row::new("two threads / one, limits per user only", "", "").at_least(
                self.scaling_per_user,
                1.7,
                "×",
            ),
            Row::new("memory per user", "", "").at_most(self.memory.bytes_per_user, 512.0, " B"),
            Row::new("keys after two idle days", self.memory.keys_after_idle.to_string(), "")
                .at_most(self.memory.keys_after_idle as f64, 0.0, ""),
        ]
    }
}
