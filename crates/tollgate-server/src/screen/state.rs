//! What the screen knows and where its reader is: what was heard, which view, what is selected.

use tollgate_core::Time;

use super::{palette::Palette, reading::Reading, trend::Trends, words::clean};

/// The screen before it is drawn.
#[derive(Debug)]
pub(crate) struct Screen {
    /// Whom it asks.
    pub(super) at: String,
    /// How often, in words.
    pub(super) every: String,
    pub(super) palette: Palette,
    pub(super) reading: Option<Reading>,
    pub(super) lost: Option<Lost>,
    pub(super) trends: Trends,
    pub(super) view: View,
    pub(super) is_open: bool,
    pub(super) scroll: usize,
    pub(super) has_help: bool,
    pub(super) is_paused: bool,
    cursors: [Cursor; View::ALL.len()],
    began: Time,
}

/// Since when there is no answer, and why.
#[derive(Debug)]
pub(super) struct Lost {
    pub(super) since: Time,
    pub(super) why: String,
}

/// What is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum View {
    #[default]
    Overview,
    Services,
    Limits,
    Spend,
    Alerts,
}

/// What was pressed, as far as it means something here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    Char(char),
    Up,
    Down,
    PageUp,
    PageDown,
    Home,
    End,
    Next,
    Previous,
    Enter,
    Escape,
    Interrupt,
}

/// What a key asks of whoever has the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// To end.
    Quit,
    /// To ask the gateway now.
    Ask,
}

/// What is selected in a view: it stays selected where others come and go.
#[derive(Debug, Clone, Default)]
struct Cursor {
    place: usize,
    key: Option<String>,
}

/// Rows that a page has.
const PAGE: usize = 10;

const NANOS_PER_SECOND: f64 = 1e9;

impl View {
    pub(super) const ALL: [Self; 5] =
        [Self::Overview, Self::Services, Self::Limits, Self::Spend, Self::Alerts];

    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Services => "Services",
            Self::Limits => "Limits",
            Self::Spend => "Spend",
            Self::Alerts => "Alerts",
        }
    }

    const fn moved(self, by: usize) -> Self {
        Self::ALL[(self as usize + by) % Self::ALL.len()]
    }
}

impl Screen {
    /// A screen that has heard nothing yet.
    pub(crate) fn new(at: &str, every: String, palette: Palette, view: View, now: Time) -> Self {
        Self {
            at: clean(at),
            every,
            palette,
            view,
            reading: None,
            lost: None,
            trends: Trends::default(),
            is_open: false,
            scroll: 0,
            has_help: false,
            is_paused: false,
            cursors: Default::default(),
            began: now,
        }
    }

    /// Takes in what the gateway told.
    pub(crate) fn hear(&mut self, reading: Reading, now: Time) {
        let at = now.since(self.began).as_nanos() as f64 / NANOS_PER_SECOND;
        self.trends.note(&reading, at);
        self.reading = Some(reading);
        self.lost = None;
        self.settle();
    }

    /// Takes in that it told nothing.
    pub(crate) fn miss(&mut self, why: &str, now: Time) {
        let since = self.lost.as_ref().map_or(now, |lost| lost.since);
        self.lost = Some(Lost { since, why: clean(why) });
    }

    /// Whether it is to be asked again.
    pub(crate) const fn is_paused(&self) -> bool {
        self.is_paused
    }

    /// Does what a key means.
    pub(crate) fn press(&mut self, key: Key) -> Option<Wish> {
        match key {
            Key::Interrupt | Key::Char('q') => return Some(Wish::Quit),
            Key::Char('r') => return Some(Wish::Ask),
            Key::Char('p') => {
                self.is_paused = !self.is_paused;
                return (!self.is_paused).then_some(Wish::Ask);
            }
            Key::Char('?') => self.has_help = !self.has_help,
            _ if self.has_help => self.has_help = false,
            Key::Escape if self.is_open => self.is_open = false,
            Key::Enter if self.selected().is_some() => (self.is_open, self.scroll) = (true, 0),
            Key::Char(digit @ '1'..='5') => self.show(View::ALL[digit as usize - '1' as usize]),
            Key::Next => self.show(self.view.moved(1)),
            Key::Previous => self.show(self.view.moved(View::ALL.len() - 1)),
            Key::Down | Key::Char('j') => self.step(1),
            Key::Up | Key::Char('k') => self.step(-1),
            Key::PageDown => self.step(PAGE as isize),
            Key::PageUp => self.step(-(PAGE as isize)),
            Key::Home | Key::Char('g') => self.step(isize::MIN / 2),
            Key::End | Key::Char('G') => self.step(isize::MAX / 2),
            _ => {}
        }
        None
    }

    /// Which row of the view is selected, if it has any.
    pub(super) fn selected(&self) -> Option<usize> {
        let count = self.keys().len();
        (count > 0).then(|| self.cursors[self.view as usize].place.min(count - 1))
    }

    fn show(&mut self, view: View) {
        (self.view, self.is_open, self.scroll) = (view, false, 0);
        self.settle();
    }

    fn step(&mut self, by: isize) {
        if self.is_open {
            self.scroll = self.scroll.saturating_add_signed(by).min(MAX_SCROLL);
            return;
        }
        let keys = self.keys();
        let last = keys.len().saturating_sub(1);
        let place = self.selected().unwrap_or_default().saturating_add_signed(by).min(last);
        let key = keys.into_iter().nth(place);
        self.cursors[self.view as usize] = Cursor { place, key };
    }

    /// Finds what is selected among what is there now.
    fn settle(&mut self) {
        let keys = self.keys();
        let cursor = &mut self.cursors[self.view as usize];
        let found = cursor.key.as_ref().and_then(|key| keys.iter().position(|it| it == key));
        if found.is_none() && self.is_open && cursor.key.is_some() {
            // What was looked at is gone: something else would be taken for it.
            self.is_open = false;
        }
        cursor.place = found.unwrap_or(cursor.place).min(keys.len().saturating_sub(1));
        cursor.key = keys.into_iter().nth(cursor.place);
    }

    /// What tells the rows of the view apart, in their order.
    fn keys(&self) -> Vec<String> {
        let Some(reading) = &self.reading else { return Vec::new() };
        match self.view {
            View::Services | View::Overview => {
                reading.services.iter().map(|service| service.name.clone()).collect()
            }
            View::Limits => reading.limits.iter().map(|limit| limit.name.clone()).collect(),
            View::Spend => {
                let by_user = reading.spend.by_user.iter().map(|it| format!("user {}", it.name));
                let by_model = reading.spend.by_model.iter().map(|it| format!("model {}", it.name));
                by_user.chain(by_model).collect()
            }
            View::Alerts => reading.alerts.iter().map(super::reading::Alert::key).collect(),
        }
    }
}

/// Lines of a detail that can be passed over.
const MAX_SCROLL: usize = 4_096;
