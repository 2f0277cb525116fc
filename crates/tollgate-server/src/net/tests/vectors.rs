//! Hostile framing, byte by byte: one request in is at most one out, and never another one.

use std::sync::Arc;

use http::{Request, Response};
use http_body_util::BodyExt as _;

use super::rig::connect;
use crate::net::{Body, Peer, full};

/// What a handler saw of the bytes: method, target and body of each request.
type Seen = Arc<parking_lot::Mutex<Vec<String>>>;

/// Bytes as they are sent, what a handler may see of them, and the statuses of the answers.
type Vector = (&'static str, &'static [&'static str], &'static [u16]);

async fn run(bytes: &str) -> (Vec<String>, Vec<u16>) {
    let seen = Seen::default();
    let notes = Arc::clone(&seen);
    let mut client = connect(256 * 1024, false, move |request: Request<Body>, _: Peer| {
        let notes = Arc::clone(&notes);
        async move {
            let (head, body) = request.into_parts();
            let body = match body.collect().await {
                Ok(body) => String::from_utf8_lossy(&body.to_bytes()).into_owned(),
                Err(_) => "broken".to_owned(),
            };
            notes.lock().push(format!("{} {} {body}", head.method, head.uri).trim_end().to_owned());
            Response::new(full("ok"))
        }
    });
    client.send(bytes).await;
    let all = client.rest().await;
    let statuses =
        all.split("HTTP/1.").skip(1).filter_map(|it| it.get(2..5)?.parse().ok()).collect();
    let seen = seen.lock().clone();
    (seen, statuses)
}

/// What a smuggler hides. No vector may let it through as a request of its own, except the
/// first, which says plainly that there are two.
macro_rules! hidden {
    () => {
        "GET /hidden HTTP/1.1\r\nHost: gate\r\n\r\n"
    };
}

/// A head with these lines, and what follows it.
macro_rules! post {
    ($lines:expr, $rest:expr) => {
        concat!("POST /a HTTP/1.1\r\nHost: gate\r\n", $lines, "\r\n\r\n", $rest, hidden!())
    };
}

/// A head with this request line and these lines.
macro_rules! get {
    ($line:expr, $lines:expr) => {
        concat!($line, "\r\n", $lines, "\r\n\r\n", hidden!())
    };
}

const REFUSED: &[u16] = &[400];

/// Two readers could disagree about where these end.
const LENGTHS: &[Vector] = &[
    // Plain pipelining is two requests to everybody.
    (post!("Content-Length: 3", "abc"), &["POST /a abc", "GET /hidden"], &[200, 200]),
    // Both given: the coding counts, and the connection ends (RFC 9112 §6.3).
    (post!("Content-Length: 3\r\nTransfer-Encoding: chunked", "0\r\n\r\n"), &["POST /a"], &[200]),
    (
        post!("Transfer-Encoding: chunked\r\nContent-Length: 3", "3\r\nabc\r\n0\r\n\r\n"),
        &["POST /a abc"],
        &[200],
    ),
    (post!("Content-Length: 43\r\nTransfer-Encoding: chunked", "0\r\n\r\n"), &["POST /a"], &[200]),
    // Chunked alone is the last one too: its head does not show whether a length was dropped.
    (post!("Transfer-Encoding: chunked", "3\r\nabc\r\n0\r\n\r\n"), &["POST /a abc"], &[200]),
    // One length twice is one length.
    (
        post!("Content-Length: 3\r\nContent-Length: 3", "abc"),
        &["POST /a abc", "GET /hidden"],
        &[200, 200],
    ),
    (post!("Content-Length: 3\r\nContent-Length: 0", "abc"), &[], REFUSED),
    (post!("Content-Length: 0\r\nContent-Length: 3", "abc"), &[], REFUSED),
    (post!("Content-Length: 3, 3", "abc"), &[], REFUSED),
    (post!("Content-Length: +3", "abc"), &[], REFUSED),
    (post!("Content-Length: -3", "abc"), &[], REFUSED),
    (post!("Content-Length: 0x3", "abc"), &[], REFUSED),
    (post!("Content-Length: 3 3", "abc"), &[], REFUSED),
    (post!("Content-Length: ", "abc"), &[], REFUSED),
    (post!("Content-Length: 18446744073709551616", "abc"), &[], REFUSED),
    (post!("Content-Length: 18446744073709551615", "abc"), &[], &[431]),
    (post!("Content-Length : 3", "abc"), &[], REFUSED),
    (post!(" Content-Length: 3", "abc"), &[], REFUSED),
];

/// Codings that somebody else may read otherwise.
const CODINGS: &[Vector] = &[
    (post!("Transfer-Encoding: gzip, chunked", "0\r\n\r\n"), &[], REFUSED),
    (post!("Transfer-Encoding: chunked, chunked", "0\r\n\r\n"), &[], REFUSED),
    (post!("Transfer-Encoding: chunked, identity", "0\r\n\r\n"), &[], REFUSED),
    (post!("Transfer-Encoding: identity", "abc"), &[], REFUSED),
    (post!("Transfer-Encoding: xchunked", "0\r\n\r\n"), &[], REFUSED),
    (post!("Transfer-Encoding: \"chunked\"", "0\r\n\r\n"), &[], REFUSED),
    (post!("Transfer-Encoding: chunked;q=1", "0\r\n\r\n"), &[], REFUSED),
    (post!("Transfer-Encoding:", "abc"), &[], REFUSED),
    (post!("Transfer-Encoding: \u{b}chunked", "0\r\n\r\n"), &[], REFUSED),
    (post!("Transfer-Encoding:\r\n chunked", "0\r\n\r\n"), &[], REFUSED),
    (post!("Transfer-Encoding : chunked", "0\r\n\r\n"), &[], REFUSED),
    (post!("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", "0\r\n\r\n"), &[], REFUSED),
    (post!("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked", "0\r\n\r\n"), &[], REFUSED),
    (post!("Transfer_Encoding: chunked\r\nContent-Length: 5", "0\r\n\r\n"), &[], REFUSED),
    (
        concat!(
            "POST /a HTTP/1.0\r\nHost: gate\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            hidden!()
        ),
        &[],
        REFUSED,
    ),
];

/// Chunks that somebody else may read otherwise.
const CHUNKS: &[Vector] = &[
    (post!("Transfer-Encoding: chunked", "0;a=b\r\n\r\n"), &["POST /a"], &[200]),
    (post!("Transfer-Encoding: chunked", "3\nabc\n0\n\n"), &["POST /a broken"], &[200]),
    (post!("Transfer-Encoding: chunked", "3\r\nabcd\r\n0\r\n\r\n"), &["POST /a broken"], &[200]),
    (post!("Transfer-Encoding: chunked", "-1\r\n\r\n"), &["POST /a broken"], &[200]),
    (post!("Transfer-Encoding: chunked", "0x0\r\n\r\n"), &["POST /a broken"], &[200]),
    (post!("Transfer-Encoding: chunked", "10000000000000000\r\n\r\n"), &["POST /a broken"], &[200]),
    (post!("Transfer-Encoding: chunked", "\r\n0\r\n\r\n"), &["POST /a broken"], &[200]),
];

/// Heads that name no host, two, or another one, or are none.
const HEADS: &[Vector] = &[
    (get!("GET /a HTTP/1.1", "X: 1"), &[], REFUSED),
    (get!("GET /a HTTP/1.1", "Host: gate\r\nHost: gate"), &[], REFUSED),
    (get!("GET /a HTTP/1.1", "Host: gate\r\nHost: other"), &[], REFUSED),
    (get!("GET /a HTTP/1.1", "Host:"), &[], REFUSED),
    (get!("GET /a HTTP/1.1", "Host: a, b"), &[], REFUSED),
    (get!("GET /a HTTP/1.1", "Host: user@gate"), &[], REFUSED),
    (get!("GET /a HTTP/1.1", "Host: gate\r\nX_User: root"), &[], REFUSED),
    (get!("GET http://other/a HTTP/1.1", "Host: gate"), &[], REFUSED),
    (get!("GET http://gate/a HTTP/1.1", "Host: gate"), &["GET /a", "GET /hidden"], &[200, 200]),
    (get!("CONNECT gate:80 HTTP/1.1", "Host: gate:80"), &[], REFUSED),
    (get!("OPTIONS * HTTP/1.1", "Host: gate"), &[], REFUSED),
    (get!("GET gate HTTP/1.1", "Host: gate"), &[], REFUSED),
    (get!("GET /a HTTP/1.1", "Host: gate\r\nX: a\0b"), &[], REFUSED),
    (get!("GET /a HTTP/1.1", "Host: gate\r\nX: a\rY: b"), &[], REFUSED),
    (get!("GET /a HTTP/1.1", "Host: gate\r\nX: a\r\n folded"), &[], REFUSED),
    (get!("GET /a HTTP/1.1", "Host: gate\r\nno colon"), &[], REFUSED),
    (get!("GET /a HTTP/1.1", "Host: gate\r\n: no name"), &[], REFUSED),
    (get!("GET /a b HTTP/1.1", "Host: gate"), &[], REFUSED),
    (get!("GET /a HTTP/1.2", "Host: gate"), &[], REFUSED),
    (get!("GET /a HTTP/3.0", "Host: gate"), &[], REFUSED),
    (get!("GET /a", "Host: gate"), &[], REFUSED),
    (get!("GET\t/a\tHTTP/1.1", "Host: gate"), &[], REFUSED),
    (get!("G\0T /a HTTP/1.1", "Host: gate"), &[], REFUSED),
    (get!("PRI * HTTP/2.0", "SM"), &[], REFUSED),
    // A bare line feed ends a line here; what is sent on has none.
    ("GET /a HTTP/1.1\nHost: gate\n\n", &["GET /a"], &[200]),
    // Health checks still speak it.
    ("GET /a HTTP/1.0\r\n\r\n", &["GET /a"], &[200]),
];

async fn check(vectors: &[Vector]) {
    for (bytes, seen, statuses) in vectors {
        let ran = run(bytes).await;
        let expected = (seen.iter().map(ToString::to_string).collect(), statuses.to_vec());
        assert_eq!(ran, expected, "{bytes:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn lengths_are_read_in_one_way() {
    check(LENGTHS).await;
}

#[tokio::test(start_paused = true)]
async fn codings_are_read_in_one_way() {
    check(CODINGS).await;
}

#[tokio::test(start_paused = true)]
async fn chunks_are_read_in_one_way() {
    check(CHUNKS).await;
}

#[tokio::test(start_paused = true)]
async fn heads_are_read_in_one_way() {
    check(HEADS).await;
}
