//! The dialect of Amazon Bedrock: `converse` and `invoke`, and the streams of both.
//!
//! The model stands in the path. `converse` has one shape for all models; what `invoke` sends
//! and gets is the model's own, so it is read by the family that the model's name tells.
//! Streams are binary frames, and what goes wrong in them is a message of its own.

mod converse;
mod error;
mod families;
mod invoke;
mod request;
mod stream;
#[cfg(test)]
mod tests;
mod usage;

pub use error::{Error, error_body, refusal};
pub use request::{Operation, Request, Target, scan};
pub(crate) use usage::counted;
