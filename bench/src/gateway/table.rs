//! The numbers of [`Report`] beside what is wanted of them.

use super::Report;
use crate::table::{Row, Summary};

impl Summary for Report {
    fn rows(&self) -> Vec<Row> {
        let (ours, theirs, forgetful) = (&self.gateway, &self.proxy, &self.forgetful);
        let kib = |bytes: f64| format!("{:.1} KiB", bytes / 1024.0);
        let mut rows = vec![
            Row::new(
                "requests, saturated",
                rate(ours.saturated_per_second),
                rate(theirs.saturated_per_second),
            )
            .at_least(
                ours.saturated_per_second / theirs.saturated_per_second,
                0.7,
                "×",
            ),
            Row::new(
                "requests, saturated, beside no ledger",
                rate(ours.saturated_per_second),
                rate(forgetful.saturated_per_second),
            )
            .at_least(self.beside_forgetful, 0.9, "×"),
            Row::new(
                "processor time, beside no ledger",
                micros(ours.cpu_us_per_request),
                micros(forgetful.cpu_us_per_request),
            ),
            Row::new(
                "processor time of one request",
                micros(ours.cpu_us_per_request),
                micros(theirs.cpu_us_per_request),
            ),
            Row::new(
                "p50, saturated",
                micros(ours.saturated.p50_us),
                micros(theirs.saturated.p50_us),
            ),
            Row::new(
                "p99, saturated",
                micros(ours.saturated.p99_us),
                micros(theirs.saturated.p99_us),
            ),
            Row::new(
                "p50, half load",
                micros(ours.half_load.p50_us),
                micros(theirs.half_load.p50_us),
            )
            .at_most(
                ours.half_load.p50_us - theirs.half_load.p50_us,
                150.0,
                " µs added",
            ),
            Row::new(
                "p99, half load",
                micros(ours.half_load.p99_us),
                micros(theirs.half_load.p99_us),
            ),
            Row::new(
                "memory per held stream",
                kib(ours.bytes_per_stream),
                kib(theirs.bytes_per_stream),
            )
            .at_most(ours.bytes_per_stream / 1024.0, 32.0, " KiB"),
        ];
        rows.extend(self.of_cache());
        rows
    }

    fn notes(&self) -> Vec<String> {
        vec![
            "Seven limits of the assistant policy, amounts raised; embedded ledger, metrics and log on.".into(),
            "What the ledger costs is the median of the ratios of single rounds.".into(),
            format!(
                "Of the gateway that keeps answers: {:.2} % found, {} hits, ${} saved.",
                self.cache.hit_rate * 100.0,
                self.cache.hits,
                self.cache.saved_usd,
            ),
            format!(
                "Load, sandbox and what is measured share {} cores; half load is {:.0} requests per second for both.",
                self.cores, self.half_load_per_second
            ),
        ]
    }
}

impl Report {
    /// What is answered from memory, beside a proxy that asks.
    fn of_cache(&self) -> [Row; 2] {
        let (ours, theirs) = (&self.caching, &self.proxy);
        [
            Row::new(
                "p50 of an exact cache hit, half load",
                micros(ours.half_load.p50_us),
                micros(theirs.half_load.p50_us),
            )
            .at_most(
                ours.half_load.p50_us - theirs.half_load.p50_us,
                150.0,
                " µs added",
            ),
            Row::new(
                "requests, saturated, cache hits",
                rate(ours.saturated_per_second),
                rate(theirs.saturated_per_second),
            ),
        ]
    }
}

fn micros(micros: f64) -> String {
    format!("{micros:.0} µs")
}

fn rate(per_second: f64) -> String {
    format!("{per_second:.0}/s")
}
