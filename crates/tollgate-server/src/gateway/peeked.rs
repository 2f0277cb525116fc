//! The body of an answer that was looked into before it is passed on.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use tollgate_meter::signals::MAX_BODY_BYTES;

use super::forward::ProviderBody;
use crate::net::UpstreamError;

/// A body whose beginning is known.
#[derive(Debug)]
pub(super) struct Peeked {
    first: Bytes,
    rest: Rest,
}

#[derive(Debug)]
enum Rest {
    Nothing,
    Body(ProviderBody),
    Broken(UpstreamError),
}

/// How long the body of a refusal is waited for: it is short, and comes with its head.
const PATIENCE: Duration = Duration::from_secs(5);

impl Peeked {
    /// Takes the beginning of a body, all of it if it is as short as refusals are.
    pub(super) async fn of(mut body: ProviderBody) -> Self {
        let mut first = BytesMut::new();
        let mut ended = None;
        let reading = async {
            while first.len() < MAX_BODY_BYTES {
                match std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
                    Some(Ok(frame)) => {
                        if let Ok(data) = frame.into_data() {
                            first.extend_from_slice(&data);
                        }
                    }
                    Some(Err(error)) => {
                        ended = Some(Rest::Broken(error));
                        return;
                    }
                    None => {
                        ended = Some(Rest::Nothing);
                        return;
                    }
                }
            }
        };
        // What has not come by then is passed on as it comes.
        let _ = tokio::time::timeout(PATIENCE, reading).await;
        Self { first: first.freeze(), rest: ended.unwrap_or(Rest::Body(body)) }
    }

    /// What is known of it.
    pub(super) const fn first(&self) -> &Bytes {
        &self.first
    }
}

impl Body for Peeked {
    type Data = Bytes;
    type Error = UpstreamError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UpstreamError>>> {
        let this = self.get_mut();
        if !this.first.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut this.first)))));
        }
        match std::mem::replace(&mut this.rest, Rest::Nothing) {
            Rest::Nothing => Poll::Ready(None),
            Rest::Broken(error) => Poll::Ready(Some(Err(error))),
            Rest::Body(mut body) => {
                let polled = Pin::new(&mut body).poll_frame(cx);
                this.rest = Rest::Body(body);
                polled
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_empty()
            && match &self.rest {
                Rest::Nothing => true,
                Rest::Broken(_) => false,
                Rest::Body(body) => body.is_end_stream(),
            }
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = match &self.rest {
            Rest::Nothing => SizeHint::with_exact(0),
            Rest::Broken(_) => SizeHint::new(),
            Rest::Body(body) => body.size_hint(),
        };
        let first = self.first.len() as u64;
        let upper = hint.upper().map(|upper| upper.saturating_add(first));
        hint.set_lower(0);
        if let Some(upper) = upper {
            hint.set_upper(upper);
        }
        if let Rest::Nothing = self.rest {
            hint = SizeHint::with_exact(first);
        }
        hint
    }
}
