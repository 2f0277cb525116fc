//! The report as a table.

use super::{Report, Row};
use crate::table::{self, Summary};

impl Summary for Report {
    fn rows(&self) -> Vec<table::Row> {
        self.rows.iter().flat_map(of_nodes).collect()
    }

    fn notes(&self) -> Vec<String> {
        let settings = &self.settings;
        vec![
            format!(
                "{} users by Zipf's law ({}), {} decisions/s of each node, {} s of virtual time, \
                 a round trip of {} µs, seed {}",
                settings.users,
                settings.zipf,
                settings.rate,
                settings.seconds,
                settings.round_trip,
                settings.seed
            ),
            format!("one Redis: {} calls/s ({})", settings.redis_calls, settings.source),
            format!(
                "each decision asks three hot accounts of all nodes, of which one allows {} % of \
                 what is asked for, and the accounts of one user, which are exact",
                settings.tight
            ),
            "the other side decides all in Redis; loads are parts of what one server answers, at \
             the busiest one"
                .to_owned(),
        ]
    }
}

fn of_nodes(row: &Row) -> Vec<table::Row> {
    let percent = |part: f64| format!("{part:.2} %");
    let calls = |calls: f64| format!("{calls:.4}");
    let servers = |servers: Option<u32>| servers.map_or("none do".to_owned(), |it| it.to_string());
    let load = |load: f64| format!("{load:.3}");
    let nodes = if row.nodes == 1 { "1 node".to_owned() } else { format!("{} nodes", row.nodes) };
    let line = |what: &str, ours: String, theirs: String| {
        table::Row::new(format!("{nodes}: {what}"), ours, theirs)
    };
    vec![
        line("decisions/s", format!("{:.0}", row.decisions_per_second), String::new()),
        line("admitted beyond the limits", row.admitted_beyond.to_string(), "0".to_owned())
            .at_most(row.admitted_beyond as f64, 0.0, ""),
        line("refused", percent(row.refused_percent), percent(row.exactly_refused_percent)),
        line(
            "of all, refused beyond exact decisions",
            percent(row.falsely_refused_percent),
            percent(0.0),
        ),
        line("leased and unused of the tight limit", percent(row.unused_percent), percent(0.0)),
        line("waited for a lease", percent(row.waited_percent), percent(100.0)),
        line("lease calls/s", format!("{:.0}", row.lease_calls_per_second), String::new()),
        line(
            "calls per decision, hot accounts",
            calls(row.lease_calls_per_decision),
            calls(row.calls_exact),
        ),
        line(
            "calls per decision, all, in a cluster",
            calls(row.calls_leased),
            calls(row.calls_exact_cluster),
        ),
        line(
            "load of one Redis, hot accounts alone",
            load(row.load_hot_only),
            load(row.load_exact),
        ),
        line("load of one Redis, all", load(row.load_leased), load(row.load_exact)),
        line("servers that bear it", servers(row.servers_leased), servers(row.servers_exact)),
        line("of a hot user", percent(row.hot_user_percent), String::new()),
    ]
}
