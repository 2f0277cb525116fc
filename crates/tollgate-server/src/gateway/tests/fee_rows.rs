//! Searches in the ledger's rows, to the nano-dollar: what is held for them and what is charged,
//! however their answers end.

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use tempfile::TempDir;
use tollgate::{
    Store as _,
    store::embedded::{Export, LedgerRow},
};
use tollgate_core::{Amounts, NanoUsd};

use super::{
    COMPLETION, Provider, Running, Step, fees, post,
    provider::{chunk, end, response, stream_head},
};

const CENT: u64 = 10_000_000;

/// A cent for each search, $1 and $2 for a million tokens. All of it is open at each provider.
const PRICES: &str = "[prices.models.\"gemini-2.5-pro\"]\ninput = \"1\"\noutput = \"2\"\nsearch = \"0.01\"\n[prices.models.gemini-3-pro]\ninput = \"1\"\noutput = \"2\"\nsearch = \"0.01\"\n[prices.models.gpt-5-search-api]\ninput = \"1\"\noutput = \"2\"\nsearch = \"0.01\"\n[prices.models.s]\ninput = \"1\"\noutput = \"2\"\nsearch = \"0.01\"\n[[limits]]\nname = \"spend\"\nusd = \"1/day\"\n";

/// What 7 tokens sent and 5 made cost.
const TOKENS: u64 = 17_000;

const JSON: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json";

/// How an answer ends for its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reads {
    /// It reads on to the end, whole or not.
    All,
    /// It leaves when it has the beginning.
    Begin,
}

/// A gateway with a ledger, before one provider by each of its dialects.
pub(super) struct Books {
    pub(super) running: Running,
    pub(super) provider: Provider,
    folder: TempDir,
}

impl Books {
    async fn before(steps: Vec<Step>) -> Self {
        Self::priced(steps, PRICES).await
    }

    /// The same with other prices and limits.
    pub(super) async fn priced(steps: Vec<Step>, prices: &str) -> Self {
        let (provider, folder) = (Provider::doing(steps).await, TempDir::new().expect("a folder"));
        let at = provider.address;
        let policy = format!(
            "[providers.up]\ndialect = \"openai\"\nbase_url = \"http://{at}/v1\"\n[providers.g]\ndialect = \"gemini\"\nbase_url = \"http://{at}\"\n[providers.az]\ndialect = \"azure\"\nbase_url = \"http://{at}\"\ndeployments = {{ mine = \"gpt-5-search-api\" }}\n{prices}"
        );
        let path = folder.path().join("tollgate.db").display().to_string();
        let store = [("TOLLGATE_STORE_KIND", "embedded"), ("TOLLGATE_STORE_PATH", path.as_str())];
        let running = Running::with_environment(&policy, &store).await;
        Self { running, provider, folder }
    }

    /// Asks, reads so far, and returns when nothing is left of it.
    pub(super) async fn ask(&self, request: Request<Full<Bytes>>, reads: Reads) {
        let mut answer = self.running.begin(request).await;
        assert_eq!(answer.status(), StatusCode::OK);
        match reads {
            Reads::All => drop(answer.into_body().collect().await),
            Reads::Begin => {
                answer.body_mut().frame().await.expect("a frame").expect("no error");
                drop(answer);
            }
        }
        self.provider.closed().await;
    }

    /// What was held of the one request, what was charged, and whether that is an estimate.
    pub(super) async fn rows(&self) -> (Amounts, Amounts, bool) {
        self.running.app.gate.store().durable().await.expect("it is written");
        let path = self.folder.path().join("tollgate.db");
        let mut export = Export::open(&path, None, None).expect("a ledger");
        let rows = export.next_rows().expect("rows");
        let of = |kind: &str| -> Vec<&LedgerRow> {
            rows.iter().filter(|row| row.kind == kind).collect()
        };
        let ([held], [charged]) = (&of("reserve")[..], &of("settle")[..]) else {
            panic!("one request: {rows:?}")
        };
        assert_eq!(rows.len(), 2, "nothing beyond what was held: {rows:?}");
        (held.amounts, charged.amounts, charged.estimated)
    }
}

/// What so many tokens and searches cost.
fn cost(Amounts { input_tokens, output_tokens, .. }: Amounts, searches: u64) -> NanoUsd {
    NanoUsd(input_tokens * 1_000 + output_tokens * 2_000 + searches * CENT)
}

