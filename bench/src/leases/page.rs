//! The report as a page with plots over numbers of nodes, both on logarithmic axes.

use std::fmt::Write as _;

use super::{Report, Row};

const STYLE: &str = "
:root { color-scheme: light dark; --back: #fff; --text: #1b1f24; --soft: #5d6672; --rule: #d9dee4; --s0: #0969da; --s1: #9a6700; --s2: #1a7f37; --s3: #cf222e; }
@media (prefers-color-scheme: dark) { :root { --back: #0d1117; --text: #e6edf3; --soft: #9198a1; --rule: #30363d; --s0: #58a6ff; --s1: #d29922; --s2: #3fb950; --s3: #ff7b72; } }
body { margin: 0; background: var(--back); color: var(--text); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2.2rem; }
svg { width: 100%; height: auto; display: block; }
svg text { fill: var(--soft); font: 12px system-ui, sans-serif; }
.grid { stroke: var(--rule); } .level { stroke: var(--soft); stroke-dasharray: 4 4; }
polyline { fill: none; stroke-width: 2; }
polyline.s0 { stroke: var(--s0); } polyline.s1 { stroke: var(--s1); } polyline.s2 { stroke: var(--s2); } polyline.s3 { stroke: var(--s3); }
circle.s0 { fill: var(--s0); } circle.s1 { fill: var(--s1); } circle.s2 { fill: var(--s2); } circle.s3 { fill: var(--s3); }
.legend { color: var(--soft); display: flex; flex-wrap: wrap; gap: 0.3rem 1.2rem; }
.legend i { display: inline-block; width: 0.8em; height: 0.8em; border-radius: 2px; }
i.s0 { background: var(--s0); } i.s1 { background: var(--s1); } i.s2 { background: var(--s2); } i.s3 { background: var(--s3); }
";

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 26.0;
const BOTTOM: f64 = 40.0;

/// One line of a plot.
type Line = (&'static str, fn(&Row) -> f64);

const LOADS: [Line; 4] = [
    ("all exact, one Redis", |row| row.load_exact),
    ("all exact, busiest server of a cluster", |row| row.load_exact_cluster),
    ("hot accounts leased, one Redis", |row| row.load_leased),
    ("hot accounts leased, without what is decided by user", |row| row.load_hot_only),
];

const ERRORS: [Line; 3] = [
    ("refused beyond exact decisions, % of decisions", |row| row.falsely_refused_percent),
    ("leased and unused, % of the tight limit", |row| row.unused_percent),
    ("waited for a lease, % of decisions", |row| row.waited_percent),
];

const TRAFFIC: [Line; 2] = [
    ("decisions/s", |row| row.decisions_per_second),
    ("lease calls/s", |row| row.lease_calls_per_second),
];

/// The page.
pub(super) fn page(report: &Report) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n<title>Leases among many nodes</title>\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\"/>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>Leases among many nodes</h1>\n"
    );
    let plots: [(&str, &[Line], Option<f64>); 3] = [
        ("What the busiest Redis is asked, in parts of what it can answer", &LOADS, Some(1.0)),
        ("Decisions and calls", &TRAFFIC, None),
        ("What leases cost", &ERRORS, None),
    ];
    for (title, lines, level) in plots {
        put(&mut page, format_args!("<h2>{title}</h2>"));
        page.push_str("<p class=\"legend\">");
        for (nth, (name, _)) in lines.iter().enumerate() {
            put(&mut page, format_args!("<span><i class=\"s{nth}\"></i> {name}</span>"));
        }
        page.push_str("</p>\n");
        plot(&mut page, &report.rows, lines, level);
    }
    page.push_str("<h2>Assumptions</h2>\n<ul>\n");
    for note in crate::table::Summary::notes(report) {
        put(&mut page, format_args!("<li>{}</li>", escaped(&note)));
    }
    page.push_str("</ul>\n</main>\n</body>\n</html>\n");
    page
}

/// Lines over numbers of nodes, and a level that matters.
fn plot(page: &mut String, rows: &[Row], lines: &[Line], level: Option<f64>) {
    let values = lines.iter().flat_map(|(_, value)| rows.iter().map(value)).chain(level);
    let values: Vec<f64> = values.filter(|value| *value > 0.0).map(f64::log10).collect();
    let (low, high) = bounds(values.into_iter());
    let (left, right) = bounds(rows.iter().map(|row| f64::from(row.nodes).log10()));
    let x = |nodes: u32| {
        LEFT + (f64::from(nodes).log10() - left) / (right - left) * (WIDTH - LEFT - RIGHT)
    };
    // What is nothing lies on the axis.
    let y = |value: f64| {
        let part = if value > 0.0 { (value.log10() - low) / (high - low) } else { 0.0 };
        HEIGHT - BOTTOM - part * (HEIGHT - TOP - BOTTOM)
    };
    put(
        page,
        format_args!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">"#
        ),
    );
    let to = WIDTH - RIGHT;
    marks(page, rows, (low, high), (&x, &y));
    if let Some(at) = level.map(y) {
        put(
            page,
            format_args!(
                r#"<line class="level" x1="{LEFT}" x2="{to}" y1="{at:.1}" y2="{at:.1}"/>"#
            ),
        );
    }
    for (nth, (name, value)) in lines.iter().enumerate() {
        let path: Vec<String> =
            rows.iter().map(|row| format!("{:.1},{:.1}", x(row.nodes), y(value(row)))).collect();
        put(page, format_args!(r#"<polyline class="s{nth}" points="{}"/>"#, path.join(" ")));
        for row in rows {
            let (at, up, number) = (x(row.nodes), y(value(row)), value(row));
            put(
                page,
                format_args!(
                    r#"<circle class="s{nth}" cx="{at:.1}" cy="{up:.1}" r="4"><title>{} nodes, {name}: {number:.4}</title></circle>"#,
                    row.nodes
                ),
            );
        }
    }
    page.push_str("</svg>\n");
}

/// The axes: decades upwards, numbers of nodes to the right.
fn marks(
    page: &mut String,
    rows: &[Row],
    (low, high): (f64, f64),
    (x, y): (&dyn Fn(u32) -> f64, &dyn Fn(f64) -> f64),
) {
    let to = WIDTH - RIGHT;
    for decade in low as i32..=high as i32 {
        let at = y(10_f64.powi(decade));
        put(
            page,
            format_args!(r#"<line class="grid" x1="{LEFT}" x2="{to}" y1="{at:.1}" y2="{at:.1}"/>"#),
        );
        let (at, mark) = (at + 4.0, 10_f64.powi(decade));
        put(
            page,
            format_args!(r#"<text x="{}" y="{at:.1}" text-anchor="end">{mark}</text>"#, LEFT - 6.0),
        );
    }
    for row in rows {
        let (at, below) = (x(row.nodes), HEIGHT - BOTTOM + 18.0);
        put(
            page,
            format_args!(
                r#"<text x="{at:.1}" y="{below}" text-anchor="middle">{}</text>"#,
                row.nodes
            ),
        );
    }
    put(
        page,
        format_args!(
            r#"<text x="{}" y="{}" text-anchor="middle">nodes</text>"#,
            WIDTH / 2.0,
            HEIGHT - 6.0
        ),
    );
}

/// Whole decades around values, one at least.
fn bounds(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) =
        values.fold((f64::MAX, f64::MIN), |(low, high), it| (low.min(it), high.max(it)));
    if low > high {
        return (0.0, 1.0);
    }
    let (low, high) = (low.floor(), high.ceil());
    (low, high.max(low + 1.0))
}

fn put(page: &mut String, what: std::fmt::Arguments<'_>) {
    // Text takes whatever is written.
    let _ = writeln!(page, "{what}");
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
