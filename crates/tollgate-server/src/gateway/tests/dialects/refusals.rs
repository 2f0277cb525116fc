//! Refusals in the words of each dialect, as its official clients read them.

use http::StatusCode;
use serde_json::Value;

use super::{ANTHROPIC, AZURE, BEDROCK, DEEPGRAM, GEMINI, RESPONSES, Speech};
use crate::gateway::tests::running::Answer;
use crate::net::nobody::Nobody;

/// A dialect, and where its errors say what they are.
struct Words {
    speech: Speech,
    what: fn(&Answer) -> Value,
    message: &'static str,
    /// What is said where there were too many requests, where a budget is spent, where too
    /// much is in use, and where nobody knows who asks.
    rate: (u16, &'static str),
    spent: (u16, &'static str),
    overloaded: (u16, &'static str),
    unauthorized: (u16, &'static str),
}

fn at(answer: &Answer, pointer: &str) -> Value {
    answer.json().pointer(pointer).cloned().unwrap_or_default()
}

fn error_type(answer: &Answer) -> Value {
    answer.header("x-amzn-errortype").into()
}

const ALL: [Words; 6] = [
    Words {
        speech: ANTHROPIC,
        what: |it| at(it, "/error/type"),
        message: "/error/message",
        rate: (429, "rate_limit_error"),
        spent: (429, "rate_limit_error"),
        overloaded: (529, "overloaded_error"),
        unauthorized: (401, "authentication_error"),
    },
    Words {
        speech: GEMINI,
        what: |it| at(it, "/error/status"),
        message: "/error/message",
        rate: (429, "RESOURCE_EXHAUSTED"),
        spent: (429, "RESOURCE_EXHAUSTED"),
        overloaded: (503, "UNAVAILABLE"),
        unauthorized: (401, "UNAUTHENTICATED"),
    },
    Words {
        speech: BEDROCK,
        what: error_type,
        message: "/message",
        rate: (429, "ThrottlingException"),
        spent: (400, "ServiceQuotaExceededException"),
        overloaded: (503, "ServiceUnavailableException"),
        unauthorized: (403, "UnrecognizedClientException"),
    },
    Words {
        speech: DEEPGRAM,
        what: |it| at(it, "/err_code"),
        message: "/err_msg",
        rate: (429, "TOO_MANY_REQUESTS"),
        spent: (402, "ASR_PAYMENT_REQUIRED"),
        overloaded: (503, "SERVICE_UNAVAILABLE"),
        unauthorized: (401, "INVALID_AUTH"),
    },
    OPENAI,
    Words { speech: AZURE, ..OPENAI },
];

const OPENAI: Words = Words {
    speech: RESPONSES,
    what: |it| at(it, "/error/code"),
    message: "/error/message",
    rate: (429, "rate_limit_exceeded"),
    spent: (429, "project_spend_limit_exceeded"),
    overloaded: (503, "too_many_requests"),
    unauthorized: (401, "invalid_api_key"),
};

impl Words {
    /// The answer to the second of two requests under a limit.
    async fn refused(&self, limit: &str) -> Answer {
        let provider = self.speech.provider().await;
        let limit = format!("[[limits]]\nname = \"narrow\"\n{limit}\n");
        let running = self.speech.before(&provider, &limit).await;
        running.send(self.speech.ask()).await;
        let before = running.used();
        let answer = running.send(self.speech.ask()).await;
        assert_eq!(running.used(), before, "what is refused is not charged");
        answer
    }

    #[track_caller]
    fn assert_says(&self, answer: &Answer, (status, what): (u16, &str)) {
        let dialect = self.speech.dialect;
        let told = (answer.status.as_u16(), (self.what)(answer));
        assert_eq!(told, (status, what.into()), "{dialect}: {:?}", answer.body);
        assert_eq!(answer.header("content-type"), Some("application/json"), "{dialect}");
        let message = at(answer, self.message);
        assert!(message.as_str().is_some_and(|it| it.ends_with('.')), "{dialect}: {message}");
        assert!(answer.header("x-tollgate-request-id").is_some(), "{dialect}");
    }
}

#[tokio::test]
async fn a_rate_that_is_reached_says_when_to_come_back() {
    for words in ALL {
        let answer = words.refused("requests = \"1/minute\"").await;
        words.assert_says(&answer, words.rate);
        assert_eq!(answer.header("retry-after"), Some("60"));
        assert_eq!(answer.header("retry-after-ms"), Some("60000"));
        assert_eq!(answer.header("x-should-retry"), None, "it may come back by itself");
        assert_eq!(answer.header("x-tollgate-limit"), Some("narrow"));
        match words.speech.dialect {
            "bedrock" => assert_eq!(answer.header("x-amz-retry-after"), Some("60000")),
            "gemini" => {
                let details = at(&answer, "/error/details");
                assert_eq!(details[0]["violations"][0]["quotaId"], "narrow", "{details}");
                assert_eq!(details[0]["violations"][0]["quotaDimensions"]["model"], "m");
                assert_eq!(details[1]["retryDelay"], "60s", "{details}");
            }
            "anthropic" => {
                let header = |name: &str| answer.header(&format!("anthropic-ratelimit-{name}"));
                assert_eq!(header("requests-limit"), Some("1"));
                assert_eq!(header("requests-remaining"), Some("0"));
                assert_eq!(header("requests-reset"), Some("2026-11-22T08:01:00.000Z"));
                let id = answer.header("request-id").expect("an id");
                assert_eq!(answer.header("x-tollgate-request-id"), Some(id));
                assert_eq!(at(&answer, "/request_id"), id);
            }
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_spent_budget_is_nothing_to_wait_for() {
    for words in ALL {
        let answer = words.refused("usd = \"0.000000001/day\"").await;
        words.assert_says(&answer, words.spent);
        for name in ["retry-after", "retry-after-ms", "x-amz-retry-after"] {
            assert_eq!(answer.header(name), None, "{}", words.speech.dialect);
        }
        assert_eq!(answer.header("x-should-retry"), Some("false"));
        match words.speech.dialect {
            "anthropic" => {
                let code = at(&answer, "/error/details/error_code");
                assert_eq!(code, "enforced_spend_limit_reached");
            }
            "gemini" => assert_eq!(at(&answer, "/error/details/1"), Value::Null),
            _ => {}
        }
    }
}

#[tokio::test]
async fn what_is_overloaded_says_so() {
    for words in ALL {
        let answer = words.refused("requests = \"1/minute\"\nstatus = 503").await;
        words.assert_says(&answer, words.overloaded);
    }
}

#[tokio::test]
async fn an_emergency_is_told_with_its_end() {
    for words in ALL {
        let provider = words.speech.provider().await;
        let running = words.speech.before(&provider, "").await;
        running.begin_emergency(30, false).await;
        let answer = running.send(words.speech.ask()).await;
        let (status, what) = words.overloaded;
        let what = if what == "too_many_requests" { "emergency_mode" } else { what };
        words.assert_says(&answer, (status, what));
        let message = at(&answer, words.message);
        assert!(message.as_str().is_some_and(|it| it.contains("emergency mode")), "{message}");
        assert!(!format!("{answer:?}").contains("secret"), "{answer:?}");
        assert_eq!(answer.header("retry-after"), Some("1800"));
        assert_eq!(answer.header("x-should-retry"), Some("false"));
        assert_eq!(answer.header("x-tollgate-retry-at"), Some("2026-11-22T08:30:00.000Z"));
        assert!(provider.is_idle().await, "{}", words.speech.dialect);
    }
}

#[tokio::test]
async fn who_is_not_known_is_told_so() {
    for words in ALL {
        let answer = words.refused("per = [\"user\"]\nrequests = \"1/minute\"").await;
        words.assert_says(&answer, words.unauthorized);
    }
}

#[tokio::test]
async fn tokens_are_told_by_the_headers_of_the_dialect() {
    let limits = "[[limits]]\nname = \"in\"\ninput_tokens = \"5000/minute\"\n";
    let provider = ANTHROPIC.provider().await;
    let running = ANTHROPIC.before(&provider, limits).await;
    let answer = running.send(ANTHROPIC.ask()).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("anthropic-ratelimit-input-tokens-limit"), Some("5000"));
    assert_eq!(answer.header("x-ratelimit-limit-tokens"), None, "that is another dialect's");
}

#[tokio::test]
async fn a_provider_that_cannot_be_reached_is_told_in_the_dialect() {
    for words in ALL {
        let nobody = Nobody::listens();
        let running = words.speech.before_address(nobody.address, "", &[]).await;
        let answer = running.send(words.speech.ask()).await;
        assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
        let message = at(&answer, words.message);
        assert_eq!(message, "The provider cannot be reached.", "{}", words.speech.dialect);
        assert_eq!(running.used(), (0, 0, 0));
    }
}
