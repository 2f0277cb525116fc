//! The numbers of [`Report`] beside what is wanted of them.

use super::{Report, cancelled::Cancelled, crowd::Crowd, fairness::Fairness, http::Http};
use crate::table::{Row, Summary};

impl Summary for Report {
    fn rows(&self) -> Vec<Row> {
        let (ours, theirs) = (self.uncontended.tollgate_ns, self.uncontended.semaphore_ns);
        let nanos = |nanos: f64| format!("{nanos:.0} ns");
        let mut rows = vec![
            Row::new("acquire and release, two limits, nobody waits", nanos(ours), nanos(theirs))
                .at_most(ours / 1_000.0, 1.0, " µs"),
            Row::new(
                format!(
                    "stats of 10,000 users; {} admitted meanwhile",
                    self.uncontended.admitted_meanwhile
                ),
                "",
                "",
            )
            .at_most(self.uncontended.stats_ms, 10.0, " ms"),
        ];
        rows.extend(self.crowd.rows());
        rows.extend(self.cancelled.rows());
        rows.extend(self.fairness.rows());
        rows.extend(self.http.rows());
        rows
    }

    fn notes(&self) -> Vec<String> {
        let (fairness, http) = (&self.fairness, &self.http);
        vec![
            "The other side is tokio's semaphore; in the rows of the hour, first come, first \
             served."
                .into(),
            "Memory of the library is that of handles and places, without tasks; of the gateway, \
             with connections."
                .into(),
            format!("The hour: {}", fairness.traffic),
            format!(
                "{} requests of {} clients, all rates scaled alike, {} of them of the light ones, \
                 who ask less often than the median.",
                fairness.requests, fairness.clients, fairness.light_requests
            ),
            format!("Answers over HTTP by status: {:?}.", http.answers),
        ]
    }
}

impl Crowd {
    fn rows(&self) -> Vec<Row> {
        let (ours, users, theirs) = (&self.tollgate, &self.users, &self.semaphore);
        let bytes = |bytes: f64| format!("{bytes:.0} B");
        let millis = |millis: f64| format!("{millis:.1} ms");
        vec![
            Row::new(
                "10,000 wait for one permit: memory of each",
                bytes(ours.bytes_per_waiter),
                bytes(theirs.bytes_per_waiter),
            )
            .at_most(ours.bytes_per_waiter, 2_048.0, " B"),
            Row::new(
                "… all served, from the first release",
                millis(ours.drain_ms),
                millis(theirs.drain_ms),
            )
            .at_most(ours.drain_ms / 1_000.0, 1.0, " s"),
            Row::new(
                "… rounds in which not all were, or not in order",
                ours.rounds_out_of_order.to_string(),
                theirs.rounds_out_of_order.to_string(),
            )
            .at_most(ours.rounds_out_of_order as f64, 0.0, ""),
            Row::new(
                "10,000 users wait, each before two limits: memory of each",
                bytes(users.bytes_per_waiter),
                "",
            ),
            Row::new("… all served, from the first release", millis(users.drain_ms), "").at_most(
                users.drain_ms / 1_000.0,
                1.0,
                " s",
            ),
            Row::new(
                "… rounds in which not all were, or not in order",
                users.rounds_out_of_order.to_string(),
                "",
            )
            .at_most(users.rounds_out_of_order as f64, 0.0, ""),
        ]
    }
}

impl Cancelled {
    fn rows(&self) -> Vec<Row> {
        let (ours, theirs) = (&self.tollgate, &self.semaphore);
        vec![
            Row::new(
                "half of them go away: others lost",
                ours.lost.to_string(),
                theirs.lost.to_string(),
            )
            .at_most(ours.lost as f64, 0.0, ""),
            Row::new("… permits leaked", ours.leaked.to_string(), theirs.leaked.to_string())
                .at_most(ours.leaked as f64, 0.0, ""),
            Row::new(
                "… slowest round",
                format!("{:.1} ms", ours.slowest_ms),
                format!("{:.1} ms", theirs.slowest_ms),
            ),
        ]
    }
}

impl Fairness {
    fn rows(&self) -> Vec<Row> {
        let (fair, in_turn) = (&self.fair, &self.in_turn);
        let seconds = |seconds: f64| format!("{seconds:.3} s");
        vec![
            Row::new(
                "hour at 1.1 times what is served: light clients' median wait",
                seconds(fair.light_s),
                seconds(in_turn.light_s),
            )
            .at_least(in_turn.light_s / fair.light_s, 5.0, "×"),
            Row::new("… the others' median wait", seconds(fair.heavy_s), seconds(in_turn.heavy_s)),
            Row::new("two always wait, 8 slots: largest difference of service", "", "").at_most(
                self.largest_difference,
                16.0,
                " largest requests",
            ),
        ]
    }
}

impl Http {
    fn rows(&self) -> Vec<Row> {
        vec![
            Row::new(format!("{} wait in the gateway: memory of each", self.waiters), "", "")
                .at_most(self.bytes_per_waiter / 1_024.0, 32.0, " KiB"),
            Row::new("… requests without an answer", "", "").at_most(f64::from(self.lost), 0.0, ""),
            Row::new("… left when all is over", "", "").at_most(self.left as f64, 0.0, ""),
            Row::new(
                "… all answered, from the first release",
                format!("{:.1} s", self.drain_s),
                "",
            ),
        ]
    }
}
