//! The report as a page: one file that needs nothing but a browser, in the light and in the dark.

use std::fmt::Write as _;

use super::{
    plot::{Line, OUTCOMES, bars, escaped, lines},
    report::{Report, percentage},
    row::Row,
    scene::Variation,
};
use crate::load::percent;

const STYLE: &str = include_str!("page.css");

/// What is too much, in percent: as the verdicts have it.
const LEVELS: [f64; 2] = [2.0, 10.0];

/// A plot over numbers of users.
struct Plot {
    title: &'static str,
    unit: &'static str,
    value: fn(&Row) -> f64,
    levels: &'static [f64],
}

/// The page.
pub(crate) fn page(report: &Report) -> String {
    let mut page = String::new();
    let title = escaped(&report.policy);
    put(
        &mut page,
        format_args!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n<title>Capacity under {title}</title>\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\"/>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>Capacity under {title}</h1>\n<p class=\"verdict\">{}</p>",
            escaped(&report.recommendation.sentence)
        ),
    );
    over_users(&mut page, report);
    table(&mut page, report);
    in_the_way(&mut page, report);
    served(&mut page, report);
    needs(&mut page, report);
    over_time(&mut page, report);
    page.push_str("<h2>Assumptions</h2>\n<ul>\n");
    for assumption in &report.assumptions {
        put(&mut page, format_args!("<li>{}</li>", escaped(assumption)));
    }
    put(&mut page, format_args!("<li>chances by seed {}</li>", report.seed));
    page.push_str("</ul>\n</main>\n</body>\n</html>\n");
    page
}

/// What is throttled and how long the others wait, over numbers of users.
fn over_users(page: &mut String, report: &Report) {
    let variations = report.variations();
    let of = |value: fn(&Row) -> f64| -> Vec<Line<'static>> {
        let line = |variation: &Variation| Line {
            name: variation.name(),
            points: report.of(*variation).map(|row| (f64::from(row.users), value(row))).collect(),
        };
        variations.iter().map(line).collect()
    };
    let plots = [
        Plot { title: "Throttled", unit: "%", value: |row| row.throttled_percent, levels: &LEVELS },
        Plot {
            title: "Wait of those served, all but the longest twentieth (p95)",
            unit: "s",
            value: |row| row.wait_seconds(|waits| waits.p95),
            levels: &[],
        },
        Plot {
            title: "Requests that another model than the first served",
            unit: "%",
            value: |row| percent(row.fallback(), row.served),
            levels: &[],
        },
    ];
    for Plot { title, unit, value, levels } in plots {
        put(page, format_args!("<h2>{title}</h2>"));
        legend(page, 's', variations.iter().map(|it| it.name()));
        page.push_str(&lines(&of(value), unit, levels));
    }
}

/// What became of requests over time, for each number of users under the whole policy.
fn over_time(page: &mut String, report: &Report) {
    page.push_str("<h2>Requests over time, under the policy</h2>\n");
    legend(page, 'o', OUTCOMES.into_iter());
    for row in report.of(Variation::Whole) {
        put(page, format_args!("<h3>{} users</h3>", row.users));
        page.push_str(&bars(&row.timeline));
    }
}

fn legend(page: &mut String, class: char, names: impl Iterator<Item = &'static str>) {
    page.push_str("<p class=\"legend\">");
    for (nth, name) in names.enumerate() {
        put(page, format_args!("<span><i class=\"{class}{nth}\"></i> {name}</span>"));
    }
    page.push_str("</p>\n");
}

fn table(page: &mut String, report: &Report) {
    page.push_str("<h2>In numbers</h2>\n<table>\n");
    const HEADER: [&str; 12] = [
        "users",
        "with",
        "requests/min",
        "tokens/min",
        "throttled",
        "waits",
        "p50, s",
        "p95, s",
        "p99, s",
        "most, s",
        "cost, $",
        "verdict",
    ];
    cells(page, "th", HEADER.map(str::to_owned));
    for row in &report.rows {
        let verdict = match row.failed {
            0 => row.verdict.name().to_owned(),
            failed => format!("{failed} failed"),
        };
        cells(
            page,
            "td",
            [
                row.users.to_string(),
                row.variation.name().to_owned(),
                format!("{:.1}", row.requests_per_minute),
                format!("{:.0}", row.tokens_per_minute),
                format!("{} %", percentage(row.throttled_percent)),
                format!("{} %", percentage(percent(row.waited, row.served))),
                format!("{:.1}", row.wait_seconds(|waits| waits.p50)),
                format!("{:.1}", row.wait_seconds(|waits| waits.p95)),
                format!("{:.1}", row.wait_seconds(|waits| waits.p99)),
                format!("{:.1}", row.wait_seconds(|waits| waits.most)),
                row.cost_usd.to_string(),
                verdict,
            ],
        );
    }
    page.push_str("</table>\n");
}

fn in_the_way(page: &mut String, report: &Report) {
    page.push_str("<h2>What is in the way</h2>\n<table>\n");
    cells(
        page,
        "th",
        ["users", "with", "what", "it allows", "waited for", "refused"].map(str::to_owned),
    );
    for row in &report.rows {
        for it in &row.in_the_way {
            cells(
                page,
                "td",
                [
                    row.users.to_string(),
                    row.variation.name().to_owned(),
                    it.name.clone(),
                    it.allows.clone().unwrap_or_default(),
                    it.waited.to_string(),
                    it.refused.to_string(),
                ],
            );
        }
    }
    page.push_str("</table>\n");
}

fn served(page: &mut String, report: &Report) {
    page.push_str("<h2>Who served</h2>\n<table>\n");
    cells(page, "th", ["users", "with", "model", "requests", "share", "tokens"].map(str::to_owned));
    for row in &report.rows {
        for (model, used) in &row.by_model {
            cells(
                page,
                "td",
                [
                    row.users.to_string(),
                    row.variation.name().to_owned(),
                    model.clone(),
                    used.requests.to_string(),
                    format!("{} %", percentage(percent(used.requests, row.served))),
                    used.tokens.to_string(),
                ],
            );
        }
    }
    page.push_str("</table>\n");
}

fn needs(page: &mut String, report: &Report) {
    page.push_str("<h2>Limits that are never in their way</h2>\n<table>\n");
    const HEADER: [&str; 5] = ["users", "requests/min", "tokens/min", "at once", "instances"];
    cells(page, "th", HEADER.map(str::to_owned));
    for needs in &report.needs {
        cells(
            page,
            "td",
            [
                needs.users.to_string(),
                needs.requests_per_minute.to_string(),
                needs.tokens_per_minute.to_string(),
                needs.at_once.to_string(),
                needs.instances(),
            ],
        );
    }
    page.push_str("</table>\n");
}

fn cells<const N: usize>(page: &mut String, tag: &str, cells: [String; N]) {
    page.push_str("<tr>");
    for cell in cells {
        let _ = write!(page, "<{tag}>{}</{tag}>", escaped(&cell));
    }
    page.push_str("</tr>\n");
}

fn put(page: &mut String, what: std::fmt::Arguments<'_>) {
    // Text takes whatever is written.
    let _ = writeln!(page, "{what}");
}
