//! What the last day cost: who spent the most, and on which models.

use ratatui::{buffer::Buffer, layout::Rect, style::Style};

use super::{lower, part, put, section};
use crate::screen::{
    gauge::gauge,
    grid::{Cell, Column, Grid, Kind},
    palette::Palette,
    reading::{Reading, Spender},
    state::Screen,
    words::{dollars, percent, short, wrapped},
};

const COLUMNS: [Column; 6] = [
    Column { title: "name", kind: Kind::Name(10), rank: 0 },
    Column { title: "cost", kind: Kind::Number, rank: 0 },
    Column { title: "share", kind: Kind::Word, rank: 0 },
    Column { title: "requests", kind: Kind::Number, rank: 1 },
    Column { title: "in", kind: Kind::Number, rank: 2 },
    Column { title: "out", kind: Kind::Number, rank: 2 },
];

/// Columns of a gauge.
const GAUGE: usize = 8;

pub(super) fn draw(screen: &Screen, reading: &Reading, area: Rect, buf: &mut Buffer) {
    let spend = &reading.spend;
    let area = total(reading, area, buf);
    let selected = screen.selected();
    let users = spend.by_user.len();
    let of_users = selected.filter(|nth| *nth < users);
    let of_models = selected.and_then(|nth| nth.checked_sub(users));
    let (left, right) = halves(area);
    rows(screen, (&spend.by_user, of_users), left, buf, "By user");
    rows(screen, (&spend.by_model, of_models), right, buf, "By model");
}

/// The sum in a line, or why there is none; the rest of the area.
pub(super) fn total(reading: &Reading, area: Rect, buf: &mut Buffer) -> Rect {
    let inner = section("Spend, last 24 hours", area, buf);
    let spend = &reading.spend;
    let total = &spend.total;
    let said = spend.missing.clone().unwrap_or_else(|| {
        format!(
            "{} for {} requests; {} tokens in, {} out; overrun {}; estimated {}",
            dollars(total.cost),
            short(total.requests as f64),
            short(total.input_tokens as f64),
            short(total.output_tokens as f64),
            dollars(total.overrun),
            short(total.estimated as f64),
        )
    });
    let lines = wrapped(&said, usize::from(inner.width));
    for (nth, line) in (0..inner.height).zip(&lines) {
        put(buf, inner, nth, line, Style::new());
    }
    lower(inner, lines.len() as u16)
}

/// Those that spent the most, under a title.
pub(super) fn rows(
    screen: &Screen,
    (all, selected): (&[Spender], Option<usize>),
    area: Rect,
    buf: &mut Buffer,
    title: &str,
) {
    let inner = section(title, area, buf);
    if all.is_empty() {
        put(buf, inner, 0, "Nothing.", Palette::quiet());
        return;
    }
    let rows = all.iter().map(|spender| row(screen.palette, spender)).collect();
    let grid = Grid { columns: &COLUMNS, rows, selected };
    let shown = grid.draw(inner, buf);
    section(&format!("{title}{}", part(&shown, all.len())), area, buf);
}

fn row(palette: Palette, spender: &Spender) -> Vec<Cell> {
    let share = spender.share.map_or_else(
        || Cell::of(None),
        |share| {
            let (filled, empty) = gauge(share, GAUGE);
            Cell::styled(filled, palette.accent())
                .then(format!("{empty} {:>7}", percent(share)), Style::new())
        },
    );
    vec![
        Cell::new(spender.name.clone()),
        Cell::new(dollars(spender.cost)),
        share,
        Cell::new(short(spender.requests as f64)),
        Cell::new(short(spender.input_tokens as f64)),
        Cell::new(short(spender.output_tokens as f64)),
    ]
}

/// Beside each other where there is room, else one above the other.
fn halves(area: Rect) -> (Rect, Rect) {
    if area.width >= 76 {
        let half = (area.width - 2) / 2;
        let right = Rect { x: area.right() - half, width: half, ..area };
        return (Rect { width: half, ..area }, right);
    }
    let half = area.height.div_ceil(2);
    (Rect { height: half, ..area }, lower(area, half))
}
