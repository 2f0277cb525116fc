//! How much is sent at once and how often, as a provider bears it, and when what failed is
//! tried again.
//!
//! - [`Concurrency`] stays within its bounds, and finds about as many requests at once as the
//!   provider serves without becoming slower. How *long* answers are does not matter to it,
//!   and no failure, however fast, is taken for a quick answer.
//! - [`Interval`] keeps beginnings apart, the further the more of them fail.
//! - [`RetryBudget`] lets a share of requests be tried again: however much fails, retries are
//!   never a storm. [`Backoff`] spreads them.
//!
//! Nothing here has a clock or is random: the present and random numbers are arguments.

mod concurrency;
mod interval;
mod retry;
mod settings;
mod window;

pub use concurrency::{Concurrency, MIN_TOKENS, Pace};
pub use interval::Interval;
pub use retry::{Backoff, RetryBudget};
pub use settings::{ConcurrencySettings, IntervalSettings, RetrySettings, Signal};
pub use window::MIN_SAMPLES;
