//! What passes in a session, and what it costs.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::frame::{
        Frame,
        coding::{Data, OpCode},
    },
};

use super::{
    super::Running,
    LIMITS, RAW, SECOND, before_sandbox,
    caller::{HANDSHAKE, call, send},
    heard,
    provider::Provider,
    sandbox, seconds, settled, up, used,
};

#[tokio::test]
async fn a_session_is_settled_by_what_its_provider_tells_before_its_caller_reads_it() {
    let running = before_sandbox(&seconds(1_000)).await;
    let mut caller = call(&running, RAW, "").await.expect("a session");
    let (slots, spend, held) = used(&running).await;
    assert_eq!((slots, (spend, held)), (1, heard(10_000)), "it begins with ten seconds");
    for _ in 0..7 {
        caller.speak(SECOND / 2).await;
    }
    caller.finish().await;
    let metadata = caller.until("Metadata").await;
    assert_eq!(metadata["duration"], 3.5);
    let (slots, spend, held) = used(&running).await;
    assert_eq!((slots, (spend, held)), (0, heard(3_500)));
    assert_eq!(caller.rest().await.closed, Some((1000, String::new())));
    assert_eq!(running.app.metrics.totals().cost_usd.0, heard(3_500).0);
}

#[tokio::test]
async fn a_long_session_holds_more_as_it_goes() {
    let running = before_sandbox(&seconds(1_000)).await;
    let mut caller = call(&running, RAW, "").await.expect("a session");
    for second in 1..=95_u64 {
        caller.speak(SECOND).await;
        if second % 3 == 0 {
            caller.until("Results").await;
            let (_, spend, held) = used(&running).await;
            assert!((second * 1_000..=second * 1_000 + 30_000).contains(&held), "{held}");
            assert_eq!((spend, held), heard(held));
        }
    }
    caller.finish().await;
    caller.until("Metadata").await;
    assert_eq!(settled(&running).await, heard(95_000));
}

#[tokio::test]
async fn every_channel_that_is_transcribed_by_itself_is_charged() {
    let running = before_sandbox(&seconds(1_000)).await;
    let query = RAW.replace("channels=1", "channels=2&multichannel=true");
    let mut caller = call(&running, &query, "").await.expect("a session");
    assert_eq!(used(&running).await.2, 20_000);
    // Four seconds of two channels.
    for _ in 0..8 {
        caller.speak(SECOND).await;
    }
    caller.finish().await;
    assert_eq!(caller.until("Metadata").await["duration"], 4.0);
    assert_eq!(settled(&running).await, heard(8_000));
}

#[tokio::test]
async fn where_the_provider_does_not_tell_what_was_sent_is_charged() {
    for usage in ["none", "lie"] {
        let running = before_sandbox(&seconds(1_000)).await;
        let told = format!("x-sandbox-usage: {usage}\r\n");
        let mut caller = call(&running, RAW, &told).await.expect("a session");
        caller.speak(SECOND * 2 + 1).await;
        caller.finish().await;
        assert_eq!(caller.rest().await.code(), Some(1000));
        assert_eq!(settled(&running).await, heard(2_001), "{usage}");
    }
}

