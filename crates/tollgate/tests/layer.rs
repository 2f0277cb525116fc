//! The tower layer: a permit lives until the body ends, and is never held while a service
//! merely becomes ready.

use std::{convert::Infallible, future::poll_fn, time::Duration};

use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use tollgate::{
    AdmissionLayer, Clock, HOLD, Memory, Patience, Tollgate,
    layer::{Asked, Denied, Held},
};
use tollgate_core::{
    Attributes, Demand, Policy, Time, Unit,
    policy::{Limit, Measure},
};
use tower::{Layer as _, Service, ServiceExt as _, service_fn};

type Bytes = Full<&'static [u8]>;

fn gate() -> Tollgate<Memory> {
    let one = Measure::Concurrency { cap: 1 };
    let policy = Policy::new(vec![Limit::new("slots", &[], Unit::Requests, one)]).expect("one");
    Tollgate::new(policy, Memory::default(), Clock::set_at(Time::from_millis(1)), HOLD)
}

fn ask(_: &Request<()>) -> Asked {
    (Attributes::new(), Demand::ONE_REQUEST)
}

fn deny(denied: Denied) -> Response<Bytes> {
    let why = match denied {
        Denied::Refused(refused) => refused,
        Denied::Failed(error) => panic!("the store answers: {error}"),
    };
    assert!(why.limit().is_some(), "it is told which limit");
    let mut response = Response::new(Full::new(&b"full"[..]));
    *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
    response
}

fn service(
    gate: Tollgate<Memory>,
) -> impl Service<Request<()>, Response = Response<Held<Bytes, Memory>>, Error = Infallible> + Clone
{
    let hello = |_| async { Ok::<_, Infallible>(Response::new(Full::new(&b"hello"[..]))) };
    AdmissionLayer::new(gate, ask, deny)
        .patience(Patience::of(Duration::ZERO))
        .layer(service_fn(hello))
}

async fn status(gate: &Tollgate<Memory>) -> StatusCode {
    service(gate.clone()).oneshot(Request::new(())).await.expect("infallible").status()
}

#[tokio::test]
async fn a_permit_is_held_until_the_body_ends_and_not_just_its_head() {
    let gate = gate();
    let response = service(gate.clone()).oneshot(Request::new(())).await.expect("infallible");
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(status(&gate).await, StatusCode::TOO_MANY_REQUESTS, "its body is to come");
    assert_eq!(response.into_body().collect().await.expect("a body").to_bytes(), "hello");
    assert_eq!(status(&gate).await, StatusCode::OK);
}

#[tokio::test]
async fn a_body_that_is_dropped_gives_its_permit_back() {
    let gate = gate();
    let response = service(gate.clone()).oneshot(Request::new(())).await.expect("infallible");
    drop(response);
    assert_eq!(status(&gate).await, StatusCode::OK);
}

#[tokio::test]
async fn a_service_that_is_ready_and_never_called_holds_nothing() {
    let gate = gate();
    let mut ready = service(gate.clone());
    poll_fn(|cx| ready.poll_ready(cx)).await.expect("infallible");
    assert_eq!(status(&gate).await, StatusCode::OK);
    assert_eq!(ready.call(Request::new(())).await.expect("infallible").status(), StatusCode::OK);
}
