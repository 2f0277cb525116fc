//! Every service in a row.

use ratatui::{buffer::Buffer, layout::Rect, style::Style};

use super::{of_health, part, section, success};
use crate::screen::{
    gauge::bars,
    grid::{Cell, Column, Grid, Kind},
    palette::Palette,
    reading::Reading,
    services::Service,
    state::Screen,
    words::{dollars, millis, short},
};

const COLUMNS: [Column; 13] = [
    Column { title: "service", kind: Kind::Name(10), rank: 0 },
    Column { title: "status", kind: Kind::Word, rank: 0 },
    Column { title: "success", kind: Kind::Number, rank: 0 },
    Column { title: "requests", kind: Kind::Number, rank: 3 },
    Column { title: "rate", kind: Kind::Number, rank: 6 },
    Column { title: "running", kind: Kind::Number, rank: 0 },
    Column { title: "queue", kind: Kind::Number, rank: 0 },
    Column { title: "circuit", kind: Kind::Word, rank: 0 },
    Column { title: "$/min", kind: Kind::Number, rank: 1 },
    Column { title: "cost", kind: Kind::Number, rank: 2 },
    Column { title: "p50", kind: Kind::Number, rank: 5 },
    Column { title: "p95", kind: Kind::Number, rank: 0 },
    Column { title: "requests/s", kind: Kind::Word, rank: 7 },
];

/// How many columns a small history has.
const HISTORY: usize = 24;

pub(super) fn draw(screen: &Screen, reading: &Reading, area: Rect, buf: &mut Buffer) {
    let table = rows(screen, reading, screen.selected(), area, buf, "Services");
    if reading.services.is_empty() {
        let said = "No provider is in the policy.";
        super::put(buf, table, 0, said, Palette::quiet());
    }
}

/// The table under its title; where it stands.
pub(super) fn rows(
    screen: &Screen,
    reading: &Reading,
    selected: Option<usize>,
    area: Rect,
    buf: &mut Buffer,
    title: &str,
) -> Rect {
    let inner = section(title, area, buf);
    if reading.services.is_empty() {
        return inner;
    }
    let rows = reading.services.iter().map(|service| row(screen, service)).collect();
    let grid = Grid { columns: &COLUMNS, rows, selected };
    let shown = grid.draw(inner, buf);
    section(&format!("{title}{}", part(&shown, reading.services.len())), area, buf)
}

fn row(screen: &Screen, service: &Service) -> Vec<Cell> {
    let palette = screen.palette;
    let trend = screen.trends.of_service(&service.name);
    let rate = trend.and_then(|trend| trend.newest());
    let history = trend.map(|trend| bars(trend.values(), HISTORY)).unwrap_or_default();
    let circuit = service.circuit.clone();
    let judged = if service.is_closed() { Style::new() } else { palette.bad() };
    let waits = service.queue.is_some_and(|queue| queue > 0);
    let queue = service.queue.map(|queue| short(queue as f64));
    vec![
        Cell::new(service.name.clone()),
        Cell::styled(format!("● {}", service.health.word()), of_health(palette, service.health)),
        success(palette, service.success),
        Cell::new(short(service.requests as f64)),
        Cell::of(rate.map(|rate| format!("{rate:.1}"))),
        Cell::of(service.running.map(|running| short(running as f64))),
        match queue {
            Some(queue) if waits => Cell::styled(queue, palette.warning()),
            queue => Cell::of(queue),
        },
        circuit.map_or_else(|| Cell::of(None), |circuit| Cell::styled(circuit, judged)),
        Cell::of(service.per_minute.map(dollars)),
        Cell::of(service.cost.map(dollars)),
        Cell::of(service.p50.map(millis)),
        Cell::of(service.p95.map(millis)),
        Cell::styled(history, palette.accent()),
    ]
}