#[tokio::test]
async fn its_answer_says_how_it_was_decided_and_agrees_to_nothing_else() {
    let running = before_sandbox(LIMITS).await;
    let offers = "sec-websocket-protocol: token, sk-mine\r\n";
    let caller = call(&running, RAW, offers).await.expect("a session");
    let header = |name: &str| caller.headers.get(name).map(|it| it.to_str().expect("text"));
    assert_eq!(header("x-tollgate-decision"), Some("admit"));
    assert!(header("x-tollgate-request-id").is_some() && header("dg-request-id").is_some());
    assert_eq!(header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert_eq!(header("sec-websocket-protocol"), Some("token"));
    assert_eq!(header("sec-websocket-extensions"), None);
}

#[tokio::test]
async fn the_provider_gets_its_own_key_and_nothing_of_the_callers_handshake() {
    const KEY: &str = "tg_live";
    let provider = Provider::leading(|_| async {}).await;
    let hash = blake3::hash(KEY.as_bytes()).to_hex();
    let ours = format!(
        "{}api_key = \"env:K\"\n[[keys]]\nid = \"k\"\nhash = \"blake3:{hash}\"\nuser = \"ann\"\n{}",
        up(provider.address),
        "[[limits]]\nname = \"own\"\nper = [\"user\"]\nrequests = \"9/day\"\n",
    );
    let running = Running::with_environment(&ours, &[("K", "sk-ours")]).await;
    for shown in [
        format!("authorization: Token {KEY}\r\n"),
        format!("sec-websocket-protocol: token, {KEY}\r\n"),
        format!("sec-websocket-protocol: bearer, {KEY}\r\ncookie: a={KEY}\r\n"),
    ] {
        call(&running, RAW, &shown).await.expect("a session");
        let head = provider.head().await;
        assert!(head.starts_with(&format!("GET /v1/listen?{RAW} HTTP/1.1\r\n")), "{head}");
        assert!(head.contains("authorization: Token sk-ours\r\n"), "{head}");
        let others =
            ["tg_", "cookie", "sec-websocket-protocol", "deflate", "dGhlIHNhbXBsZSBub25jZQ"];
        assert!(!others.iter().any(|other| head.contains(other)), "{head}");
    }
    // A key of the caller's own passes where the policy has none, wherever it came.
    let running = Running::with(&up(provider.address)).await;
    call(&running, RAW, "sec-websocket-protocol: token, mine\r\n").await.expect("a session");
    assert!(provider.head().await.contains("authorization: Token mine\r\n"));
}

#[tokio::test]
async fn a_session_of_turns_is_charged_by_what_was_sent() {
    let price = "[prices.models.\"streaming/flux-general-en\"]\ninput = 0\nminute = \"0.0048\"\n";
    let running = before_sandbox(&format!("{}{price}", seconds(1_000))).await;
    let query = RAW.replace("nova-3", "flux-general-en");
    let head = format!("GET /up/v2/listen?{query} HTTP/1.1\r\nhost: a\r\n{HANDSHAKE}\r\n");
    let mut caller = send(&running, &head).await.expect("a session");
    assert_eq!(caller.hear().await["type"], "Connected");
    for _ in 0..7 {
        caller.speak(SECOND / 2).await;
    }
    let turn = caller.until("TurnInfo").await;
    assert_eq!(
        (&turn["audio_window_start"], &turn["audio_window_end"]),
        (&0.0.into(), &3.0.into())
    );
    caller.finish().await;
    let said = caller.rest().await;
    assert_eq!((said.kinds(), said.code()), (vec!["TurnInfo"], Some(1000)));
    // It tells no sum, so its bytes are charged: 80,000 nano-dollars a second.
    assert_eq!(settled(&running).await, heard(3_500));
    let unpriced = send(&running, &head.replace("flux-general-en", "flux-other")).await;
    let refused = unpriced.err().expect("a refusal");
    assert_eq!(refused.status, http::StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn how_long_a_session_lasts_says_nothing_of_its_provider() {
    let slow = "breaker = { slow_rate = 0.5, slow_after = \"10s\", min_calls = 1 }\n";
    let policy = format!("{}{slow}{LIMITS}", up(sandbox().await));
    let running = Running::with(&policy).await;
    for _ in 0..2 {
        let mut caller = call(&running, RAW, "").await.expect("a session");
        running.advance(Duration::from_secs(600));
        caller.finish().await;
        caller.until("Metadata").await;
    }
}

#[tokio::test]
async fn the_simulated_model_of_this_process_speaks_it_too() {
    let heard = "[[limits]]\nname = \"heard\"\nseconds = \"99/day\"\n";
    let running = Running::with(heard).await;
    for place in ["/sandbox/v1/listen", "/sandbox/deepgram/v1/listen"] {
        let head = format!("GET {place}?{RAW} HTTP/1.1\r\nhost: a\r\n{HANDSHAKE}\r\n");
        let mut caller = send(&running, &head).await.expect("a session");
        caller.speak(SECOND).await;
        caller.finish().await;
        assert_eq!(caller.until("Metadata").await["duration"], 1.0);
        assert_eq!(caller.rest().await.code(), Some(1000));
    }
    assert_eq!(settled(&running).await, (0, 2_000));
}

#[tokio::test]
async fn messages_pass_as_they_are_however_they_are_framed() {
    let provider = Provider::leading(|mut socket| async move {
        // Says what it hears, until it is closed.
        while let Some(Ok(message)) = socket.next().await {
            if message.is_text() || message.is_binary() {
                socket.send(message).await.expect("sent");
            }
        }
    })
    .await;
    let running = Running::with(&format!("{}{LIMITS}", up(provider.address))).await;
    let mut caller = call(&running, RAW, "").await.expect("a session");
    let part = |bytes: &'static [u8], code, is_last| {
        Message::Frame(Frame::message(bytes, OpCode::Data(code), is_last))
    };
    for message in [
        part(b"{\"ty", Data::Text, false),
        Message::Ping("p".into()),
        part(b"pe\":\"\xc3", Data::Continue, false),
        part(b"\xa4\"}", Data::Continue, true),
        part(b"a", Data::Binary, false),
        part(b"", Data::Continue, false),
        part(b"b", Data::Continue, true),
    ] {
        caller.socket.send(message).await.expect("sent");
    }
    let mut heard = Vec::new();
    while heard.len() < 3 {
        heard.push(caller.socket.next().await.expect("a message").expect("no error"));
    }
    // Each side answers pings for itself.
    assert!(heard.contains(&Message::Pong("p".into())), "{heard:?}");
    heard.retain(|message| !message.is_pong());
    assert_eq!(heard, [Message::text("{\"type\":\"ä\"}"), Message::binary("ab")]);
}
