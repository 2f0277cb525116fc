//! What is not as it should be: alerts that hold now, and budgets that warned.

use ratatui::{buffer::Buffer, layout::Rect, style::Style};

use super::{lower, part, put, section};
use crate::screen::{
    grid::{Cell, Column, Grid, Kind},
    palette::Palette,
    reading::{Alert, Reading},
    state::Screen,
    words::{fit, span},
};

const COLUMNS: [Column; 6] = [
    Column { title: "alert", kind: Kind::Word, rank: 0 },
    Column { title: "of", kind: Kind::Name(8), rank: 0 },
    Column { title: "for", kind: Kind::Number, rank: 0 },
    Column { title: "value", kind: Kind::Number, rank: 4 },
    Column { title: "threshold", kind: Kind::Number, rank: 5 },
    Column { title: "", kind: Kind::Name(20), rank: 0 },
];

pub(super) fn draw(screen: &Screen, reading: &Reading, area: Rect, buf: &mut Buffer) {
    let want = reading.alerts.len().max(1) as u16 + 2;
    let least = area.height / 3;
    let height = want.max(least).min(area.height - least.min(area.height));
    let upper = Rect { height, ..area };
    rows(screen, reading, screen.selected(), upper, buf);
    warnings(reading, lower(area, height), buf);
}

/// The alerts that hold, under their title.
pub(super) fn rows(
    screen: &Screen,
    reading: &Reading,
    selected: Option<usize>,
    area: Rect,
    buf: &mut Buffer,
) {
    const TITLE: &str = "Alerts";
    let inner = section(TITLE, area, buf);
    if reading.alerts.is_empty() {
        put(buf, inner, 0, "None holds.", Palette::quiet());
        return;
    }
    let rows = reading.alerts.iter().map(|alert| row(screen, reading, alert)).collect();
    let shown = Grid { columns: &COLUMNS, rows, selected }.draw(inner, buf);
    section(&format!("{TITLE}{}", part(&shown, reading.alerts.len())), area, buf);
}

fn row(screen: &Screen, reading: &Reading, alert: &Alert) -> Vec<Cell> {
    let palette = screen.palette;
    let (sign, style) =
        if alert.is_critical { ("▲", palette.bad()) } else { ("△", palette.warning()) };
    vec![
        Cell::styled(format!("{sign} {}", fit(&alert.name, 24)), style),
        Cell::of(alert.subject.clone()),
        Cell::of(reading.age(alert.since).map(span)),
        Cell::of(alert.value.as_deref().map(|value| fit(value, 10))),
        Cell::of(alert.threshold.as_deref().map(|value| fit(value, 10))),
        Cell::new(alert.message.clone()),
    ]
}

/// Budgets that reached a threshold, the newest first.
pub(super) fn warnings(reading: &Reading, area: Rect, buf: &mut Buffer) {
    let all = &reading.warnings;
    let room = usize::from(area.height.saturating_sub(1));
    let shown = 0..all.len().min(room);
    let inner = section(&format!("Budgets{}", part(&shown, all.len())), area, buf);
    if all.is_empty() {
        put(buf, inner, 0, "None reached a threshold of late.", Palette::quiet());
    }
    for (row, warning) in (0..inner.height).zip(all) {
        let at = warning.at.map_or_else(String::new, |at| at.strftime("%H:%M:%S ").to_string());
        put(
            buf,
            inner,
            row,
            &fit(&format!("{at}{}", warning.message), usize::from(inner.width)),
            Style::new(),
        );
    }
}
