//! Plots as SVG, drawn by hand: lines over numbers of users, and bars over time.
//!
//! Colours are the page's, by class, so that a plot is readable in the dark as well. Every point
//! and bar says its numbers in a title.

use std::fmt::Write as _;

use super::tally::Slice;

/// One line of a plot.
#[derive(Debug)]
pub(super) struct Line<'a> {
    pub(super) name: &'a str,
    pub(super) points: Vec<(f64, f64)>,
}

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 26.0;
const BOTTOM: f64 = 40.0;
/// About how many marks an axis has.
const MARKS: f64 = 5.0;
/// What a slice shows, from the axis upwards.
pub(super) const OUTCOMES: [&str; 4] = ["first model", "fallback", "throttled", "failed"];

/// From values to places within the frame.
#[derive(Debug, Clone, Copy)]
struct Frame {
    x: (f64, f64),
    /// From zero up to here.
    most: f64,
}

/// Lines over numbers of users, with values in `unit`, and levels that matter.
pub(super) fn lines(lines: &[Line<'_>], unit: &str, levels: &[f64]) -> String {
    let all = || lines.iter().flat_map(|line| &line.points);
    let x = all().fold((f64::MAX, f64::MIN), |(least, most), (x, _)| (least.min(*x), most.max(*x)));
    let most = all().map(|point| point.1).chain(levels.iter().copied()).fold(0.0, f64::max);
    let frame = Frame::new(x, most);
    let mut svg = begin();
    frame.axis(&mut svg, unit);
    let mut marked = f64::MIN;
    for (x, _) in lines.first().map(|line| line.points.as_slice()).unwrap_or_default() {
        let at = frame.x(*x);
        // Marks that would overlap are left out.
        if at - marked > 24.0 {
            text(&mut svg, (at, HEIGHT - BOTTOM + 18.0), "middle", &format!("{x}"));
            marked = at;
        }
    }
    text(&mut svg, (WIDTH / 2.0, HEIGHT - 6.0), "middle", "users");
    for level in levels {
        let y = frame.y(*level);
        let (from, to) = (LEFT, WIDTH - RIGHT);
        put(
            &mut svg,
            format_args!(r#"<line class="level" x1="{from}" x2="{to}" y1="{y:.1}" y2="{y:.1}"/>"#),
        );
    }
    // The first is what matters most, so nothing is drawn over it.
    for (nth, line) in lines.iter().enumerate().rev() {
        let places = line.points.iter().map(|(x, y)| (frame.x(*x), frame.y(*y)));
        let path: Vec<String> = places.map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        put(
            &mut svg,
            format_args!(r#"<polyline class="line s{nth}" points="{}"/>"#, path.join(" ")),
        );
        for (users, value) in &line.points {
            let (x, y) = (frame.x(*users), frame.y(*value));
            let title = format!("{}, {users} users: {value:.1} {unit}", line.name);
            put(
                &mut svg,
                format_args!(
                    r#"<circle class="s{nth}" cx="{x:.1}" cy="{y:.1}" r="4"><title>{}</title></circle>"#,
                    escaped(&title)
                ),
            );
        }
    }
    svg.push_str("</svg>\n");
    svg
}

/// Requests over time, by what became of them.
pub(super) fn bars(slices: &[Slice]) -> String {
    let all = |slice: &Slice| slice.first + slice.fallback + slice.refused + slice.failed;
    let most = slices.iter().map(all).max().unwrap_or_default();
    let step = slices.get(1).map_or(1, |slice| slice.from_seconds).max(1);
    let end = slices.last().map_or(step, |slice| slice.from_seconds + step);
    let frame = Frame::new((0.0, end as f64), most as f64);
    let mut svg = begin();
    frame.axis(&mut svg, "requests");
    let minutes = round_step(end as f64 / 60.0);
    for mark in (0..).map(|nth| f64::from(nth) * minutes).take_while(|it| it * 60.0 <= end as f64) {
        let at = frame.x(mark * 60.0);
        text(&mut svg, (at, HEIGHT - BOTTOM + 18.0), "middle", &format!("{}", rounded(mark)));
    }
    text(&mut svg, (WIDTH / 2.0, HEIGHT - 6.0), "middle", "minutes");
    let width = (frame.x(step as f64) - frame.x(0.0)) * 0.9;
    for slice in slices {
        let mut below = 0;
        let counts = [slice.first, slice.fallback, slice.refused, slice.failed];
        for (nth, (count, name)) in counts.into_iter().zip(OUTCOMES).enumerate() {
            if count == 0 {
                continue;
            }
            let (x, y) = (frame.x(slice.from_seconds as f64), frame.y((below + count) as f64));
            let height = frame.y(below as f64) - y;
            let minute = rounded(slice.from_seconds as f64 / 60.0);
            put(
                &mut svg,
                format_args!(
                    r#"<rect class="o{nth}" x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}"><title>{count} {name} from minute {minute} on</title></rect>"#
                ),
            );
            below += count;
        }
    }
    svg.push_str("</svg>\n");
    svg
}

/// A text that means nothing but itself in a page.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            character if character.is_control() => escaped.push(' '),
            character => escaped.push(character),
        }
    }
    escaped
}

impl Frame {
    fn new(x: (f64, f64), most: f64) -> Self {
        // A single number stands in the middle, and nothing at all is still a plot.
        let x = match x {
            (least, most) if least > most => (0.0, 1.0),
            (least, most) if least == most => (least - 1.0, most + 1.0),
            x => x,
        };
        let most = most.max(1.0);
        let step = round_step(most);
        Self { x, most: (most / step).ceil() * step }
    }

    fn x(&self, value: f64) -> f64 {
        LEFT + (value - self.x.0) / (self.x.1 - self.x.0) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - value / self.most * (HEIGHT - TOP - BOTTOM)
    }

    /// Lines across the frame, each with its value.
    fn axis(&self, svg: &mut String, unit: &str) {
        let step = round_step(self.most);
        let marks = (self.most / step).round() as u32;
        for mark in (0..=marks).map(|nth| f64::from(nth) * step) {
            let y = self.y(mark);
            let to = WIDTH - RIGHT;
            put(
                svg,
                format_args!(
                    r#"<line class="grid" x1="{LEFT}" x2="{to}" y1="{y:.1}" y2="{y:.1}"/>"#
                ),
            );
            text(svg, (LEFT - 6.0, y + 4.0), "end", &format!("{}", rounded(mark)));
        }
        text(svg, (4.0, 12.0), "start", unit);
    }
}

fn begin() -> String {
    format!(r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">"#)
        + "\n"
}

fn text(svg: &mut String, (x, y): (f64, f64), anchor: &str, what: &str) {
    let what = escaped(what);
    put(svg, format_args!(r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}">{what}</text>"#));
}

fn put(svg: &mut String, what: std::fmt::Arguments<'_>) {
    // Text takes whatever is written.
    let _ = writeln!(svg, "{what}");
}

/// The least of 1, 2, 5, 10, … of which at most [`MARKS`] come to `most`.
fn round_step(most: f64) -> f64 {
    let rough = (most / MARKS).max(1e-9);
    let decade = 10_f64.powf(rough.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|digit| digit * decade);
    steps.into_iter().find(|step| *step >= rough * 0.999).unwrap_or(10.0 * decade)
}

/// A number without a tail of what binary fractions lack.
fn rounded(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}
