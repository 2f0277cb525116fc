//! All of it at a glance: numbers with their history, then what is worst first.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
};

use super::{alerts, limits, lower, put, section, services, spend};
use crate::screen::{
    gauge::bars,
    palette::Palette,
    reading::{Limit, Reading},
    state::Screen,
    trend::Trend,
    words::{dollars, percent, rate, short, whole, width},
};

/// From which width on there are two columns.
const WIDE: u16 = 150;

/// Rows of the numbers.
const NUMBERS: u16 = 4;

pub(super) fn draw(screen: &Screen, reading: &Reading, area: Rect, buf: &mut Buffer) {
    numbers(screen, reading, Rect { height: NUMBERS.min(area.height), ..area }, buf);
    let area = lower(area, NUMBERS);
    let mut pressed: Vec<&Limit> = reading.limits.iter().collect();
    pressed.sort_by(|a, b| b.pressure().total_cmp(&a.pressure()));
    let table = |count: usize| count.max(1) as u16 + 2;
    let (services_want, limits_want) = (table(reading.services.len()), table(pressed.len()));
    let alerts_want = table(reading.alerts.len());
    let title = "Limits, the fullest first";
    if area.width < WIDE {
        let wants = [services_want, limits_want, alerts_want];
        let [upper, middle, below] = stacked(area, wants);
        of_services(screen, reading, upper, buf);
        limits::rows(screen, reading, (&pressed, None), middle, buf, title);
        alerts::rows(screen, reading, None, below, buf);
        return;
    }
    let left = Rect { width: (area.width - 2) * 3 / 5, ..area };
    let right = Rect { x: left.right() + 2, width: area.width - left.width - 2, ..area };
    let [upper, below] = stacked(left, [services_want, limits_want]);
    of_services(screen, reading, upper, buf);
    limits::rows(screen, reading, (&pressed, None), below, buf, title);
    let warnings_want = table(reading.warnings.len());
    let spenders_want = table(reading.spend.by_user.len()) + 3;
    let [upper, middle, below] = stacked(right, [alerts_want, spenders_want, warnings_want]);
    alerts::rows(screen, reading, None, upper, buf);
    let rest = spend::total(reading, middle, buf);
    spend::rows(screen, (&reading.spend.by_user, None), rest, buf, "By user");
    alerts::warnings(reading, below, buf);
}

fn of_services(screen: &Screen, reading: &Reading, area: Rect, buf: &mut Buffer) {
    let table = services::rows(screen, reading, screen.selected(), area, buf, "Services");
    if reading.services.is_empty() {
        put(buf, table, 0, "No provider is in the policy.", Palette::quiet());
    }
}

/// Shares the rows: every one gets what it wants as far as the others have a like part.
fn stacked<const N: usize>(area: Rect, wants: [u16; N]) -> [Rect; N] {
    let mut heights = [0_u16; N];
    let mut left = area.height;
    while left > 0 {
        let unmet = (0..N).filter(|nth| heights[*nth] < wants[*nth]);
        // The smallest first, so that all have a title before one has many rows.
        let Some(nth) = unmet.min_by_key(|nth| heights[*nth]) else { break };
        heights[nth] += 1;
        left -= 1;
    }
    let mut rest = area;
    heights.map(|height| {
        let part = Rect { height, ..rest };
        rest = lower(rest, height);
        part
    })
}

/// The numbers of the whole gateway, each with what it was of late.
fn numbers(screen: &Screen, reading: &Reading, area: Rect, buf: &mut Buffer) {
    let profile = reading.profile.as_ref().map_or_else(String::new, |it| format!(", profile {it}"));
    let Reading { version, store, .. } = reading;
    section(&format!("Now: version {version}, store {store}{profile}"), area, buf);
    let (totals, trends) = (&reading.totals, &screen.trends);
    let history = usize::from(area.width).saturating_sub(70).clamp(10, 60);
    let room = usize::from(area.width).saturating_sub(history + 23);
    let per_second = |trend: &Trend| trend.newest().map_or_else(|| "-".to_owned(), rate);
    let refused = totals.refused as f64 / (totals.requests.max(1)) as f64;
    let per_minute = reading.per_minute().or_else(|| trends.per_minute.newest());
    let waiting = reading.waiting.map_or_else(|| "-".to_owned(), |it| short(it as f64));
    let users = reading.users.map_or_else(|| "-".to_owned(), |users| short(users as f64));
    let rows = [
        (
            "requests",
            per_second(&trends.requests),
            &trends.requests,
            vec![
                format!("{} admitted", whole(totals.admitted)),
                format!("{} refused ({})", whole(totals.refused), percent(refused)),
            ],
        ),
        (
            "running",
            short(reading.running as f64),
            &trends.running,
            vec![
                format!("{waiting} waiting"),
                format!("{users} users"),
                format!("{} tokens in", short(totals.input_tokens as f64)),
                format!("{} out", short(totals.output_tokens as f64)),
            ],
        ),
        (
            "cost",
            per_minute.map_or_else(|| "-".to_owned(), |usd| format!("{}/min", dollars(usd))),
            &trends.per_minute,
            vec![
                format!("{} since the start", dollars(totals.cost)),
                format!("overrun {}", dollars(totals.overrun)),
                format!("saved {}", dollars(totals.saved)),
            ],
        ),
    ];
    for (y, (title, value, trend, beside)) in (area.y + 1..area.bottom()).zip(rows) {
        let line = Line::from(vec![
            Span::styled(format!("{title:<9}"), Palette::quiet()),
            Span::styled(format!("{value:>11} "), Palette::strong()),
            Span::styled(bars(trend.values(), history), screen.palette.accent()),
            Span::raw(fitting(&beside, room)),
        ]);
        buf.set_line(area.x, y, &line, area.width);
    }
}

/// As many of the parts as there is room for, each whole.
fn fitting(parts: &[String], room: usize) -> String {
    let mut said = String::new();
    for part in parts {
        if width(&said) + 2 + width(part) > room {
            break;
        }
        said.push_str("  ");
        said.push_str(part);
    }
    said
}
