//! A frame: what is always there above and below, and a view between.

mod alerts;
mod detail;
mod help;
mod limits;
mod overview;
mod services;
mod spend;

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::Style,
    text::{Line, Span},
};
use tollgate_core::Time;

use super::{
    palette::Palette,
    reading::{Emergency, Health, Reading},
    state::{Screen, View},
    words::{fit, percent, span, width, wrapped},
};

/// The least that a frame needs.
const LEAST: (u16, u16) = (44, 12);

/// What a screen looks like now.
pub(crate) fn draw(screen: &Screen, now: Time, area: Rect, buf: &mut Buffer) {
    if area.width < LEAST.0 || area.height < LEAST.1 {
        let (columns, rows) = LEAST;
        put(buf, area, 0, &format!("Make this window {columns} × {rows} at least."), Style::new());
        return;
    }
    let mut body = area;
    for line in above(screen, now, area) {
        buf.set_line(area.x, body.y, &line, area.width);
        body = lower(body, 1);
    }
    let last = Rect { y: area.bottom() - 1, height: 1, ..area };
    buf.set_line(area.x, last.y, &below(screen, usize::from(area.width)), area.width);
    body.height = last.y.saturating_sub(body.y);
    match &screen.reading {
        _ if screen.has_help => help::draw(body, buf),
        None => nothing_yet(screen, body, buf),
        Some(reading) if screen.is_open => detail::draw(screen, reading, body, buf),
        Some(reading) => match screen.view {
            View::Overview => overview::draw(screen, reading, body, buf),
            View::Services => services::draw(screen, reading, body, buf),
            View::Limits => limits::draw(screen, reading, body, buf),
            View::Spend => spend::draw(screen, reading, body, buf),
            View::Alerts => alerts::draw(screen, reading, body, buf),
        },
    }
}

/// A frame as lines of text.
pub(crate) fn text(screen: &Screen, now: Time, (columns, rows): (u16, u16)) -> String {
    let area = Rect::new(0, 0, columns, rows);
    let mut buf = Buffer::empty(area);
    draw(screen, now, area, &mut buf);
    let mut text = String::new();
    for y in 0..rows {
        let mut line = String::new();
        let mut skip = 0;
        for x in 0..columns {
            let symbol = buf[(x, y)].symbol();
            if skip == 0 {
                line.push_str(symbol);
            }
            // What is two columns wide has nothing in the second one.
            skip = if skip == 0 { width(symbol).saturating_sub(1) } else { skip - 1 };
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// What is above every view: how the gateway is, the views, and what nobody may overlook.
fn above(screen: &Screen, now: Time, area: Rect) -> Vec<Line<'static>> {
    let room = usize::from(area.width);
    // Both sentences leave half of the rows to the view.
    let most = usize::from(area.height / 4).saturating_sub(1).max(1);
    let mut lines = vec![head(screen, room), tabs(screen)];
    let loud = screen.palette.loud();
    let emergency = screen.reading.as_ref().and_then(|it| Some((it, it.emergency.as_ref()?)));
    let mut say = |sentence: &str| {
        let mut said = wrapped(sentence, room - 2);
        if said.len() > most {
            said.truncate(most);
            let last = said.pop().unwrap_or_default();
            said.push(fit(&format!("{last} …"), room - 2));
        }
        for line in said {
            let rest = " ".repeat(room - 2 - width(&line));
            lines.push(Line::styled(format!(" {line}{rest} "), loud));
        }
    };
    if let Some((reading, emergency)) = emergency {
        say(&of_emergency(reading, emergency));
    }
    if let Some(lost) = &screen.lost {
        let since = span(now.since(lost.since).as_secs());
        let shown = match screen.reading.as_ref().and_then(|reading| reading.now) {
            Some(at) => format!(" Shown is how it was at {}.", at.strftime("%H:%M:%S")),
            None => String::new(),
        };
        let why = lost.why.trim_end_matches('.');
        let end = if why.ends_with('?') { "" } else { "." };
        say(&format!("NO ANSWER for {since}: {why}{end}{shown}"));
    }
    lines
}

fn head(screen: &Screen, room: usize) -> Line<'static> {
    let name = Span::styled(" tollgate ", Palette::strong());
    let Some(reading) = &screen.reading else {
        return Line::from(vec![name, Span::raw(fit(&screen.at, room.saturating_sub(10)))]);
    };
    let health = reading.health;
    let score = reading.score.map_or_else(String::new, |score| format!(" {score:.0}/100"));
    let judged = if reading.stage == "serving" { Style::new() } else { screen.palette.warning() };
    let mut spans = vec![
        name,
        Span::styled(format!("● {}{score}", health.word()), of_health(screen.palette, health)),
        Span::raw("  "),
        Span::styled(reading.stage.clone(), judged),
        Span::raw(format!(" {}", span(reading.uptime))),
    ];
    if !reading.store_is_well {
        spans.push(Span::styled("  store unhealthy", screen.palette.bad()));
    }
    let at =
        reading.now.map_or_else(String::new, |at| at.strftime("%Y-%m-%d %H:%M:%SZ ").to_string());
    let used: usize = spans.iter().map(Span::width).sum();
    // The address goes first where there is no room, then the date.
    let listen = format!("{}  ", reading.listen);
    let left = room.saturating_sub(used);
    let end = [format!("{listen}{at}"), at].into_iter().find(|end| width(end) + 2 <= left);
    if let Some(end) = end {
        spans.push(Span::raw(" ".repeat(left - width(&end))));
        spans.push(Span::styled(end, Palette::quiet()));
    }
    Line::from(spans)
}

fn tabs(screen: &Screen) -> Line<'static> {
    let mut spans = vec![Span::raw(" ")];
    for (nth, view) in View::ALL.into_iter().enumerate() {
        let count = screen.reading.as_ref().and_then(|reading| match view {
            View::Services => Some(reading.services.len()),
            View::Limits => Some(reading.limits.len()),
            View::Alerts => Some(reading.alerts.len()),
            View::Overview | View::Spend => None,
        });
        let count = count.map_or_else(String::new, |count| format!(" {count}"));
        let label = format!(" {} {}{count} ", nth + 1, view.title());
        let has_alerts = screen.reading.as_ref().is_some_and(|it| !it.alerts.is_empty());
        let style = match view {
            view if view == screen.view => Palette::selected(),
            View::Alerts if has_alerts => screen.palette.warning(),
            _ => Style::new(),
        };
        spans.push(Span::styled(label, style));
        spans.push(Span::raw(" "));
    }
    Line::from(spans)
}

