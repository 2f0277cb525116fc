//! The other side: a proxy of bare hyper that passes everything through and knows nothing.

use std::{convert::Infallible, net::SocketAddr};

use anyhow::Result;
use clap::Args;
use hyper::{
    Request, Response, Uri,
    body::Incoming,
    header::{CONNECTION, HOST, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use tokio::net::TcpListener;

/// Where the proxy listens and what it stands before.
#[derive(Args)]
pub(crate) struct PassThrough {
    #[arg(long)]
    listen: SocketAddr,
    #[arg(long)]
    upstream: SocketAddr,
}

/// Passes requests through until it is ended. Its runtime is of the gateway's kind.
///
/// # Errors
/// When it cannot listen.
pub(crate) fn run(args: &PassThrough) -> Result<Infallible> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(args))
}

async fn serve(args: &PassThrough) -> Result<Infallible> {
    let listener = TcpListener::bind(args.listen).await?;
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client = Client::builder(TokioExecutor::new()).build(connector);
    let upstream = args.upstream;
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let client = client.clone();
        let service = service_fn(move |request| pass(client.clone(), upstream, request));
        // A connection that ends badly is its client's affair.
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), service));
    }
}

async fn pass(
    client: Client<HttpConnector, Incoming>,
    upstream: SocketAddr,
    mut request: Request<Incoming>,
) -> Result<Response<Incoming>> {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let uri = Uri::builder().scheme("http").authority(upstream.to_string()).path_and_query(path);
    *request.uri_mut() = uri.build()?;
    request.headers_mut().remove(CONNECTION);
    request.headers_mut().insert(HOST, HeaderValue::from_str(&upstream.to_string())?);
    let mut answer = client.request(request).await?;
    answer.headers_mut().remove(CONNECTION);
    Ok(answer)
}
