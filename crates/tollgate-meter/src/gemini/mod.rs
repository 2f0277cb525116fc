//! The dialect of Google's API: `generateContent`, `streamGenerateContent` and embeddings, of
//! the Gemini API and of Vertex.
//!
//! The model and the method stand in the path. What thinking takes is told beside the tokens
//! of the answer and charged like them; what tools found is told beside the prompt. A stream
//! has no mark of its own at its end: it is complete when its candidates say why they ended.

mod error;
mod request;
mod stream;
#[cfg(test)]
mod tests;
mod usage;

pub use error::{Error, error_body, refusal};
pub use request::{MAX_CANDIDATES, Method, Request, Target, scan};