fn asked(members: &str) -> Request<Full<Bytes>> {
    let tools = r#""tools":[{"type":"web_search"}],"max_tool_calls":3"#;
    let body = format!(r#"{{"model":"s","input":"hi","max_output_tokens":10,{tools}{members}}}"#);
    post("/up/v1/responses", body)
}

fn of_google(model: &str, method: &str) -> Request<Full<Bytes>> {
    let body = r#"{"contents":[{"parts":[{"text":"hi"}]}],"tools":[{"googleSearch":{}}],"generationConfig":{"maxOutputTokens":10}}"#;
    post(&format!("/g/v1beta/models/{model}:{method}"), body)
}

/// All of an answer in one piece, but for so many bytes of its end.
pub(super) fn plain(body: &str, lacks: usize) -> Vec<Step> {
    let whole = response(JSON, body);
    vec![Step::Send(whole[..whole.len() - lacks].to_vec())]
}

#[tokio::test]
async fn what_comes_whole_is_charged_what_it_searched() {
    let streamed =
        || vec![Step::Send(stream_head()), Step::Send(chunk(&fees::stream())), Step::Send(end())];
    for (steps, members) in [(plain(fees::ANSWER, 0), ""), (streamed(), r#","stream":true"#)] {
        let books = Books::before(steps).await;
        books.ask(asked(members), Reads::All).await;
        let (held, charged, estimated) = books.rows().await;
        assert_eq!((held.output_tokens, held.cost), (10, cost(held, 3)));
        assert_eq!((charged.input_tokens, charged.output_tokens), (7, 5));
        assert_eq!((charged.cost, estimated), (NanoUsd(TOKENS + 2 * CENT), false), "{members}");
    }
}

#[tokio::test]
async fn what_is_cut_or_left_is_charged_what_it_may_have_searched() {
    let stream = fees::stream();
    let begun = stream.split_inclusive("\n\n").next().expect("an event");
    let cut = vec![Step::Send(stream_head()), Step::Send(chunk(begun))];
    let left = [cut.clone(), vec![Step::Hang]].concat();
    for (steps, reads) in [(cut, Reads::All), (left, Reads::Begin)] {
        let books = Books::before(steps).await;
        books.ask(asked(r#","stream":true"#), reads).await;
        let (held, charged, estimated) = books.rows().await;
        assert_eq!(charged.input_tokens, held.input_tokens, "nobody knows what it read");
        // One search had been told, and the next may have begun.
        assert_eq!((charged.cost, estimated), (cost(charged, 2), true), "{reads:?}");
    }
    // Of an answer in one piece nobody knows anything, so it is charged what was held.
    let half = plain(fees::ANSWER, 60);
    let left = [plain(fees::ANSWER, 60), vec![Step::Hang]].concat();
    for (steps, reads) in [(half, Reads::All), (left, Reads::Begin)] {
        let books = Books::before(steps).await;
        books.ask(asked(""), reads).await;
        let (held, charged, estimated) = books.rows().await;
        assert_eq!((charged, estimated), (held, true), "{reads:?}");
        assert_eq!(charged.cost, cost(held, 3));
    }
}

#[tokio::test]
async fn google_is_charged_by_the_answer_or_by_the_query() {
    const STREAM: &str = "streamGenerateContent?alt=sse";
    let usage =
        r#""usageMetadata":{"promptTokenCount":7,"candidatesTokenCount":5,"totalTokenCount":12}"#;
    let found = r#""groundingMetadata":{"webSearchQueries":["a","b"]}"#;
    let answer = format!(
        r#"{{"candidates":[{{"content":{{"parts":[{{"text":"hello"}}]}},{found},"finishReason":"STOP"}}],{usage}}}"#
    );
    let event = r#"data: {"candidates":[{"content":{"parts":[{"text":"a"}]}}]}"#;
    let cut = vec![Step::Send(stream_head()), Step::Send(chunk(&format!("{event}\n\n")))];
    let last = chunk(&format!("data: {answer}\n\n"));
    let whole = [cut.clone(), vec![Step::Send(last), Step::Send(end())]].concat();
    for (model, most, seen) in [("gemini-2.5-pro", 1, 1), ("gemini-3-pro", 5, 2)] {
        for (steps, method) in [(plain(&answer, 0), "generateContent"), (whole.clone(), STREAM)] {
            let books = Books::before(steps).await;
            books.ask(of_google(model, method), Reads::All).await;
            let (held, charged, estimated) = books.rows().await;
            assert_eq!(held.cost, cost(held, most), "{model} {method}");
            let expected = (NanoUsd(TOKENS + seen * CENT), false);
            assert_eq!((charged.cost, estimated), expected, "{model} {method}");
        }
        for (steps, method) in [(plain(&answer, 60), "generateContent"), (cut.clone(), STREAM)] {
            let books = Books::before(steps).await;
            books.ask(of_google(model, method), Reads::All).await;
            let (_, charged, estimated) = books.rows().await;
            assert_eq!((charged.cost, estimated), (cost(charged, most), true), "{model} {method}");
        }
    }
}

#[tokio::test]
async fn a_model_that_searches_is_charged_for_it_whatever_it_is_called() {
    for path in ["/az/openai/deployments/mine/chat/completions", "/az/openai/v1/chat/completions"] {
        let books = Books::before(plain(COMPLETION, 0)).await;
        let body = super::CHAT.replace("\"m\"", "\"mine\"");
        books.ask(post(&format!("{path}?api-version=1"), body), Reads::All).await;
        let (held, charged, _) = books.rows().await;
        assert_eq!(held.cost, cost(held, 1), "{path}");
        assert_eq!(charged.cost, NanoUsd(TOKENS + CENT), "{path}");
    }
}
