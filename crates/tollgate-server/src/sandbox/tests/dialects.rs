//! Every dialect tells its text, its use and its errors where its clients look for them.

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};

use super::{super::SandboxSettings, Answered, ask, post, sandbox};

/// One way to ask, and where the answer says what.
pub(super) struct Way {
    pub(super) name: &'static str,
    pub(super) path: &'static str,
    pub(super) stream_path: &'static str,
    body: fn() -> Value,
    text: &'static str,
    usage: [&'static str; 2],
    /// Where an error has its kind, and what it is for each fault.
    kind: &'static str,
    kinds: [(u16, &'static str); 3],
}

const FAULTS: [&str; 3] = ["error", "unavailable", "rate-limit"];

const OPENAI: [(u16, &str); 3] =
    [(500, "server_error"), (503, "service_unavailable_error"), (429, "requests")];

const GEMINI: [(u16, &str); 3] =
    [(500, "INTERNAL"), (503, "UNAVAILABLE"), (429, "RESOURCE_EXHAUSTED")];

/// Bedrock names its errors in a header alone.
const BEDROCK: [(u16, &str); 3] = [
    (500, "InternalServerException"),
    (503, "ServiceUnavailableException"),
    (429, "ThrottlingException"),
];

fn said() -> Value {
    json!([{"role": "user", "content": "Hello there, what is up?"}])
}

fn conversation() -> Value {
    json!({"messages": [{"role": "user", "content": [{"text": "Hello there, what is up?"}]}]})
}

pub(super) const WAYS: [Way; 8] = [
    Way {
        name: "chat completions",
        path: "/v1/chat/completions",
        stream_path: "/v1/chat/completions",
        body: || json!({"model": "m", "messages": said(), "stream_options": {"include_usage": true}}),
        text: "/choices/0/message/content",
        usage: ["/usage/prompt_tokens", "/usage/completion_tokens"],
        kind: "/error/type",
        kinds: OPENAI,
    },
    Way {
        name: "responses",
        path: "/v1/responses",
        stream_path: "/openai/v1/responses",
        body: || json!({"model": "m", "input": "Hello there, what is up?"}),
        text: "/output/0/content/0/text",
        usage: ["/usage/input_tokens", "/usage/output_tokens"],
        kind: "/error/type",
        kinds: OPENAI,
    },
    Way {
        name: "anthropic",
        path: "/v1/messages",
        stream_path: "/anthropic/v1/messages",
        body: || json!({"model": "m", "messages": said(), "max_tokens": 100}),
        text: "/content/0/text",
        usage: ["/usage/input_tokens", "/usage/output_tokens"],
        kind: "/error/type",
        kinds: [(500, "api_error"), (529, "overloaded_error"), (429, "rate_limit_error")],
    },
    Way {
        name: "gemini",
        path: "/v1beta/models/m:generateContent",
        stream_path: "/gemini/v1beta/models/m:streamGenerateContent?alt=sse",
        body: || json!({"contents": [{"parts": [{"text": "Hello there, what is up?"}]}]}),
        text: "/candidates/0/content/parts/0/text",
        usage: ["/usageMetadata/promptTokenCount", "/usageMetadata/candidatesTokenCount"],
        kind: "/error/status",
        kinds: GEMINI,
    },
    Way {
        name: "converse",
        path: "/model/m/converse",
        stream_path: "/bedrock/model/m/converse-stream",
        body: conversation,
        text: "/output/message/content/0/text",
        usage: ["/usage/inputTokens", "/usage/outputTokens"],
        kind: "",
        kinds: BEDROCK,
    },
    Way {
        name: "invoke, Claude",
        path: "/model/anthropic.claude/invoke",
        stream_path: "/model/anthropic.claude/invoke-with-response-stream",
        body: || json!({"messages": said(), "max_tokens": 100}),
        text: "/content/0/text",
        usage: ["/usage/input_tokens", "/usage/output_tokens"],
        kind: "",
        kinds: BEDROCK,
    },
    Way {
        name: "invoke, Nova",
        path: "/model/amazon.nova-pro/invoke",
        stream_path: "/model/amazon.nova-pro/invoke-with-response-stream",
        body: conversation,
        text: "/output/message/content/0/text",
        usage: ["/usage/inputTokens", "/usage/outputTokens"],
        kind: "",
        kinds: BEDROCK,
    },
    Way {
        name: "azure",
        path: "/openai/deployments/m/chat/completions?api-version=2026-10-21",
        stream_path: "/azure/openai/deployments/m/chat/completions?api-version=2026-10-21",
        body: || json!({"messages": said(), "stream_options": {"include_usage": true}}),
        text: "/choices/0/message/content",
        usage: ["/usage/prompt_tokens", "/usage/completion_tokens"],
        kind: "",
        kinds: [(500, ""), (503, ""), (429, "")],
    },
];

const COUNTS: [(&str, &str); 2] =
    [("x-sandbox-input-tokens", "11"), ("x-sandbox-output-tokens", "5")];

impl Way {
    pub(super) fn plain(&self, headers: &[(&str, &str)]) -> Request<Full<Bytes>> {
        post(self.path, headers, (self.body)().to_string())
    }

    pub(super) fn streamed(&self, headers: &[(&str, &str)]) -> Request<Full<Bytes>> {
        let mut body = (self.body)();
        if self.path.starts_with("/v1/") || self.name == "azure" {
            body["stream"] = true.into();
        }
        post(self.stream_path, headers, body.to_string())
    }
}

fn at<'a>(answer: &'a Value, pointer: &str) -> &'a Value {
    answer.pointer(pointer).unwrap_or_else(|| panic!("there is no {pointer}: {answer}"))
}

fn kind_of(way: &Way, answered: &Answered) -> String {
    match (way.kinds[2].1, way.kind) {
        ("ThrottlingException", _) => answered.headers["x-amzn-errortype"].to_str().unwrap().into(),
        (_, "") => String::new(),
        (_, pointer) => at(&answered.json(), pointer).as_str().unwrap().into(),
    }
}

#[tokio::test]
async fn every_dialect_tells_its_text_and_its_use() {
    for way in &WAYS {
        let sandbox = sandbox(SandboxSettings::default());
        let answer = ask(&sandbox, way.plain(&COUNTS)).await.json();
        assert_eq!(at(&answer, way.text), " the sun and sea are", "{}", way.name);
        let [input, output] = way.usage.map(|pointer| at(&answer, pointer).as_u64());
        assert_eq!((input, output), (Some(11), Some(5)), "{}", way.name);
        let counted = ask(&sandbox, way.plain(&[])).await.json();
        assert_eq!(at(&counted, way.usage[0]), 6, "24 bytes are 6 tokens: {}", way.name);
        let silent = ask(&sandbox, way.plain(&[("x-sandbox-usage", "none")])).await.json();
        assert_eq!(silent.pointer(way.usage[0]), None, "{}", way.name);
    }
}

#[tokio::test]
async fn every_stream_has_all_words_and_its_use() {
    for way in &WAYS {
        let sandbox = sandbox(SandboxSettings::default());
        let answered = ask(&sandbox, way.streamed(&COUNTS)).await;
        assert!(answered.status.is_success(), "{}: {}", way.name, answered.status);
        let said = answered.said();
        for word in [" the", " sun", " and", " sea", " are"] {
            let quoted = format!("\"{word}\"");
            assert_eq!(said.matches(&quoted).count(), 1, "{}: {said}", way.name);
        }
        let output = way.usage[1].rsplit('/').next().unwrap();
        assert!(said.contains(&format!("\"{output}\":5")), "{}: {said}", way.name);
    }
}

#[tokio::test]
async fn errors_are_each_providers_own() {
    for way in &WAYS {
        for (fault, (status, kind)) in FAULTS.into_iter().zip(way.kinds) {
            let sandbox = sandbox(SandboxSettings::default());
            let answered = ask(&sandbox, way.plain(&[("x-sandbox-fault", fault)])).await;
            assert_eq!(answered.status.as_u16(), status, "{}: {fault}", way.name);
            assert_eq!(kind_of(way, &answered), kind, "{}: {fault}", way.name);
        }
        let nothing = sandbox(SandboxSettings::default());
        let bad = ask(&nothing, post(way.path, &[], "{".to_owned())).await;
        assert_eq!(bad.status.as_u16(), 400, "{}", way.name);
        assert!(bad.text().contains("could not parse the JSON body"), "{}", way.name);
    }
}

#[tokio::test]
async fn a_stream_can_end_with_an_error_and_what_is_none_is_one() {
    let fault = [("x-sandbox-fault", "stream-error")];
    for way in &WAYS {
        let sandbox = sandbox(SandboxSettings::default());
        let answered = ask(&sandbox, way.streamed(&fault)).await;
        assert!(answered.status.is_success() && !answered.cut, "{}", way.name);
        let said = answered.said();
        let (before, after) = said.split_once("The server had an error").unwrap();
        assert!(before.contains("\" the\"") && !after.contains("\" the\""), "{}", way.name);
        assert_eq!(ask(&sandbox, way.plain(&fault)).await.status.as_u16(), 500, "{}", way.name);
    }
}

#[tokio::test]
async fn unknown_places_are_not_found_in_the_dialect_that_is_named() {
    let sandbox = sandbox(SandboxSettings::default());
    for (path, says) in [
        ("/anthropic/v1/nothing", "not_found_error"),
        ("/gemini/v1beta/nothing", "NOT_FOUND"),
        ("/v1beta/models/m:nothing", "NOT_FOUND"),
        ("/bedrock/nothing", "Unknown request URL"),
        ("/model/m/nothing", "Unknown request URL"),
        ("/deepgram/v1/speak", "err_code"),
        ("/openai/deployments/m/chat/completions", "Resource not found"),
        ("/azure/openai/files", "Resource not found"),
        ("/openai/v1/nothing", "invalid_request_error"),
    ] {
        let answered = ask(&sandbox, post(path, &[], "{}".to_owned())).await;
        assert_eq!(answered.status.as_u16(), 404, "{path}");
        assert!(answered.text().contains(says), "{path}: {}", answered.text());
    }
}
