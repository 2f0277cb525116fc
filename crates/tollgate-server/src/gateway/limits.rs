//! Limits of time: who asks is told when the work should end, and it is cut when it must.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Response};
use http_body::{Frame, SizeHint};
use tokio::time::Sleep;
use tollgate_core::{
    Attribute, Attributes, Now,
    policy::settings::{Route, Tasks},
};

use super::{exchange::Exchange, forward::ProviderBody};
use crate::{
    headers,
    net::{BoxError, TooLong, UpstreamError},
    refusal::rfc3339,
};

/// Seconds after which the work should end by itself.
const SOFT: HeaderName = HeaderName::from_static("x-tollgate-soft-time-limit");
/// Seconds after which it is cut.
const HARD: HeaderName = HeaderName::from_static("x-tollgate-hard-time-limit");

/// When a request should end, and when it is cut.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct TimeLimits {
    soft: Option<Duration>,
    hard: Option<Duration>,
    /// When it was admitted.
    begun: Option<Now>,
}

/// A request that was cut.
#[derive(Debug, thiserror::Error)]
#[error("the time limit of {} seconds is over", .0.as_secs_f64())]
pub(super) struct Cut(pub(super) Duration);

/// A body that breaks when the time is over.
#[derive(Debug)]
pub(super) struct Limited<B> {
    body: B,
    clock: Clock,
}

/// What runs beside a body.
#[derive(Debug)]
struct Clock {
    soft: Option<Pin<Box<Sleep>>>,
    hard: Option<(Pin<Box<Sleep>>, Duration)>,
    route: Arc<str>,
}

impl TimeLimits {
    /// Those of a task, if it is one.
    pub(super) fn of(tasks: &Tasks, who: &Attributes) -> Self {
        let (soft, hard) = tasks.limits_of(who);
        Self { soft, hard, begun: None }
    }

    /// Those of a route before these, where it has any.
    pub(super) fn on(self, route: Option<&Route>) -> Self {
        let own = route.map(|route| (route.soft_time_limit, route.hard_time_limit));
        match own.filter(|(soft, hard)| soft.is_some() || hard.is_some()) {
            Some((soft, hard)) => Self { soft, hard, ..self },
            None => self,
        }
    }

    /// It runs from now on, if it does not already.
    pub(super) fn begin(&mut self, now: Now) {
        self.begun.get_or_insert(now);
    }

    const fn are_none(&self) -> bool {
        self.soft.is_none() && self.hard.is_none()
    }

    /// Tells the caller.
    pub(super) fn mark(&self, headers: &mut HeaderMap, now: Now) {
        let Some(begun) = self.begun else { return };
        let limits = [(headers::SOFT_DEADLINE, self.soft), (headers::HARD_DEADLINE, self.hard)];
        for (name, limit) in limits {
            let at = limit.and_then(|limit| rfc3339(begun.time.after(limit), now));
            headers::set(headers, name, at);
        }
    }

    /// Tells the application.
    pub(super) fn tell(&self, headers: &mut HeaderMap) {
        for (name, limit) in [(SOFT, self.soft), (HARD, self.hard)] {
            if let Some(limit) = limit {
                headers.insert(name, limit.as_secs().max(1).into());
            }
        }
    }

    /// Waits for the head of an answer; `elapsed` has passed of the request's time.
    ///
    /// # Errors
    /// When the time is over before it comes.
    pub(super) async fn hold<T>(
        &self,
        elapsed: Duration,
        route: &str,
        answering: impl Future<Output = T>,
    ) -> Result<T, Cut> {
        let mut answering = std::pin::pin!(answering);
        let mut left = self.hard.map(|hard| (hard.saturating_sub(elapsed), hard));
        if let Some(soft) = self.soft.map(|soft| soft.saturating_sub(elapsed)) {
            if let Ok(answer) = tokio::time::timeout(soft, &mut answering).await {
                return Ok(answer);
            }
            warn(route);
            left = left.map(|(left, hard)| (left.saturating_sub(soft), hard));
        }
        match left {
            None => Ok(answering.await),
            Some((left, hard)) => {
                tokio::time::timeout(left, answering).await.map_err(|_| Cut(hard))
            }
        }
    }

    /// The body of the answer, which ends in time.
    pub(super) fn limit<B>(&self, body: B, elapsed: Duration, route: &str) -> Limited<B> {
        let after = |limit: Duration| Box::pin(tokio::time::sleep(limit.saturating_sub(elapsed)));
        // A soft limit that has passed was told.
        let soft = self.soft.filter(|soft| *soft > elapsed).map(after);
        let hard = self.hard.map(|hard| (after(hard), hard));
        Limited { body, clock: Clock { soft, hard, route: route.into() } }
    }
}

impl Exchange {
    /// Waits for a provider's answer within the limits of time of its task, which hold for the
    /// answer's body too.
    ///
    /// # Errors
    /// When there is no answer, or none in time.
    pub(super) async fn within(
        &self,
        answering: impl Future<Output = Result<Response<ProviderBody>, UpstreamError>>,
    ) -> Result<Response<ProviderBody>, UpstreamError> {
        let limits = self.limits;
        if limits.are_none() {
            return answering.await;
        }
        let clock = self.app.gate.clock();
        let elapsed = || limits.begun.map_or(Duration::ZERO, |it| clock.now().time.since(it.time));
        let task = self.who.value(&Attribute::Task).unwrap_or_default();
        let answered = limits.hold(elapsed(), task, answering).await;
        let response =
            answered.map_err(|Cut(hard)| UpstreamError::Timeout(TooLong::Task(hard)))??;
        let elapsed = elapsed();
        Ok(response.map(|body| ProviderBody::Limited(Box::new(limits.limit(body, elapsed, task)))))
    }
}

impl Limited<ProviderBody> {
    /// What ended it, as what ends a provider's answers.
    pub(super) fn error(error: BoxError) -> UpstreamError {
        match error.downcast::<Cut>() {
            Ok(cut) => UpstreamError::Timeout(TooLong::Task(cut.0)),
            Err(error) => match error.downcast::<UpstreamError>() {
                Ok(error) => *error,
                Err(other) => UpstreamError::Cut(other),
            },
        }
    }
}

fn warn(route: &str) {
    tracing::warn!(route, "soft time limit: the work should end now");
}

impl<B> http_body::Body for Limited<B>
where
    B: http_body::Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Self { body, clock } = &mut *self;
        if let Some(soft) = &mut clock.soft
            && soft.as_mut().poll(cx).is_ready()
        {
            clock.soft = None;
            warn(&clock.route);
        }
        if let Some((hard, limit)) = &mut clock.hard
            && hard.as_mut().poll(cx).is_ready()
        {
            tracing::warn!(route = &*clock.route, "hard time limit: the answer is cut");
            return Poll::Ready(Some(Err(Cut(*limit).into())));
        }
        Pin::new(body).poll_frame(cx).map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
