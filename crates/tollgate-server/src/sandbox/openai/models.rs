//! The list of models, for clients that ask for one. Any other name is answered too.

use serde_json::{Value, json};

const MODELS: [&str; 3] = ["sandbox-large", "sandbox-small", "sandbox-embedding"];

/// The body of the list.
pub(super) fn list() -> String {
    let models: Vec<Value> = MODELS.iter().map(|id| model(id)).collect();
    json!({"object": "list", "data": models}).to_string()
}

/// The body of one model.
pub(super) fn one(id: &str) -> String {
    model(id).to_string()
}

fn model(id: &str) -> Value {
    json!({"id": id, "object": "model", "created": 1_700_000_000, "owned_by": "tollgate"})
}
