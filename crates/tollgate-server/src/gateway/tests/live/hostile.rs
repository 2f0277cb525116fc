//! What is sent on purpose: too much, too slowly, or no messages at all.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::{io::AsyncWriteExt as _, sync::mpsc};
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::frame::{
        Frame,
        coding::{Data, OpCode},
    },
};

use super::{
    super::Running, LIMITS, RAW, SECOND, before_sandbox, caller::call, heard, provider::Provider,
    seconds, settled, up,
};
use crate::net::websocket::MAX_MESSAGE_BYTES;

#[tokio::test]
async fn a_message_that_is_too_long_ends_the_session_and_is_not_charged() {
    let whole = vec![Message::binary(vec![0; MAX_MESSAGE_BYTES + 1])];
    let half = Bytes::from(vec![0; MAX_MESSAGE_BYTES / 2 + 1]);
    let part =
        |code, is_last| Message::Frame(Frame::message(half.clone(), OpCode::Data(code), is_last));
    let parts = vec![part(Data::Binary, false), part(Data::Continue, true)];
    for messages in [whole, parts] {
        let running = before_sandbox(&seconds(1_000)).await;
        let mut caller = call(&running, RAW, "").await.expect("a session");
        caller.speak(SECOND).await;
        for message in messages {
            caller.socket.send(message).await.expect("sent");
        }
        let said = caller.rest().await;
        assert_eq!(said.kinds(), ["Results", "Metadata", "Error"]);
        assert_eq!(said.messages[2]["code"], "PAYLOAD_TOO_LARGE");
        assert_eq!(said.code(), Some(1009));
        assert_eq!(settled(&running).await, heard(1_000));
    }
}

#[tokio::test]
async fn what_is_no_message_ends_the_session() {
    for (bytes, code) in [
        // Not masked.
        (&b"\x82\x01a"[..], 1002),
        // A bit that nobody has agreed on, as of compression.
        (b"\xc2\x81\0\0\0\0a", 1002),
        // A ping in two parts.
        (b"\x09\x80\0\0\0\0", 1002),
        // A text that is none.
        (b"\x81\x81\0\0\0\0\xff", 1007),
        // The head of a message of 2^63 bytes.
        (b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0", 1009),
    ] {
        let running = before_sandbox(&seconds(1_000)).await;
        let mut caller = call(&running, RAW, "").await.expect("a session");
        caller.speak(SECOND * 3).await;
        caller.until("Results").await;
        caller.socket.get_mut().write_all(bytes).await.expect("sent");
        let said = caller.rest().await;
        assert_eq!((said.kinds().last(), said.code()), (Some(&"Error"), Some(code)), "{bytes:?}");
        assert_eq!(settled(&running).await, heard(3_000));
    }
}

#[tokio::test]
async fn a_head_that_never_becomes_a_message_is_not_waited_for() {
    let running = before_sandbox(&seconds(1_000)).await;
    let mut caller = call(&running, RAW, "").await.expect("a session");
    caller.socket.get_mut().write_all(b"\x82\xfe").await.expect("sent");
    caller.reset();
    assert_eq!(settled(&running).await, heard(0));
}

/// A provider that talks until nobody takes it any more, and tells how often it could.
async fn talker() -> (Provider, mpsc::UnboundedReceiver<u64>) {
    let (told, sent) = mpsc::unbounded_channel();
    let provider = Provider::leading(move |mut socket| {
        let told = told.clone();
        async move {
            let (much, mut count) = ("x".repeat(64 * 1024), 0);
            let patience = Duration::from_millis(50);
            while let Ok(taken) =
                tokio::time::timeout(patience, socket.send(Message::text(much.clone()))).await
            {
                taken.expect("a listener");
                count += 1;
            }
            told.send(count).expect("a test");
            while let Some(Ok(_)) = socket.next().await {}
        }
    })
    .await;
    (provider, sent)
}

#[tokio::test]
async fn who_reads_nothing_slows_its_provider_and_is_left_in_the_end() {
    let (provider, mut sent) = talker().await;
    let idle = "body_idle_timeout = \"500ms\"\n";
    let running = Running::with_server(idle, &format!("{}{LIMITS}", up(provider.address))).await;
    let _caller = call(&running, RAW, "").await.expect("a session");
    let count = sent.recv().await.expect("a number");
    assert!(count < 1_000, "{count} messages of 64 KiB were taken for somebody who reads none");
    assert_eq!(settled(&running).await, heard(0));
}

#[tokio::test]
async fn who_does_not_take_the_end_pays_what_the_provider_tells() {
    let provider = Provider::leading(|mut socket| async move {
        while let Some(Ok(message)) = socket.next().await {
            if message.is_text() {
                for _ in 0..400 {
                    let much = Message::text("x".repeat(64 * 1024));
                    socket.send(much).await.expect("a listener");
                }
                let metadata = r#"{"type":"Metadata","duration":4.0,"channels":1}"#;
                socket.send(Message::text(metadata)).await.expect("a listener");
            }
        }
    })
    .await;
    let running = Running::with(&format!("{}{}", up(provider.address), seconds(10))).await;
    let mut caller = call(&running, RAW, "").await.expect("a session");
    for _ in 0..11 {
        caller.speak(SECOND).await;
    }
    assert_eq!(settled(&running).await, heard(4_000));
}

#[tokio::test]
async fn what_comes_after_the_end_is_not_passed_on_nor_charged() {
    let running = before_sandbox(&seconds(1_000)).await;
    let mut caller = call(&running, RAW, "").await.expect("a session");
    caller.speak(SECOND).await;
    caller.finish().await;
    for _ in 0..20 {
        // It may be closed by then.
        let _ = caller.socket.send(Message::binary(vec![0; SECOND])).await;
    }
    assert_eq!(
        caller.rest().await.messages.last().map(|last| last["duration"].clone()),
        Some(1.0.into())
    );
    assert_eq!(settled(&running).await, heard(1_000));
}
