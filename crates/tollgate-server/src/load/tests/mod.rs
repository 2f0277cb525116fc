//! What is asked, how the users take turns, how requests end, and what is made of it.

mod endings;
mod given;
mod report;
mod turns;
