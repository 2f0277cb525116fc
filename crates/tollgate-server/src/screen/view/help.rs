//! What the keys do and what the signs mean.

use ratatui::{buffer::Buffer, layout::Rect, style::Style};

use super::{put, section};
use crate::screen::palette::Palette;

const KEYS: [(&str, &str); 9] = [
    ("1 … 5, tab, ← →", "overview, services, limits, spend, alerts"),
    ("↑ ↓, k j", "select; in a detail, scroll"),
    ("page up, page down", "ten at a time"),
    ("home end, g G", "the first, the last"),
    ("enter", "all that is known of what is selected"),
    ("esc", "back"),
    ("p", "pause: nothing is asked until it is pressed again"),
    ("r", "ask now"),
    ("q, ctrl-c", "end"),
];

const SIGNS: [&str; 6] = [
    "Numbers are since the gateway's start, where nothing else is said; success is of",
    "the last minutes. `running` is on its way to a provider, `queue` waits for it.",
    "A limit's gauge shows what is used or reserved of it; one that is kept per user or",
    "the like has none. `dial` is the share of a limit that is allowed for now.",
    "Small histories are kept by this screen, from when it began.",
    "What is not known is a dash.",
];

pub(super) fn draw(area: Rect, buf: &mut Buffer) {
    let inner = section("Keys", area, buf);
    let mut row = 0;
    for (keys, does) in KEYS {
        put(buf, inner, row, &format!(" {keys:<20}{does}"), Style::new());
        row += 1;
    }
    for (nth, line) in (1..).zip(SIGNS) {
        put(buf, inner, row + nth, &format!(" {line}"), Palette::quiet());
    }
}
