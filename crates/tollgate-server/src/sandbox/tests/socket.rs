//! The same over a real socket.

use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::net::TcpListener;

use super::{
    super::{SandboxSettings, serve},
    chat, sandbox,
};

#[tokio::test]
async fn a_cut_answer_shows_its_head_and_its_first_half() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(serve(listener, Arc::new(sandbox(SandboxSettings::default()))));
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let request = |fault: &str| {
        Request::post(format!("http://{address}/v1/chat/completions"))
            .header("x-sandbox-fault", fault)
            .body(Full::new(chat(&[]).to_string().into()))
            .unwrap()
    };

    let mut cut = client.request(request("cut")).await.unwrap();
    assert!(cut.status().is_success());
    let first = cut.body_mut().frame().await.unwrap().unwrap().into_data().unwrap();
    assert!(first.starts_with(b"{\"id\""));
    assert!(cut.body_mut().frame().await.unwrap().is_err(), "the rest never comes");

    let refused = client.request(request("rate-limit")).await.unwrap();
    assert_eq!(refused.status(), 429);
    assert_eq!(refused.headers()["retry-after"], "1");
    server.abort();
}
