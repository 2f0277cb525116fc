//! What a replay reads, deals, counts and compares.

mod answer;
mod books;
mod play;
mod traces;
mod wire;
