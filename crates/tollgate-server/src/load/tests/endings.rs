//! How requests end, on real sockets.

use std::{num::NonZeroU32, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tollgate::Clock;

use super::super::{
    outcome::{Ending, Failure},
    *,
};

use crate::net::nobody::Nobody;

const PATIENCE: Duration = Duration::from_secs(60);

async fn ask(url: &str, patience: Duration) -> Ending {
    let target = Target::new(url.parse().unwrap(), None, &[], "hello".parse().unwrap(), None);
    let client = Client::new(&target, NonZeroU32::MIN, Clock::system(), patience).unwrap();
    client.send(target.request(1)).await.ending
}

async fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    (listener, url)
}

/// Reads a request to the end of its body; whether all of it came.
async fn take_request(socket: &mut TcpStream) -> bool {
    let mut taken = Vec::new();
    while !taken.ends_with(b"hello") {
        if socket.read_buf(&mut taken).await.unwrap_or(0) == 0 {
            return false;
        }
    }
    true
}

/// How a request ends that is answered with these bytes and a closed connection.
async fn answered_with(answer: &str) -> Ending {
    let (listener, url) = listener().await;
    let serve = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        assert!(take_request(&mut socket).await);
        socket.write_all(answer.as_bytes()).await.unwrap();
        socket.shutdown().await.unwrap();
    };
    tokio::join!(ask(&url, PATIENCE), serve).0
}

fn failure(ending: &Ending) -> Option<Failure> {
    match ending {
        Ending::Answered(_) => None,
        Ending::Failed(failure, _) => Some(*failure),
    }
}

#[tokio::test]
async fn whole_answers_have_their_status() {
    for status in [200, 204, 302, 400, 429, 503] {
        let head = format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\n\r\n");
        assert_eq!(answered_with(&head).await, Ending::Answered(status));
    }
    let whole = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n";
    assert_eq!(answered_with(whole).await, Ending::Answered(200));
}

#[tokio::test]
async fn answers_that_are_not_whole_are_cut() {
    for answer in [
        "",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf",
        "HTTP/1.1 500 x\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n",
    ] {
        let ending = answered_with(answer).await;
        assert_eq!(failure(&ending), Some(Failure::Cut), "{answer:?}: {ending:?}");
    }
    let garbage = answered_with("SSH-2.0-OpenSSH_9.9\r\n\r\n").await;
    assert_eq!(failure(&garbage), Some(Failure::Protocol), "{garbage:?}");
}

#[tokio::test]
async fn a_closed_port_is_no_connection_and_says_why() {
    let nobody = Nobody::listens();
    let Ending::Failed(Failure::Connect, detail) =
        ask(&format!("http://{}/", nobody.address), PATIENCE).await
    else {
        panic!("nobody listens");
    };
    assert!(detail.to_lowercase().contains("refused"), "{detail}");
}

#[tokio::test]
async fn silence_is_timed_out_before_the_head_and_within_the_body() {
    let (listener, url) = listener().await;
    let short = Duration::from_millis(1);
    assert_eq!(failure(&ask(&url, short).await), Some(Failure::Timeout));
    drop(listener);

    let (listener, url) = self::listener().await;
    let patience = Duration::from_millis(100);
    let serve = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        // On a slow machine the client may have gone before its request was sent.
        take_request(&mut socket).await;
        let _ = socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf").await;
        socket
    };
    let (ending, _silent) = tokio::join!(ask(&url, patience), serve);
    assert_eq!(failure(&ending), Some(Failure::Timeout), "{ending:?}");
}

#[tokio::test]
async fn addresses_of_cloud_metadata_are_never_asked() {
    let ending = ask("http://169.254.169.254/latest", PATIENCE).await;
    assert_eq!(failure(&ending), Some(Failure::Blocked), "{ending:?}");
}
