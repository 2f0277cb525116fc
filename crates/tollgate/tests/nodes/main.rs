//! Several nodes over one shared store: what they decide together, alone, and after a loss.

mod conformance;
mod ends;
mod hub;
mod outages;
mod restarts;
