//! Each way in which a provider fails has its name, and gives its connection back.

use std::{error::Error as _, num::NonZeroU32, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderValue, Method, Request, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use super::{
    super::{
        link::{Upload, until_silent},
        outgoing::prepare,
    },
    provider::{LONG, Provider, SHORT, Then, ask, provider, settings, upstream},
};
use crate::{
    net::nobody::Nobody,
    net::{
        BoxError, TooLong, Upstream, UpstreamError, UpstreamSettings, body::empty, boxed, full,
        timer::Timer,
    },
};

async fn get(settings: UpstreamSettings) -> Result<Bytes, UpstreamError> {
    let upstream = Upstream::new(settings).expect("an upstream");
    let answer = upstream.send(ask(&upstream, Method::GET, empty())).await?;
    Ok(answer.into_body().collect().await?.to_bytes())
}

async fn get_bytes(answer: &'static str, then: Then) -> Result<Bytes, UpstreamError> {
    let Provider { address, requests: _requests } = provider(answer, then).await;
    get(settings(address)).await
}

#[tokio::test]
async fn nobody_listens() {
    let nobody = Nobody::listens();
    let error = get(settings(nobody.address)).await.expect_err("nobody");
    assert!(matches!(error, UpstreamError::Connect(_)), "{error:?}");
    assert!(error.is_unsent());
    assert_eq!(error.to_string(), "the provider cannot be reached");
}

#[tokio::test]
async fn a_forbidden_address() {
    let mut settings = settings(([127, 0, 0, 1], 9).into());
    settings.base = "http://[::ffff:169.254.169.254]/latest".parse().expect("an address");
    let error = get(settings).await.expect_err("forbidden");
    assert!(matches!(error, UpstreamError::Blocked), "{error:?}");
    assert!(error.is_unsent());
}

#[tokio::test]
async fn tls_that_is_none() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.expect("a connection");
        socket.write_all(b"no TLS here\r\n\r\n").await.expect("an open connection");
        let _ = socket.read_to_end(&mut Vec::new()).await;
    });
    let base = format!("https://{address}/").parse().expect("an address");
    let error = get(UpstreamSettings { base, ..settings(address) }).await.expect_err("no TLS");
    assert!(matches!(error, UpstreamError::Connect(_)), "{error:?}");
}

#[tokio::test]
async fn tls_that_never_comes() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let base = format!("https://{address}/").parse().expect("an address");
    let settings = UpstreamSettings { base, connect_timeout: SHORT, ..settings(address) };
    let error = get(settings).await.expect_err("silence");
    assert!(matches!(error, UpstreamError::Timeout(TooLong::Connect)), "{error:?}");
    assert!(error.is_unsent());
    assert_eq!(error.to_string(), "the provider did not accept a connection in time");
}

#[tokio::test]
async fn no_answer() {
    let Provider { address, requests: _requests } = provider("", Then::Hold).await;
    let settings = UpstreamSettings { read_timeout: SHORT, ..settings(address) };
    let error = get(settings).await.expect_err("silence");
    assert!(matches!(error, UpstreamError::Timeout(TooLong::Head)), "{error:?}");
    assert!(!error.is_unsent());
    assert_eq!(error.to_string(), "the provider did not begin its answer in time");
}

#[tokio::test]
async fn an_answer_that_stops() {
    let part = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc";
    let Provider { address, requests: _requests } = provider(part, Then::Hold).await;
    let settings = UpstreamSettings { read_timeout: SHORT, ..settings(address) };
    let error = get(settings).await.expect_err("half an answer");
    assert!(matches!(error, UpstreamError::Timeout(TooLong::Body)), "{error:?}");
    assert_eq!(error.to_string(), "the provider stopped in the middle of its answer");
}

#[tokio::test]
async fn answers_that_are_cut() {
    for part in [
        "",
        "HTTP/1.1 200",
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na",
    ] {
        let error = get_bytes(part, Then::Close).await.expect_err(part);
        assert!(matches!(error, UpstreamError::Cut(_)), "{part:?}: {error:?}");
        assert!(error.source().is_some() && !error.is_unsent());
    }
}

