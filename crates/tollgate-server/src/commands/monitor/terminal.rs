//! The terminal: keys come in, frames go out, and it is as it was before at every end.

use std::{
    io,
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel, sync_channel},
    thread,
    time::Duration,
};

use anyhow::Context as _;
use ratatui::{
    DefaultTerminal,
    crossterm::{
        event::{self, Event as Input, KeyCode, KeyEvent, KeyEventKind, KeyModifiers},
        terminal,
    },
};
use tollgate::Clock;

use super::asking::Questions;
use crate::screen::{self, Answers, Key, Reading, Screen, Wish};

/// What happens to the screen.
enum Event {
    Key(Key),
    /// It has another size.
    Resized,
    /// The gateway told this, or why not.
    Heard(Box<Result<Answers, String>>),
    /// Somebody wants it to end.
    End,
}

/// The longest that a frame stays when nothing happens, so that what tells how long something
/// lasts is right.
const LONGEST: Duration = Duration::from_secs(1);

/// How large the terminal is.
pub(super) fn size() -> Option<(u16, u16)> {
    terminal::size().ok()
}

/// Shows the screen until somebody ends it.
///
/// # Errors
/// When the terminal can't be drawn on.
pub(super) fn show(
    screen: Screen,
    clock: &Clock,
    every: Duration,
    questions: Questions,
) -> anyhow::Result<()> {
    let (tell, events) = channel();
    end_by_signal(tell.clone())?;
    // It also restores the terminal where this panics.
    let mut terminal = ratatui::try_init().context("the terminal can't be drawn on")?;
    read_keys(tell.clone());
    let (ask, asked) = sync_channel(1);
    thread::spawn(move || answer(questions, &asked, &tell));
    let mut show = Show { screen, clock, every, ask: Box::new(move || ask.try_send(()).is_ok()) };
    let shown = show.run(&mut terminal, &events);
    ratatui::try_restore().context("the terminal can't be restored: `reset` does")?;
    shown.context("the terminal can't be drawn on")
}

struct Show<'a> {
    screen: Screen,
    clock: &'a Clock,
    every: Duration,
    /// Asks the gateway, unless it is being asked.
    ask: Box<dyn Fn() -> bool>,
}

impl Show<'_> {
    fn run(&mut self, terminal: &mut DefaultTerminal, events: &Receiver<Event>) -> io::Result<()> {
        (self.ask)();
        let mut asked = self.clock.now().time;
        loop {
            let now = self.clock.now().time;
            terminal.draw(|frame| {
                screen::draw(&self.screen, now, frame.area(), frame.buffer_mut());
            })?;
            let due = asked.after(self.every).since(now);
            let event = match events.recv_timeout(due.min(LONGEST)) {
                Ok(event) => Some(event),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            };
            let wish = match event {
                Some(Event::End) => return Ok(()),
                Some(Event::Key(key)) => self.screen.press(key),
                Some(Event::Heard(answer)) => {
                    self.hear(&answer);
                    None
                }
                Some(Event::Resized) | None => None,
            };
            let is_due = self.clock.now().time >= asked.after(self.every);
            match wish {
                Some(Wish::Quit) => return Ok(()),
                Some(Wish::Ask) => {}
                None if is_due && !self.screen.is_paused() => {}
                None => {
                    if is_due {
                        asked = self.clock.now().time;
                    }
                    continue;
                }
            }
            (self.ask)();
            asked = self.clock.now().time;
        }
    }

    fn hear(&mut self, answer: &Result<Answers, String>) {
        let now = self.clock.now().time;
        match answer {
            Ok(answers) => self.screen.hear(Reading::of(answers), now),
            Err(why) => self.screen.miss(why, now),
        }
    }
}

/// Asks whenever it is asked to.
fn answer(mut questions: Questions, asked: &Receiver<()>, tell: &Sender<Event>) {
    while asked.recv().is_ok() {
        let answer = questions.ask().map_err(|error| error.to_string());
        if tell.send(Event::Heard(Box::new(answer))).is_err() {
            return;
        }
    }
}

/// Tells of keys; the thread ends with the process, or with its terminal.
fn read_keys(tell: Sender<Event>) {
    thread::spawn(move || {
        loop {
            let event = match event::read() {
                Ok(Input::Key(pressed)) => key(pressed).map(Event::Key),
                Ok(Input::Resize(..)) => Some(Event::Resized),
                Ok(_) => None,
                Err(_) => Some(Event::End),
            };
            let is_last = matches!(event, Some(Event::End));
            if event.is_some_and(|event| tell.send(event).is_err()) || is_last {
                return;
            }
        }
    });
}

/// A process that is told to end restores the terminal first.
fn end_by_signal(tell: Sender<Event>) -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let kinds = [SignalKind::terminate(), SignalKind::hangup(), SignalKind::interrupt()];
    let mut signals = {
        let _inside = runtime.enter();
        let signals: io::Result<Vec<_>> = kinds.into_iter().map(signal).collect();
        signals?
    };
    thread::spawn(move || {
        let any = futures_util::future::select_all(
            signals.iter_mut().map(|signal| Box::pin(signal.recv())),
        );
        runtime.block_on(any);
        let _ = tell.send(Event::End);
    });
    Ok(())
}

fn key(pressed: KeyEvent) -> Option<Key> {
    if pressed.kind == KeyEventKind::Release {
        return None;
    }
    if pressed.modifiers.contains(KeyModifiers::CONTROL) {
        return (pressed.code == KeyCode::Char('c')).then_some(Key::Interrupt);
    }
    Some(match pressed.code {
        KeyCode::Char(char) => Key::Char(char),
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        KeyCode::Home => Key::Home,
        KeyCode::End => Key::End,
        KeyCode::Tab | KeyCode::Right => Key::Next,
        KeyCode::BackTab | KeyCode::Left => Key::Previous,
        KeyCode::Enter => Key::Enter,
        KeyCode::Esc => Key::Escape,
        _ => return None,
    })
}
