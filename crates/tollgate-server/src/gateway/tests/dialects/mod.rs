//! Every dialect on real sockets: what passes, what it is charged, and how it is refused.

mod answers;
mod cuts;
mod frames;
mod google;
mod keys;
mod paths;
mod refusals;
mod signed;
mod tiers;

use std::net::SocketAddr;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;

use super::{COMPLETION, Provider, Running, Step};

/// How one dialect asks, what its provider answers and what that is charged.
#[derive(Clone, Copy)]
struct Speech {
    dialect: &'static str,
    path: &'static str,
    /// The type of what is sent.
    kind: &'static str,
    body: &'static str,
    answer: &'static str,
    /// Tokens of input and of output, and nano-dollars.
    used: (u64, u64, u64),
}

const JSON: &str = "application/json";

const ANTHROPIC: Speech = Speech {
    dialect: "anthropic",
    path: "/v1/messages",
    kind: JSON,
    body: r#"{"model":"claude-haiku-4-5","max_tokens":100,"messages":[{"role":"user","content":"hi"}]}"#,
    answer: include_str!("../../../../../tollgate-meter/fixtures/anthropic_answer.json"),
    // 31 sent, 1,000 from the cache, 200 written to it and 100 more for an hour; 7 made.
    used: (1_331, 7, 31_000 + 100_000 + 250_000 + 200_000 + 35_000),
};

const GEMINI: Speech = Speech {
    dialect: "gemini",
    path: "/v1beta/models/m:generateContent",
    kind: JSON,
    body: r#"{"contents":[{"role":"user","parts":[{"text":"hi"}]}],"generationConfig":{"maxOutputTokens":100}}"#,
    answer: r#"{"candidates":[{"content":{"parts":[{"text":"hello"}],"role":"model"},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":7,"candidatesTokenCount":3,"thoughtsTokenCount":2,"totalTokenCount":12}}"#,
    used: (7, 5, 17_000),
};

const BEDROCK: Speech = Speech {
    dialect: "bedrock",
    path: "/model/m/converse",
    kind: JSON,
    body: r#"{"messages":[{"role":"user","content":[{"text":"hi"}]}],"inferenceConfig":{"maxTokens":100}}"#,
    answer: r#"{"output":{"message":{"role":"assistant","content":[{"text":"hello"}]}},"stopReason":"end_turn","usage":{"inputTokens":7,"outputTokens":5,"totalTokens":12},"metrics":{"latencyMs":1}}"#,
    used: (7, 5, 17_000),
};

const DEEPGRAM: Speech = Speech {
    dialect: "deepgram",
    path: "/v1/listen?model=nova-3",
    kind: "audio/mpeg",
    body: "what sounds like audio",
    answer: r#"{"metadata":{"request_id":"r","duration":25.93,"channels":1},"results":{}}"#,
    // 25.93 s at $0.00007167, rounded up.
    used: (0, 0, 1_858_404),
};

const AZURE: Speech = Speech {
    dialect: "azure",
    path: "/openai/deployments/m/chat/completions?api-version=2025-04-01-preview",
    kind: JSON,
    body: r#"{"max_tokens":100,"messages":[{"role":"user","content":"hi"}]}"#,
    answer: COMPLETION,
    used: (7, 5, 17_000),
};

const RESPONSES: Speech = Speech {
    dialect: "openai",
    path: "/v1/responses",
    kind: JSON,
    body: r#"{"model":"m","input":"hi","max_output_tokens":100}"#,
    answer: r#"{"id":"resp_1","object":"response","status":"completed","output":[],"usage":{"input_tokens":7,"output_tokens":5,"total_tokens":12}}"#,
    used: (7, 5, 17_000),
};

const TRANSCRIPTION: Speech = Speech {
    dialect: "openai",
    path: "/v1/audio/transcriptions",
    kind: "multipart/form-data; boundary=b",
    body: "--b\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.mp3\"\r\n\r\nwhat sounds like audio\r\n--b--\r\n",
    answer: r#"{"text":"hello","usage":{"type":"duration","seconds":27}}"#,
    // 27 s at $0.0001.
    used: (0, 0, 2_700_000),
};

/// One of each.
const ALL: [Speech; 7] = [ANTHROPIC, GEMINI, BEDROCK, DEEPGRAM, AZURE, RESPONSES, TRANSCRIPTION];

/// More than any of them costs.
const PLENTY: &str = "[[limits]]\nname = \"spend\"\nusd = \"1/day\"\n";

impl Speech {
    fn ask(&self) -> Request<Full<Bytes>> {
        Request::post(format!("/up{}", self.path))
            .header("content-type", self.kind)
            .body(Full::new(self.body.into()))
            .expect("a request")
    }

    /// With headers beside.
    fn ask_with(&self, headers: &[(&'static str, &str)]) -> Request<Full<Bytes>> {
        let mut request = self.ask();
        for (name, value) in headers {
            request.headers_mut().append(*name, value.parse().expect("a value"));
        }
        request
    }

    /// A provider that answers so.
    async fn provider(&self) -> Provider {
        Provider::json(self.answer).await
    }

    /// A gateway before it, with more of a policy: first what is said of the provider.
    async fn before(&self, provider: &Provider, policy: &str) -> Running {
        self.before_in(provider, policy, &[]).await
    }

    /// The same, with these variables for its secrets.
    async fn before_in(
        &self,
        provider: &Provider,
        policy: &str,
        environment: &[(&str, &str)],
    ) -> Running {
        self.before_address(provider.address, policy, environment).await
    }

    /// The same, wherever its provider is.
    async fn before_address(
        &self,
        address: SocketAddr,
        policy: &str,
        environment: &[(&str, &str)],
    ) -> Running {
        let dialect = self.dialect;
        let up = format!(
            "[providers.up]\ndialect = \"{dialect}\"\nbase_url = \"http://{address}\"\nread_timeout = \"5s\"\n"
        );
        Running::with_environment(&format!("{up}{policy}"), environment).await
    }
}
