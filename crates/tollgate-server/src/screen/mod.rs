//! What `tollgate monitor` shows: what was read goes in, a frame comes out.
//!
//! Everything here is pure: the present is an argument, and a frame is the same for the same
//! reading. Whatever a gateway tells is shown, also where it is hostile or not there: names are
//! cleaned and shortened, numbers never are, and what is unknown is a dash.
//! *Absent:* the terminal, the network and clocks, which `commands/monitor` has.

mod gauge;
mod grid;
mod palette;
mod reading;
mod services;
mod state;
#[cfg(test)]
mod tests;
mod told;
mod trend;
mod view;
mod words;

pub(crate) use palette::Palette;
pub(crate) use reading::{Answers, Health, Reading};
pub(crate) use state::{Key, Screen, View, Wish};
pub(crate) use view::{draw, text};
pub(crate) use words::{clean, span};
