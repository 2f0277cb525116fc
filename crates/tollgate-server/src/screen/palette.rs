//! Few colours, each with one meaning; without colour what matters is bold or turned round.

use ratatui::style::{Color, Modifier, Style};

/// How things look.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Palette {
    /// Whether there are colours.
    pub(crate) has_colors: bool,
}

impl Palette {
    fn colored(self, color: Color) -> Style {
        if self.has_colors { Style::new().fg(color) } else { Style::new() }
    }

    /// What is as it should be.
    pub(super) fn good(self) -> Style {
        self.colored(Color::Green)
    }

    /// What should be looked at.
    pub(super) fn warning(self) -> Style {
        self.colored(Color::Yellow).add_modifier(Modifier::BOLD)
    }

    /// What is in the way.
    pub(super) fn bad(self) -> Style {
        self.colored(Color::Red).add_modifier(Modifier::BOLD)
    }

    /// What is there to be pressed, and histories.
    pub(super) fn accent(self) -> Style {
        self.colored(Color::Cyan)
    }

    /// Titles and numbers that matter.
    pub(super) const fn strong() -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// What only helps to read the rest.
    pub(super) const fn quiet() -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    /// What is selected.
    pub(super) const fn selected() -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// What nobody may overlook.
    pub(super) fn loud(self) -> Style {
        self.bad().add_modifier(Modifier::REVERSED)
    }
}