fn of_emergency(reading: &Reading, emergency: &Emergency) -> String {
    let at = |at: Option<jiff::Timestamp>| at.map(|at| at.strftime("%H:%M:%S").to_string());
    let mut said = "EMERGENCY: only critical work passes".to_owned();
    if let Some(since) = at(emergency.since) {
        said.push_str(&format!(", since {since}"));
    }
    if let Some(until) = at(emergency.until) {
        said.push_str(&format!(" until {until}"));
        let left = emergency.until.zip(reading.now).map(|(until, now)| until.duration_since(now));
        if let Some(left) = left.and_then(|left| u64::try_from(left.as_secs()).ok()) {
            said.push_str(&format!(" ({} left)", span(left)));
        }
    }
    if let Some(who) = &emergency.who {
        said.push_str(&format!(", by {who}"));
    }
    match &emergency.reason {
        Some(reason) => format!("{said}: {reason}"),
        None => said + ".",
    }
}

/// What is below every view: the keys, and how fresh it is.
fn below(screen: &Screen, room: usize) -> Line<'static> {
    let keys: &[(&str, &str)] = match () {
        () if screen.has_help => &[("any key", "back")],
        () if screen.is_open => &[("esc", "back"), ("↑↓", "scroll"), ("q", "quit")],
        () => &[
            ("q", "quit"),
            ("?", "help"),
            ("1-5", "view"),
            ("↑↓", "select"),
            ("enter", "detail"),
            ("p", "pause"),
            ("r", "refresh"),
        ],
    };
    let (end, style) = if screen.is_paused {
        ("PAUSED ".to_owned(), screen.palette.warning())
    } else {
        (format!("every {} ", screen.every), Palette::quiet())
    };
    let room = room.saturating_sub(width(&end));
    let mut spans = vec![Span::raw(" ")];
    let mut used = 1;
    for (key, does) in keys {
        let does = format!(" {does}  ");
        // What there is no room for, `?` tells.
        if used + width(key) + width(&does) > room {
            break;
        }
        used += width(key) + width(&does);
        spans.push(Span::styled((*key).to_owned(), screen.palette.accent()));
        spans.push(Span::styled(does, Palette::quiet()));
    }
    spans.push(Span::raw(" ".repeat(room.saturating_sub(used))));
    spans.push(Span::styled(end, style));
    Line::from(spans)
}

fn nothing_yet(screen: &Screen, area: Rect, buf: &mut Buffer) {
    let said = match &screen.lost {
        None => format!("Asking {} …", screen.at),
        Some(_) => "It goes on by itself as soon as there is an answer; q ends it.".to_owned(),
    };
    let area = lower(area, 1);
    for (nth, line) in (0..area.height).zip(wrapped(&said, usize::from(area.width) - 2)) {
        put(buf, area, nth, &format!(" {line}"), Style::new());
    }
}

/// A title with a line to the right edge; the rest of the area.
fn section(title: &str, area: Rect, buf: &mut Buffer) -> Rect {
    if area.height == 0 {
        return area;
    }
    let room = usize::from(area.width);
    let title = format!("─ {} ", fit(title, room.saturating_sub(4)));
    let rule = "─".repeat(room.saturating_sub(width(&title)));
    let (x, _) = buf.set_stringn(area.x, area.y, &title, room, Palette::strong());
    buf.set_stringn(x, area.y, rule, usize::from(area.right().saturating_sub(x)), Palette::quiet());
    lower(area, 1)
}

/// Which of how many rows are shown, where not all are.
fn part(shown: &std::ops::Range<usize>, all: usize) -> String {
    if shown.len() >= all {
        return String::new();
    }
    format!(" {}–{} of {all}", shown.start + 1, shown.end)
}

/// What is left of an area below its first rows.
fn lower(area: Rect, rows: u16) -> Rect {
    let rows = rows.min(area.height);
    Rect { y: area.y + rows, height: area.height - rows, ..area }
}

fn put(buf: &mut Buffer, area: Rect, row: u16, text: &str, style: Style) {
    if row < area.height {
        buf.set_stringn(area.x, area.y + row, text, usize::from(area.width), style);
    }
}

fn of_health(palette: Palette, health: Health) -> Style {
    match health {
        Health::Healthy => palette.good(),
        Health::Degraded => palette.warning(),
        Health::Critical => palette.bad(),
        Health::Idle | Health::Unknown => Palette::quiet(),
    }
}

/// A share of what succeeded, judged.
fn success(palette: Palette, share: Option<f64>) -> super::grid::Cell {
    let Some(share) = share else { return super::grid::Cell::of(None) };
    let style = match share {
        0.99.. => palette.good(),
        0.9..0.99 => palette.warning(),
        _ => palette.bad(),
    };
    super::grid::Cell::styled(percent(share), style)
}
