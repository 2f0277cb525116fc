//! Completions in chunks, written.

use serde_json::{Value, json};

use super::{answer, finish_reason, id};
use crate::{
    Counts, json, openai, sse,
    translate::{Stamp, answer::Stop, stream::Writing},
};

/// Writes the chunks of a completion.
#[derive(Debug)]
pub(in crate::translate) struct Writer {
    stamp: Stamp,
    model: String,
    include_usage: bool,
    calls: u64,
}

impl Writer {
    pub(in crate::translate) fn new(stamp: Stamp, include_usage: bool) -> Self {
        Self { stamp, model: String::new(), include_usage, calls: 0 }
    }

    fn chunk(&self, choices: &Value, out: &mut Vec<u8>) {
        self.event(&mut json!({ "choices": choices }), out);
    }

    fn delta(&self, delta: &Value, out: &mut Vec<u8>) {
        let choice = json!({ "index": 0, "delta": delta, "finish_reason": null });
        self.chunk(&json!([choice]), out);
    }

    fn event(&self, chunk: &mut Value, out: &mut Vec<u8>) {
        chunk["id"] = id(&self.stamp.id).into();
        chunk["object"] = "chat.completion.chunk".into();
        chunk["created"] = self.stamp.created.into();
        chunk["model"] = self.model.as_str().into();
        out.extend_from_slice(&sse::event(None, &json::written(chunk)));
    }
}

impl Writing for Writer {
    fn start(&mut self, model: &str, out: &mut Vec<u8>) {
        model.clone_into(&mut self.model);
        self.delta(&json!({ "role": "assistant", "content": "" }), out);
    }

    fn text(&mut self, text: &str, out: &mut Vec<u8>) {
        self.delta(&json!({ "content": text }), out);
    }

    fn call(&mut self, id: &str, name: &str, out: &mut Vec<u8>) {
        let function = json!({ "name": name, "arguments": "" });
        let call = json!({
            "index": self.calls, "id": id, "type": "function", "function": function,
        });
        self.calls += 1;
        self.delta(&json!({ "tool_calls": [call] }), out);
    }

    fn arguments(&mut self, arguments: &str, out: &mut Vec<u8>) {
        let function = json!({ "arguments": arguments });
        let call = json!({ "index": self.calls.saturating_sub(1), "function": function });
        self.delta(&json!({ "tool_calls": [call] }), out);
    }

    fn end(&mut self, stop: Stop, usage: Option<&Counts>, out: &mut Vec<u8>) {
        let reason = finish_reason(stop);
        self.chunk(&json!([{ "index": 0, "delta": {}, "finish_reason": reason }]), out);
        if let (true, Some(counts)) = (self.include_usage, usage) {
            let usage = answer::written_usage(counts);
            self.event(&mut json!({ "choices": [], "usage": usage }), out);
        }
        out.extend_from_slice(openai::DONE);
    }
}
