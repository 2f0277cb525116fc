//! Embeddings: unit vectors that depend on the input's text alone.

use std::fmt::Write as _;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::request::{EmbeddingsRequest, Input};
use crate::sandbox::{Plan, answer::quoted, dialect::Asked, failure::Failure, plan::Report};

/// Reads the body of a request; of a `deployment` it need not name the model.
pub(super) fn read(body: &[u8], deployment: Option<&str>) -> Result<Asked, Failure> {
    let request = EmbeddingsRequest::parse(body, deployment)?;
    let tokens = request.inputs.iter().fold(0_u32, |sum, i| sum.saturating_add(i.tokens()));
    Ok(Asked::Ready {
        model: Some(request.model.clone()),
        tokens,
        json: Box::new(move |plan| json(&request, tokens, plan)),
    })
}

fn json(request: &EmbeddingsRequest, tokens: u32, plan: &Plan) -> String {
    let mut json = String::from(r#"{"object":"list","data":["#);
    for (index, input) in request.inputs.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        // Writing to a string cannot fail.
        let _ = write!(json, r#"{comma}{{"object":"embedding","index":{index},"embedding":"#);
        write_vector(&mut json, &vector(input, request.dimensions), request.base64);
        json.push('}');
    }
    let _ = write!(json, r#"],"model":{}"#, quoted(&request.model));
    let tokens = plan.input_tokens.unwrap_or(tokens);
    match plan.report {
        Report::Exact => {
            let _ =
                write!(json, r#","usage":{{"prompt_tokens":{tokens},"total_tokens":{tokens}}}"#);
        }
        Report::Omit => {}
        Report::Lie => json.push_str(r#","usage":{"prompt_tokens":-1,"total_tokens":"many"}"#),
    }
    json.push('}');
    json
}

fn vector(input: &Input, dimensions: u32) -> Vec<f32> {
    let mut hasher = blake3::Hasher::new();
    match input {
        Input::Text(text) => {
            hasher.update(text.as_bytes());
        }
        Input::Ids(ids) => {
            for id in ids {
                hasher.update(&id.to_le_bytes());
            }
        }
    }
    let mut rng = ChaCha8Rng::from_seed(*hasher.finalize().as_bytes());
    let mut vector: Vec<f32> = (0..dimensions).map(|_| rng.random_range(-1.0..1.0)).collect();
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    for x in &mut vector {
        *x /= length.max(f32::MIN_POSITIVE);
    }
    vector
}

fn write_vector(json: &mut String, vector: &[f32], base64: bool) {
    if base64 {
        let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
        json.push('"');
        STANDARD.encode_string(bytes, json);
        json.push('"');
        return;
    }
    json.push('[');
    for (place, x) in vector.iter().enumerate() {
        let comma = if place == 0 { "" } else { "," };
        let _ = write!(json, "{comma}{x}");
    }
    json.push(']');
}
