//! A tower layer: each request is admitted, or waits for its turn, before the service is
//! called, and holds its permit until the *body* of its response ends.
//!
//! A response's head is no end: while a model streams tokens, its slot is taken. Nothing is
//! held in `poll_ready`, where a service that is never called would keep it for ever.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use tollgate_core::{Attributes, Demand};
use tower_layer::Layer;
use tower_service::Service;

use crate::{Patience, Permit, Refused, Store, StoreError, Tollgate, Verdict};

/// Who asks for what.
pub type Asked = (Attributes, Demand);

/// Why a request does not reach the service.
#[derive(Debug)]
pub enum Denied {
    /// A limit is in the way.
    Refused(Box<Refused>),
    /// Nobody can decide.
    Failed(StoreError),
}

/// Makes services that ask a gate first.
///
/// `ask` says who asks for what, `deny` answers those who are not let in.
pub struct AdmissionLayer<S: Store + 'static, A, D> {
    gate: Tollgate<S>,
    ask: Arc<A>,
    deny: Arc<D>,
    patience: Patience,
}

/// A service that asks a gate first.
pub struct Admission<T, S: Store + 'static, A, D> {
    inner: T,
    layer: AdmissionLayer<S, A, D>,
}

/// A body that holds its request's permit until it ends or is dropped.
#[derive(Debug)]
pub struct Held<B, S: Store + 'static> {
    body: B,
    permit: Option<Permit<S>>,
}

impl<S: Store + 'static, A, D> AdmissionLayer<S, A, D> {
    /// A layer before this gate.
    pub fn new(gate: Tollgate<S>, ask: A, deny: D) -> Self {
        let patience = Patience::POLICY;
        Self { gate, ask: Arc::new(ask), deny: Arc::new(deny), patience }
    }

    /// With a longest wait of its own.
    #[must_use]
    pub fn patience(self, patience: Patience) -> Self {
        Self { patience, ..self }
    }
}

impl<S: Store + 'static, A, D> Clone for AdmissionLayer<S, A, D> {
    fn clone(&self) -> Self {
        let (ask, deny) = (Arc::clone(&self.ask), Arc::clone(&self.deny));
        Self { gate: self.gate.clone(), ask, deny, patience: self.patience }
    }
}

impl<T: Clone, S: Store + 'static, A, D> Clone for Admission<T, S, A, D> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), layer: self.layer.clone() }
    }
}

impl<S: Store + 'static, A, D> fmt::Debug for AdmissionLayer<S, A, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdmissionLayer").field("patience", &self.patience).finish_non_exhaustive()
    }
}

impl<T: fmt::Debug, S: Store + 'static, A, D> fmt::Debug for Admission<T, S, A, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admission").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl<T, S: Store + 'static, A, D> Layer<T> for AdmissionLayer<S, A, D> {
    type Service = Admission<T, S, A, D>;

    fn layer(&self, inner: T) -> Self::Service {
        Admission { inner, layer: self.clone() }
    }
}

impl<T, S, A, D, B, R> Service<Request<B>> for Admission<T, S, A, D>
where
    T: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    T::Future: Send,
    T::Error: Send,
    S: Store + 'static,
    A: Fn(&Request<B>) -> Asked + Send + Sync + 'static,
    D: Fn(Denied) -> Response<R> + Send + Sync + 'static,
    B: Send + 'static,
    R: Send + 'static,
{
    type Response = Response<Held<R, S>>;
    type Error = T::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, T::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), T::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The one that was ready is the one that is called.
        let next = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, next);
        let layer = self.layer.clone();
        Box::pin(async move {
            let (who, demand) = (layer.ask)(&request);
            let denied = match layer.gate.acquire(&who, &demand, layer.patience).await {
                Ok(Verdict::Admit(permit)) => {
                    let response = inner.call(request).await?;
                    return Ok(response.map(|body| Held { body, permit: Some(permit) }));
                }
                Ok(Verdict::Refuse(refused)) => Denied::Refused(Box::new(refused)),
                Err(error) => Denied::Failed(error),
            };
            Ok((layer.deny)(denied).map(|body| Held { body, permit: None }))
        })
    }
}

impl<B: Body + Unpin, S: Store + 'static> Body for Held<B, S> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(None | Some(Err(_))) = &polled {
            self.permit = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
