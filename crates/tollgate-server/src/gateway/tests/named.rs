//! Names for several models, where a path, a query or a form has them.

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;

use super::{COMPLETION, Provider, Running, provider::response, running::Answer};

pub(super) const FORM_TYPE: &str = "multipart/form-data; boundary=x";

const MONEY: &str = "[[limits]]\nname = \"few\"\nusd = \"1/day\"\n";

/// One way to ask by a name.
struct Way {
    dialect: &'static str,
    path: &'static str,
    kind: &'static str,
    body: String,
    /// What the second provider is sent, of the path and of the body.
    sent: [&'static str; 2],
    answer: &'static str,
    /// Tokens of input and of output, and nano-dollars.
    used: (u64, u64, u64),
}

/// A form that asks a model for the words of a second of silence.
pub(super) fn form(model: &str) -> String {
    let mut head = String::from_utf8_lossy(b"RIFF\x38\x1f\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x40\x1f\0\0\x01\0\x08\0data\x14\x1f\0\0").into_owned();
    head.push_str(&"\0".repeat(7_956));
    [("model", model), ("file", &head)]
        .iter()
        .map(|(name, value)| {
            format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        })
        .chain(["--x--\r\n".to_owned()])
        .collect()
}

/// All of them; the second model behind each name is `n`, which costs twice as much as `m`.
fn ways() -> [Way; 5] {
    let heard = r#"{"text":"hi","usage":{"type":"tokens","input_tokens":10,"output_tokens":5,"total_tokens":15}}"#;
    [
        Way {
            dialect: "openai",
            path: "/v1/audio/transcriptions",
            kind: FORM_TYPE,
            body: form("smart"),
            sent: ["/v1/audio/transcriptions", "name=\"model\"\r\n\r\nn\r\n"],
            answer: heard,
            used: (10, 5, 40_000),
        },
        Way {
            dialect: "azure",
            path: "/openai/deployments/smart/chat/completions?api-version=1",
            kind: "application/json",
            body: r#"{"max_tokens":100,"messages":[{"role":"user","content":"hi"}]}"#.to_owned(),
            sent: ["/openai/deployments/ours/chat/completions?api-version=1", "\"max_tokens\""],
            answer: COMPLETION,
            used: (7, 5, 34_000),
        },
        Way {
            dialect: "azure",
            path: "/openai/deployments/smart/audio/transcriptions?api-version=1",
            kind: FORM_TYPE,
            body: form("whatever"),
            sent: ["/openai/deployments/ours/audio/transcriptions?api-version=1", "whatever"],
            answer: heard,
            used: (10, 5, 40_000),
        },
        Way {
            dialect: "azure",
            path: "/openai/v1/chat/completions",
            kind: "application/json",
            body:
                r#"{"model":"smart","max_tokens":100,"messages":[{"role":"user","content":"hi"}]}"#
                    .to_owned(),
            sent: ["/openai/v1/chat/completions", "\"model\":\"ours\""],
            answer: COMPLETION,
            used: (7, 5, 34_000),
        },
        Way {
            dialect: "deepgram",
            path: "/v1/listen?smart_format=true&model=smart&language=en",
            kind: "audio/mpeg",
            body: "what sounds like audio".to_owned(),
            sent: ["/v1/listen?smart_format=true&model=nova-3&language=en", "sounds"],
            answer: r#"{"metadata":{"request_id":"r","duration":25.93,"channels":1},"results":{}}"#,
            // 25.93 s at $0.00007167, rounded up.
            used: (0, 0, 1_858_404),
        },
    ]
}

async fn ask(running: &Running, provider: &str, way: &Way) -> Answer {
    let request = Request::post(format!("/{provider}{}", way.path))
        .header("content-type", way.kind)
        .body(Full::new(Bytes::from(way.body.clone())))
        .expect("a request");
    running.send(request).await
}

#[tokio::test]
async fn a_name_is_replaced_wherever_a_dialect_has_it_and_the_model_that_serves_is_charged() {
    for way in ways() {
        let ill = Provider::answering("HTTP/1.1 503 Service Unavailable", "{}").await;
        let json = "HTTP/1.1 200 OK\r\ncontent-type: application/json";
        let well = Provider::doing(vec![super::Step::Send(response(json, way.answer))]).await;
        let Way { dialect, path, .. } = way;
        let (first, second) = match dialect {
            "deepgram" => ("nova-2", "nova-3"),
            "azure" => ("m", "ours"),
            _ => ("m", "n"),
        };
        let deployments = if dialect == "azure" { "deployments = { ours = \"n\" }\n" } else { "" };
        let running = Running::with(&format!(
            "[prices.models.n]\ninput = \"2\"\noutput = \"4\"\n\
             [providers.one]\ndialect = \"{dialect}\"\nbase_url = \"http://{}\"\n\
             [providers.two]\ndialect = \"{dialect}\"\nbase_url = \"http://{}\"\n{deployments}\
             [models.smart]\nmodels = [\"one/{first}\", \"two/{second}\"]\n{MONEY}",
            ill.address, well.address
        ))
        .await;
        let answer = ask(&running, "one", &way).await;
        assert_eq!(answer.status, StatusCode::OK, "{dialect} {path}: {:?}", answer.body);
        let served = format!("two/{second}");
        assert_eq!(answer.header("x-tollgate-served-by"), Some(&*served), "{dialect} {path}");
        let attempts = format!("one/{first}=503");
        assert_eq!(answer.header("x-tollgate-attempts"), Some(&*attempts), "{dialect} {path}");
        let sent = well.request().await;
        let (line, rest) = sent.split_once(" HTTP/1.1\r\n").expect("a request");
        assert_eq!(line, format!("POST {}", way.sent[0]), "{dialect}");
        assert!(rest.contains(way.sent[1]), "{dialect} {path}: {rest}");
        assert_eq!(running.used(), way.used, "{dialect} {path}");
    }
}

#[tokio::test]
async fn the_simulated_providers_serve_by_a_name_too() {
    // Azure's simulation has deployments of chats alone.
    for way in
        ways().into_iter().filter(|way| way.dialect != "azure" || way.path.contains("smart/chat"))
    {
        let running = Running::with("[models.smart]\nmodels = [\"sandbox/n\"]\n").await;
        let provider = match way.dialect {
            "openai" => "sandbox".to_owned(),
            dialect => format!("sandbox/{dialect}"),
        };
        let answer = ask(&running, &provider, &way).await;
        assert_eq!(answer.status, StatusCode::OK, "{provider}{}: {:?}", way.path, answer.body);
        assert_eq!(answer.header("x-tollgate-served-by"), Some("sandbox/n"));
    }
}

#[tokio::test]
async fn a_deployment_whose_model_is_called_as_several_are_stays_one() {
    let well = Provider::json(COMPLETION).await;
    let running = Running::with(&format!(
        "[providers.two]\ndialect = \"azure\"\nbase_url = \"http://{}\"\n\
         deployments = {{ ours = \"smart\" }}\n\
         [models.smart]\nmodels = [\"two/another\"]\n",
        well.address
    ))
    .await;
    let [_, chat, ..] = ways();
    let own = Way { path: "/openai/deployments/ours/chat/completions", ..chat };
    let answer = ask(&running, "two", &own).await;
    assert_eq!((answer.status, answer.header("x-tollgate-served-by")), (StatusCode::OK, None));
    assert!(well.request().await.starts_with("POST /openai/deployments/ours/"));
}
