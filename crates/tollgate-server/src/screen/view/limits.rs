//! Every limit in a row: what it allows, where it stands, what it did.

use ratatui::{buffer::Buffer, layout::Rect, style::Style};

use super::{part, put, section};
use crate::screen::{
    gauge::gauge,
    grid::{Cell, Column, Grid, Kind},
    palette::Palette,
    reading::{Limit, Reading, Standing},
    state::Screen,
    words::{dollars, percent, short, span},
};

const COLUMNS: [Column; 9] = [
    Column { title: "limit", kind: Kind::Name(14), rank: 0 },
    Column { title: "allows", kind: Kind::Name(22), rank: 0 },
    Column { title: "used", kind: Kind::Word, rank: 0 },
    Column { title: "left", kind: Kind::Number, rank: 2 },
    Column { title: "resets in", kind: Kind::Number, rank: 4 },
    Column { title: "refused", kind: Kind::Number, rank: 0 },
    Column { title: "waiting", kind: Kind::Number, rank: 3 },
    Column { title: "waited", kind: Kind::Number, rank: 5 },
    Column { title: "dial", kind: Kind::Number, rank: 1 },
];

/// Columns of a gauge, on a narrow screen and on a wide one.
const GAUGE: (usize, usize) = (8, 24);

/// From which width on a screen is a wide one.
const WIDE: u16 = 110;

pub(super) fn draw(screen: &Screen, reading: &Reading, area: Rect, buf: &mut Buffer) {
    let all: Vec<&Limit> = reading.limits.iter().collect();
    let table = rows(screen, reading, (&all, screen.selected()), area, buf, "Limits");
    if all.is_empty() {
        put(buf, table, 0, "The policy has no limit: everything passes.", Palette::quiet());
    }
}

/// The table under its title; where it stands.
pub(super) fn rows(
    screen: &Screen,
    reading: &Reading,
    (limits, selected): (&[&Limit], Option<usize>),
    area: Rect,
    buf: &mut Buffer,
    title: &str,
) -> Rect {
    let inner = section(title, area, buf);
    if limits.is_empty() {
        return inner;
    }
    let columns = if area.width >= WIDE { GAUGE.1 } else { GAUGE.0 };
    let rows = limits.iter().map(|limit| row(screen, reading, limit, columns)).collect();
    let grid = Grid { columns: &COLUMNS, rows, selected };
    let shown = grid.draw(inner, buf);
    section(&format!("{title}{}", part(&shown, limits.len())), area, buf)
}

fn row(screen: &Screen, reading: &Reading, limit: &Limit, columns: usize) -> Vec<Cell> {
    let palette = screen.palette;
    let mode = limit.mode.map_or_else(String::new, |mode| format!(" ({mode})"));
    let counted = |count: u64| match count {
        0 => Cell::styled("0", Palette::quiet()),
        count => Cell::styled(short(count as f64), palette.warning()),
    };
    let standing = limit.standing.as_ref();
    let resets = standing.and_then(|it| it.resets).zip(reading.now);
    let resets = resets.map(|(at, now)| at.duration_since(now).as_secs().max(0).cast_unsigned());
    vec![
        Cell::new(format!("{}{mode}", limit.name)),
        Cell::new(limit.allows.clone()),
        used(palette, limit, columns),
        Cell::of(standing.map(left)),
        Cell::of(resets.map(span)),
        counted(limit.refused),
        limit.waiting.map_or_else(|| Cell::of(None), counted),
        limit.waited.map_or_else(|| Cell::of(None), counted),
        match limit.dial {
            Some(dial) if dial < 1.0 => Cell::styled(percent(dial), palette.warning()),
            dial => Cell::of(dial.map(percent)),
        },
    ]
}

/// A gauge and the share beside it; of one that is kept for each of many, whose it is.
fn used(palette: Palette, limit: &Limit, columns: usize) -> Cell {
    let Some(share) = limit.used() else {
        let per = if limit.per.is_empty() { "-".to_owned() } else { format!("per {}", limit.per) };
        return Cell::styled(super::fit(&per, columns + 5), Palette::quiet());
    };
    let style = match share {
        0.95.. => palette.bad(),
        0.8..0.95 => palette.warning(),
        _ => palette.good(),
    };
    let (filled, empty) = gauge(share, columns);
    let number = format!("{empty}{:>4.0}%", (share * 100.0).floor());
    Cell::styled(filled, style).then(number, Style::new())
}

/// What is left, in its unit.
pub(in crate::screen) fn left(standing: &Standing) -> String {
    amount(&standing.unit, standing.left)
}

/// An amount in its unit.
pub(in crate::screen) fn amount(unit: &str, amount: f64) -> String {
    match unit {
        "usd" => dollars(amount),
        "seconds" => format!("{amount:.0} s"),
        _ => short(amount),
    }
}
