//! Messages in events, written.

use serde_json::{Value, json};

use super::{answer::written_usage, id, stop_reason};
use crate::{
    Counts, json, sse,
    translate::{Stamp, answer::Stop, stream::Writing},
};

/// Writes the events of a message.
#[derive(Debug)]
pub(in crate::translate) struct Writer {
    stamp: Stamp,
    /// The block that is open, and its number.
    open: Option<(Kind, u64)>,
    blocks: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Call,
}

impl Writer {
    pub(in crate::translate) const fn new(stamp: Stamp) -> Self {
        Self { stamp, open: None, blocks: 0 }
    }

    fn begin(&mut self, kind: Kind, block: &Value, out: &mut Vec<u8>) {
        self.close(out);
        self.open = Some((kind, self.blocks));
        let data = json!({ "index": self.blocks, "content_block": block });
        event("content_block_start", data, out);
        self.blocks += 1;
    }

    fn add(&self, delta: &Value, out: &mut Vec<u8>) {
        let index = self.open.map(|(_, index)| index);
        event("content_block_delta", json!({ "index": index, "delta": delta }), out);
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        if let Some((_, index)) = self.open.take() {
            event("content_block_stop", json!({ "index": index }), out);
        }
    }
}

impl Writing for Writer {
    fn start(&mut self, model: &str, out: &mut Vec<u8>) {
        let message = json!({
            "id": id(&self.stamp.id),
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": [],
            "stop_reason": null,
            "stop_sequence": null,
            // What was used is told at the end, where it is known.
            "usage": { "input_tokens": 0, "output_tokens": 0 },
        });
        event("message_start", json!({ "message": message }), out);
    }

    fn text(&mut self, text: &str, out: &mut Vec<u8>) {
        if self.open.is_none_or(|(kind, _)| kind != Kind::Text) {
            self.begin(Kind::Text, &json!({ "type": "text", "text": "" }), out);
        }
        self.add(&json!({ "type": "text_delta", "text": text }), out);
    }

    fn call(&mut self, id: &str, name: &str, out: &mut Vec<u8>) {
        let block = json!({ "type": "tool_use", "id": id, "name": name, "input": {} });
        self.begin(Kind::Call, &block, out);
    }

    fn arguments(&mut self, arguments: &str, out: &mut Vec<u8>) {
        self.add(&json!({ "type": "input_json_delta", "partial_json": arguments }), out);
    }

    fn end(&mut self, stop: Stop, usage: Option<&Counts>, out: &mut Vec<u8>) {
        self.close(out);
        let delta = json!({ "stop_reason": stop_reason(stop), "stop_sequence": null });
        let usage = written_usage(usage.unwrap_or(&Counts::default()));
        event("message_delta", json!({ "delta": delta, "usage": usage }), out);
        event("message_stop", json!({}), out);
    }
}

fn event(name: &str, mut data: Value, out: &mut Vec<u8>) {
    data["type"] = name.into();
    out.extend_from_slice(&sse::event(Some(name), &json::written(&data)));
}
