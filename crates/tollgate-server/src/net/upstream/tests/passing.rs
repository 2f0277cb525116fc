//! What is sent to a provider, byte by byte, and what comes back.

use std::{future::ready, net::SocketAddr, num::NonZeroU32, time::Duration};

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::provider::{LONG, Provider, Then, ask, provider, upstream};
use crate::net::{
    Body, BoxError, Serving, Timeouts, body::empty, boxed, full, serve, strip_request,
    strip_response,
};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// The request that a provider got, without the order of its lines.
async fn sent(
    method: Method,
    headers: &[(&'static str, &'static str)],
    body: Body,
) -> (String, Vec<String>, String) {
    let mut provider = provider(OK, Then::Close).await;
    let upstream = upstream(provider.address);
    let mut request = ask(&upstream, method, body);
    for (name, value) in headers {
        request.headers_mut().append(*name, HeaderValue::from_static(value));
    }
    strip_request(request.headers_mut());
    let answer = upstream.send(request).await.expect("an answer");
    assert_eq!(answer.into_body().collect().await.expect("a body").to_bytes(), "ok");
    let bytes = provider.requests.recv().await.expect("a request");
    let bytes = bytes.replace(&provider.address.to_string(), "UPSTREAM");
    let (head, body) = bytes.split_once("\r\n\r\n").expect("a head");
    let mut lines = head.split("\r\n").map(str::to_ascii_lowercase);
    let first = lines.next().expect("a request line");
    let mut lines: Vec<String> = lines.collect();
    lines.sort_unstable();
    (first, lines, body.to_owned())
}

#[tokio::test]
async fn a_request_is_framed_by_its_own_body_and_goes_to_its_own_host() {
    let lies = [("host", "gate"), ("content-length", "9"), ("transfer-encoding", "gzip")];
    let (first, lines, body) = sent(Method::POST, &lies, full("abc")).await;
    assert_eq!(first, "post /base/a?b=c http/1.1");
    assert_eq!(lines, ["content-length: 3", "host: upstream"]);
    assert_eq!(body, "abc");
}

#[tokio::test]
async fn a_body_of_unknown_length_is_chunked() {
    let pieces: Vec<Result<Frame<Bytes>, BoxError>> =
        ["ab", "c"].map(|text| Ok(Frame::data(Bytes::from_static(text.as_bytes())))).into();
    let body = boxed(StreamBody::new(stream::iter(pieces)));
    let (_, lines, body) = sent(Method::POST, &[], body).await;
    assert_eq!(lines, ["host: upstream", "transfer-encoding: chunked"]);
    assert_eq!(body, "2\r\nab\r\n1\r\nc\r\n0\r\n\r\n");
}

#[tokio::test]
async fn no_body_is_said_where_one_could_be() {
    assert_eq!(sent(Method::GET, &[], empty()).await.1, ["host: upstream"]);
    assert_eq!(sent(Method::POST, &[], empty()).await.1, ["content-length: 0", "host: upstream"]);
}

#[tokio::test]
async fn redirects_are_answers_like_others() {
    let elsewhere =
        "HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n";
    let Provider { address, mut requests } = provider(elsewhere, Then::Close).await;
    let upstream = upstream(address);
    let answer = upstream.send(ask(&upstream, Method::GET, empty())).await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::FOUND);
    assert_eq!(answer.headers()["location"], "http://169.254.169.254/");
    requests.recv().await.expect("one request");
    assert!(requests.try_recv().is_err(), "and no other");
}

#[tokio::test]
async fn what_is_compressed_stays_so() {
    let packed = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nxyz";
    let Provider { address, requests: _requests } = provider(packed, Then::Close).await;
    let upstream = upstream(address);
    let answer = upstream.send(ask(&upstream, Method::GET, empty())).await.expect("an answer");
    assert_eq!(answer.headers()["content-encoding"], "gzip");
    assert_eq!(answer.into_body().collect().await.expect("a body").to_bytes(), "xyz");
}

#[tokio::test]
async fn trailers_come_through() {
    let bytes = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n\
                 2\r\nok\r\n0\r\nX-Sum: 7\r\n\r\n";
    let Provider { address, requests: _requests } = provider(bytes, Then::Close).await;
    let upstream = upstream(address);
    let answer = upstream.send(ask(&upstream, Method::GET, empty())).await.expect("an answer");
    let body = answer.into_body().collect().await.expect("a body");
    let sum = HeaderMap::from_iter([("x-sum".parse().expect("a name"), HeaderValue::from(7))]);
    assert_eq!(body.trailers(), Some(&sum));
}

/// A gateway that sends everything on as it is.
async fn pass_through(to: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let upstream = upstream(to);
    let timeouts = Timeouts { header: LONG, body_idle: LONG, keep_alive: LONG };
    let max_connections = const { NonZeroU32::new(16).unwrap() };
    let serving = Serving { timeouts, max_connections, grace: Duration::ZERO };
    tokio::spawn(serve(
        listener,
        serving,
        std::future::pending(),
        move |request: Request<Body>, _| {
            let upstream = upstream.clone();
            async move {
                let (mut head, body) = request.into_parts();
                strip_request(&mut head.headers);
                head.uri = upstream.target(&head.uri.to_string()).expect("a target");
                match upstream.send(Request::from_parts(head, body)).await {
                    Ok(mut answer) => {
                        strip_response(answer.headers_mut());
                        answer.map(boxed)
                    }
                    Err(error) => Response::new(full(error.to_string())),
                }
            }
        },
    ));
    ready(address).await
}

#[tokio::test]
async fn a_smuggled_request_does_not_travel() {
    const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nHost: gate\r\n\r\n";
    for (head, body, sent) in [
        ("Content-Length: 5\r\nTransfer-Encoding: chunked", "0\r\n\r\n", ""),
        (
            "Transfer-Encoding: chunked\r\nContent-Length: 43",
            "3\r\nabc\r\n0\r\n\r\n",
            "3\r\nabc\r\n0\r\n\r\n",
        ),
        ("Content-Length: 3\r\nContent-Length: 3\r\nConnection: close", "abc", "abc"),
        ("Connection: close, content-length\r\nContent-Length: 3", "abc", "abc"),
        (
            "Connection: close, transfer-encoding\r\nTransfer-Encoding: chunked",
            "1\r\na\r\n0\r\n\r\n",
            "1\r\na\r\n0\r\n\r\n",
        ),
        ("Transfer-Encoding: chunked", "1;x=\"\r\n\"\r\na\r\n0\r\n\r\n", ""),
    ] {
        let mut provider = provider(OK, Then::Close).await;
        let gateway = pass_through(provider.address).await;
        let mut socket = TcpStream::connect(gateway).await.expect("a connection");
        let bytes = format!("POST /a HTTP/1.1\r\nHost: gate\r\n{head}\r\n\r\n{body}{HIDDEN}");
        socket.write_all(bytes.as_bytes()).await.expect("an open connection");
        let _ = socket.read_to_end(&mut Vec::new()).await;
        let mut seen = Vec::new();
        while let Ok(request) = provider.requests.try_recv() {
            seen.push(request);
        }
        let request = seen.concat();
        assert!(seen.len() <= 1 && !request.contains("/hidden"), "{head:?}: {seen:?}");
        if !sent.is_empty() {
            assert!(request.ends_with(&format!("\r\n\r\n{sent}")), "{head:?}: {request:?}");
            let framed = request.to_ascii_lowercase();
            let lines = framed.matches("content-length:").count()
                + framed.matches("transfer-encoding:").count();
            assert_eq!(lines, 1, "{request:?}");
        }
    }
}
