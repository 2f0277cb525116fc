//! Tables whose numbers are never cut: where room is short, columns that matter less go first,
//! then the names are shortened.

use ratatui::{buffer::Buffer, layout::Rect, style::Style};

use super::{
    palette::Palette,
    words::{fit, width},
};

/// A column.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    pub(super) title: &'static str,
    pub(super) kind: Kind,
    /// The larger it is the sooner the column goes; one of 0 stays. From [`SPARE`] on it goes
    /// before a name is shortened.
    pub(super) rank: u8,
}

/// What a column has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Names, shortened to no less than these columns.
    Name(usize),
    /// Words that are shown whole.
    Word,
    /// Numbers that are shown whole, to the right.
    Number,
}

/// What stands in a column of a row.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    text: String,
    style: Style,
    is_unknown: bool,
    /// What comes after it, as the empty part of a gauge.
    rest: Option<(String, Style)>,
}

/// Rows under their columns.
#[derive(Debug)]
pub(super) struct Grid<'a> {
    pub(super) columns: &'a [Column],
    pub(super) rows: Vec<Vec<Cell>>,
    pub(super) selected: Option<usize>,
}

const GAP: usize = 2;

/// From which rank on a column only fills what room is left.
const SPARE: u8 = 4;

/// The columns of a name that is not unusually long.
const USUAL: usize = 32;

impl Cell {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self::styled(text, Style::new())
    }

    pub(super) fn styled(text: impl Into<String>, style: Style) -> Self {
        Self { text: text.into(), style, is_unknown: false, rest: None }
    }

    /// Something that may not be known.
    pub(super) fn of(value: Option<String>) -> Self {
        let unknown = || Self { is_unknown: true, ..Self::styled("-", Palette::quiet()) };
        value.map_or_else(unknown, Self::new)
    }

    /// The same with something after it.
    #[must_use]
    pub(super) fn then(self, text: String, style: Style) -> Self {
        Self { rest: Some((text, style)), ..self }
    }

    fn width(&self) -> usize {
        width(&self.text) + self.rest.as_ref().map_or(0, |(rest, _)| width(rest))
    }
}

impl Grid<'_> {
    /// Draws the header and as many rows as there is room for, the selected one among them; which
    /// rows were drawn.
    pub(super) fn draw(&self, area: Rect, buf: &mut Buffer) -> std::ops::Range<usize> {
        if area.height == 0 {
            return 0..0;
        }
        let widths = self.widths(usize::from(area.width));
        let titles = self.columns.iter().map(|column| Cell::styled(column.title, Palette::quiet()));
        self.line(&titles.collect::<Vec<_>>(), &widths, area.y, area, buf);
        let room = usize::from(area.height - 1);
        // The selected row is kept in the middle, as far as there are rows on both sides.
        let most = self.rows.len().saturating_sub(room);
        let first = self.selected.map_or(0, |at| at.saturating_sub(room / 2)).min(most);
        let shown = first..self.rows.len().min(first + room);
        for (y, nth) in (area.y + 1..).zip(shown.clone()) {
            self.line(&self.rows[nth], &widths, y, area, buf);
            if self.selected == Some(nth) {
                buf.set_style(Rect { y, height: 1, ..area }, Palette::selected());
            }
        }
        shown
    }

    fn line(&self, row: &[Cell], widths: &[Option<usize>], y: u16, area: Rect, buf: &mut Buffer) {
        let mut x = area.x;
        for ((cell, column), room) in row.iter().zip(self.columns).zip(widths) {
            let Some(room) = *room else { continue };
            let left = usize::from(area.right().saturating_sub(x)).min(room);
            let text = fit(&cell.text, left);
            let taken = width(&text) + cell.rest.as_ref().map_or(0, |(rest, _)| width(rest));
            let lead = if column.kind == Kind::Number { left.saturating_sub(taken) } else { 0 };
            let (end, _) = buf.set_stringn(x + lead as u16, y, &text, left, cell.style);
            if let Some((rest, style)) = &cell.rest {
                let left = usize::from((x + room as u16).min(area.right()).saturating_sub(end));
                buf.set_stringn(end, y, rest, left, *style);
            }
            x = x.saturating_add((room + GAP) as u16);
            if x >= area.right() {
                break;
            }
        }
    }

    /// How wide each column is; nothing for one that has no room.
    fn widths(&self, room: usize) -> Vec<Option<usize>> {
        let natural = |nth: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(nth)).map(Cell::width);
            cells.max().unwrap_or_default().max(width(self.columns[nth].title))
        };
        let natural: Vec<usize> = (0..self.columns.len()).map(natural).collect();
        let least = |nth: usize| match self.columns[nth].kind {
            Kind::Name(least) => natural[nth].min(least),
            Kind::Word | Kind::Number => natural[nth],
        };
        // Of what is known of none, nothing is shown where it matters less.
        let is_known = |nth: &usize| {
            self.rows.iter().any(|row| row.get(*nth).is_some_and(|it| !it.is_unknown))
        };
        let mut kept: Vec<usize> = (0..self.columns.len())
            .filter(|nth| self.columns[*nth].rank == 0 || is_known(nth))
            .collect();
        let total = |kept: &[usize], of: &dyn Fn(usize) -> usize| {
            kept.iter().map(|nth| of(*nth)).sum::<usize>() + GAP * kept.len().saturating_sub(1)
        };
        let usual = |nth: usize| match self.columns[nth].kind {
            Kind::Name(_) => natural[nth].min(USUAL),
            Kind::Word | Kind::Number => natural[nth],
        };
        let wants: [(u8, &dyn Fn(usize) -> usize); 2] = [(SPARE, &usual), (1, &least)];
        for (rank, want) in wants {
            let last = |kept: &[usize]| {
                let may_go = kept.iter().filter(|nth| self.columns[**nth].rank >= rank);
                may_go.max_by_key(|nth| self.columns[**nth].rank).copied()
            };
            while total(&kept, want) > room
                && let Some(last) = last(&kept)
            {
                kept.retain(|nth| *nth != last);
            }
        }
        let mut spare = room.saturating_sub(total(&kept, &least));
        let mut widths = vec![None; self.columns.len()];
        for nth in kept {
            let more = (natural[nth] - least(nth)).min(spare);
            spare -= more;
            widths[nth] = Some(least(nth) + more);
        }
        widths
    }
}
