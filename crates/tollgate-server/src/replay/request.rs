//! Makes a row into a request.

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Uri, header};
use http_body_util::Full;

use super::{deal::Deal, price::Tokens, trace::Row};

/// As whom the requests are sent.
pub(crate) enum Identity {
    /// As nobody.
    Anonymous,
    /// By `X-Tollgate-User`, which the gateway's policy must trust.
    TrustedHeader,
    /// By Tollgate keys, each `Bearer …`, dealt over the users in turn; never empty.
    Keys(Vec<HeaderValue>),
}

/// Makes rows into requests.
pub(crate) struct Requests {
    url: Uri,
    model: String,
    identity: Identity,
    max_tokens: Option<u32>,
    /// Text enough for the longest prompt.
    filler: Bytes,
}

/// Why requests cannot be sent to a place.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no place to send requests to: write it like http://127.0.0.1:8787/sandbox/v1")]
pub(crate) struct BadUrl(String);

/// Who asks, where the policy trusts that.
pub(crate) const USER: HeaderName = HeaderName::from_static("x-tollgate-user");
/// What the sandbox is to say of the prompt.
pub(crate) const INPUT_TOKENS: HeaderName = HeaderName::from_static("x-sandbox-input-tokens");
/// How much the sandbox is to make.
pub(crate) const OUTPUT_TOKENS: HeaderName = HeaderName::from_static("x-sandbox-output-tokens");

/// Bytes of prompt for every token, as real text has in the mean.
pub(crate) const BYTES_PER_TOKEN: usize = 4;
/// Where no `max_tokens` is given it is a multiple of this, as people write it: more than is used.
const MAX_TOKENS_STEP: u32 = 256;

/// What prompts are made of.
pub(crate) const SENTENCE: &[u8] =
    b"Please sum up what the notes say about the harbour and its tides. ";

impl Requests {
    /// Requests to the OpenAI-style API at `base`, for rows of at most `longest` input tokens.
    pub(crate) fn new(
        base: &str,
        model: &str,
        identity: Identity,
        longest: u32,
    ) -> Result<Self, BadUrl> {
        let url = parse_http(&format!("{}/chat/completions", base.trim_end_matches('/')))?;
        let bytes = longest as usize * BYTES_PER_TOKEN;
        let filler = SENTENCE.iter().copied().cycle().take(bytes).collect();
        let model = serde_json::Value::from(model).to_string();
        Ok(Self { url, model, identity, max_tokens: None, filler })
    }

    /// The same, with this `max_tokens` wherever the recorded answer is not longer.
    #[must_use]
    pub(crate) const fn with_max_tokens(mut self, max_tokens: Option<u32>) -> Self {
        self.max_tokens = max_tokens;
        self
    }

    /// The request of a row.
    pub(crate) fn request(&self, row: &Row, deal: Deal) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(self.body(row, deal)));
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = self.url.clone();
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(INPUT_TOKENS, row.input_tokens.into());
        headers.insert(OUTPUT_TOKENS, row.output_tokens.into());
        self.identity.add(headers, deal.user);
        request
    }

    /// The most that a row's request can use, if its answer is never seen: every byte of the
    /// body a token of input, and all the output it allows.
    pub(crate) fn most(&self, row: &Row, deal: Deal) -> Tokens {
        let input = self.body_len(row, deal) as u64;
        Tokens { input, output: self.max_tokens(row).into() }
    }

    fn max_tokens(&self, row: &Row) -> u32 {
        let used = row.output_tokens.max(1);
        self.max_tokens
            .map_or_else(|| used.next_multiple_of(MAX_TOKENS_STEP), |most| most.max(used))
    }

    fn body(&self, row: &Row, deal: Deal) -> Bytes {
        let max_tokens = self.max_tokens(row).to_string();
        let mut body = BytesMut::with_capacity(self.body_len(row, deal));
        for part in self.parts(row, deal, max_tokens.as_bytes()) {
            body.put_slice(part);
        }
        body.freeze()
    }

    fn body_len(&self, row: &Row, deal: Deal) -> usize {
        let max_tokens = self.max_tokens(row).to_string();
        self.parts(row, deal, max_tokens.as_bytes()).iter().map(|part| part.len()).sum()
    }

    fn parts<'a>(&'a self, row: &Row, deal: Deal, max_tokens: &'a [u8]) -> [&'a [u8]; 7] {
        let prompt = self.filler.len().min(row.input_tokens as usize * BYTES_PER_TOKEN);
        let stream: &[u8] = if deal.stream {
            br#","stream":true,"stream_options":{"include_usage":true}}"#
        } else {
            b"}"
        };
        [
            br#"{"model":"#,
            self.model.as_bytes(),
            br#","messages":[{"role":"user","content":""#,
            &self.filler[..prompt],
            br#""}],"max_tokens":"#,
            max_tokens,
            stream,
        ]
    }
}

impl Identity {
    fn add(&self, headers: &mut HeaderMap, user: u32) {
        match self {
            Self::Anonymous => {}
            Self::TrustedHeader => {
                if let Ok(name) = HeaderValue::try_from(user_name(user)) {
                    headers.insert(USER, name);
                }
            }
            Self::Keys(keys) => {
                if let Some(key) = keys.get(user as usize % keys.len().max(1)) {
                    headers.insert(header::AUTHORIZATION, key.clone());
                }
            }
        }
    }
}

/// The name of the user of that number.
pub(crate) fn user_name(user: u32) -> String {
    format!("user-{user:04}")
}

/// A place that plain HTTP reaches.
pub(super) fn parse_http(text: &str) -> Result<Uri, BadUrl> {
    let bad = || BadUrl(text.chars().take(200).collect());
    let url: Uri = text.parse().map_err(|_| bad())?;
    let plain = url.scheme_str() == Some("http") && url.host().is_some() && url.query().is_none();
    if plain { Ok(url) } else { Err(bad()) }
}