#[tokio::test]
async fn answers_that_are_not_http() {
    for bytes in [
        "hello\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n",
        "HTTP/1.1 twohundred OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    ] {
        let error = get_bytes(bytes, Then::Hold).await.expect_err(bytes);
        assert!(matches!(error, UpstreamError::Protocol(_)), "{bytes:?}: {error:?}");
    }
}

#[tokio::test]
async fn a_chunk_of_no_size() {
    let bytes = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n";
    let error = get_bytes(bytes, Then::Hold).await.expect_err(bytes);
    assert!(matches!(error, UpstreamError::Protocol(_)), "{error:?}");
}

#[tokio::test]
async fn the_callers_body_breaks() {
    let Provider { address, requests: _requests } = provider("", Then::Hold).await;
    let upstream = upstream(address);
    let pieces: Vec<Result<Frame<Bytes>, BoxError>> =
        vec![Ok(Frame::data(Bytes::from_static(b"abc"))), Err("gone".into())];
    let body = boxed(StreamBody::new(stream::iter(pieces)));
    let error = upstream.send(ask(&upstream, Method::POST, body)).await.expect_err("broken");
    assert!(matches!(error, UpstreamError::Request(_)), "{error:?}");
    assert!(!error.is_unsent());
}

#[tokio::test]
async fn the_connections_that_are_allowed_are_given_back() {
    let whole = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc";
    let Provider { address, requests: _requests } = provider(whole, Then::Close).await;
    let upstream = Upstream::new(UpstreamSettings {
        connect_timeout: SHORT,
        max_connections: const { NonZeroU32::new(1).unwrap() },
        ..settings(address)
    })
    .expect("an upstream");
    let held = upstream.send(ask(&upstream, Method::GET, empty())).await.expect("an answer");
    let error = upstream.send(ask(&upstream, Method::GET, empty())).await.expect_err("none free");
    assert!(matches!(error, UpstreamError::Busy), "{error:?}");
    assert!(error.is_unsent());
    drop(held);
    let answer = upstream.send(ask(&upstream, Method::GET, empty())).await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_sends_slowly_is_no_silence_of_the_provider() {
    let (upload, mut silence) = (Upload::default(), Timer::new());
    let answering = async {
        for _ in 0..5 {
            tokio::time::sleep(LONG - Duration::from_secs(1)).await;
            upload.note_piece();
        }
        tokio::time::sleep(LONG - Duration::from_secs(1)).await;
    };
    assert_eq!(until_silent(answering, &mut silence, &upload, LONG).await, Some(()));
    let silent = until_silent(std::future::pending::<()>(), &mut silence, &upload, LONG);
    let early = tokio::time::timeout(LONG - Duration::from_secs(1), silent).await;
    assert!(early.is_err());
    silence.rest();
    let silent = until_silent(std::future::pending::<()>(), &mut silence, &upload, LONG);
    assert_eq!(silent.await, None);
}

#[tokio::test]
async fn each_piece_that_is_taken_is_told_and_so_is_the_end() {
    let upload = Arc::new(Upload::default());
    let request = Request::post("http://provider/a").body(full("abc")).expect("a request");
    let host = HeaderValue::from_static("provider");
    let mut body = prepare(request, &host, &upload).into_body();
    assert_eq!((upload.pieces(), upload.is_over()), (0, false));
    assert!(body.frame().await.is_some());
    assert_eq!((upload.pieces(), upload.is_over()), (1, false));
    drop(body);
    assert!(upload.is_over());
}

#[test]
fn what_happened_in_detail_is_not_for_the_caller() {
    let errors = [
        UpstreamError::Connect("inner".into()),
        UpstreamError::Busy,
        UpstreamError::Timeout(TooLong::Head),
        UpstreamError::Cut("inner".into()),
        UpstreamError::Protocol("inner".into()),
        UpstreamError::Blocked,
        UpstreamError::Request("inner".into()),
    ];
    for error in errors {
        let sentence = error.to_string();
        assert!(!sentence.contains("inner") && !sentence.contains("127"), "{sentence}");
    }
}
