//! The `endpoint` preset: requests that wait for their turn behind the gateway, and what they
//! are told when it does not come.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use tokio::{sync::Semaphore, task::JoinHandle};

use super::{Provider, Running, Step, provider::response, running::Answer};

/// A gateway before an application that answers when it is let go.
struct Scene {
    running: Arc<Running>,
    provider: Provider,
    /// A permit lets one answer go.
    go: Arc<Semaphore>,
}

impl Scene {
    async fn with(overlay: &str) -> Self {
        let go = Arc::new(Semaphore::new(0));
        let answer = response("HTTP/1.1 200 OK", "done");
        let provider = Provider::doing(vec![Step::Hold(Arc::clone(&go)), Step::Send(answer)]).await;
        let app = format!("[providers.app]\nbase_url = \"http://{}\"\n", provider.address);
        let running = Running::preset("endpoint", &format!("{app}{overlay}")).await;
        Self { running: Arc::new(running), provider, go }
    }

    fn ask(&self, user: &str, headers: &[(&str, &str)]) -> JoinHandle<Answer> {
        let mut request = Request::get("/app/work").header("x-tollgate-user", user);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::<Bytes>::default()).expect("a request");
        let running = Arc::clone(&self.running);
        tokio::spawn(async move { running.send(request).await })
    }

    /// Asks so many times for this user, and is back when all run or wait.
    async fn crowd(&self, user: &str, count: u64, run: u64, wait: u64) -> Vec<JoinHandle<Answer>> {
        let mut all = vec![];
        for _ in 0..count {
            all.push(self.ask(user, &[]));
        }
        self.until(run, wait).await;
        all
    }

    async fn until(&self, run: u64, wait: u64) {
        let metrics = &self.running.app.metrics;
        while (metrics.concurrent(), metrics.queued()) != (run, wait) {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn a_fourth_request_waits_and_a_fourteenth_is_told_that_its_queue_is_full() {
    let scene = Scene::with("").await;
    let mut all = scene.crowd("alice", 3, 3, 0).await;
    all.extend(scene.crowd("alice", 10, 3, 10).await);
    let full = scene.ask("alice", &[]).await.expect("an answer");
    let json = full.json();
    for (member, value) in [
        ("status", 429.into()),
        ("error", "too_many_requests".into()),
        ("message", "User queue full (10/10). Too many concurrent requests.".into()),
        ("retry_after", 5.into()),
    ] as [(_, serde_json::Value); 4]
    {
        assert_eq!(json[member], value, "{json}");
    }
    assert_eq!(full.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(
        (full.header("retry-after"), full.header("x-tollgate-limit")),
        (Some("5"), Some("user-slots"))
    );
    // Another user is not concerned.
    let bob = scene.ask("bob", &[]);
    scene.until(4, 10).await;
    scene.go.add_permits(14);
    for answer in all {
        assert_eq!(answer.await.expect("an answer").status, StatusCode::OK);
    }
    assert_eq!(bob.await.expect("an answer").status, StatusCode::OK);
    assert_eq!(scene.running.app.gate.waiting(), 0);
}

#[tokio::test]
async fn whoever_waits_for_too_long_is_told_so_and_has_reached_nobody() {
    let scene = Scene::with("[[limits]]\nname = \"user-slots\"\nconcurrency = 1\nqueue = { size = 1, timeout = \"20ms\" }\n").await;
    let first = scene.crowd("alice", 1, 1, 0).await;
    scene.provider.request().await;
    let late = scene.ask("alice", &[]).await.expect("an answer");
    let json = late.json();
    assert_eq!(late.status, StatusCode::REQUEST_TIMEOUT);
    assert_eq!(
        (json["status"].as_u64(), json["error"].as_str()),
        (Some(408), Some("queue_timeout"))
    );
    assert!(scene.provider.is_idle().await, "it reached nobody");
    scene.go.add_permits(2);
    for answer in first {
        assert_eq!(answer.await.expect("an answer").status, StatusCode::OK);
    }
    assert_eq!(scene.ask("alice", &[]).await.expect("an answer").status, StatusCode::OK);
}

#[tokio::test]
async fn a_full_system_is_busy_and_not_the_callers_fault() {
    let scene =
        Scene::with("[[limits]]\nname = \"all-slots\"\nconcurrency = 1\nqueue = { size = 1 }\n")
            .await;
    let mut all = scene.crowd("alice", 1, 1, 0).await;
    all.extend(scene.crowd("bob", 1, 1, 1).await);
    let busy = scene.ask("carol", &[]).await.expect("an answer");
    let json = busy.json();
    assert_eq!(busy.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!((json["status"].as_u64(), json["error"].as_str()), (Some(503), Some("server_busy")));
    assert_eq!(json["message"], "Queue full (1/1). The server is busy.");
    scene.go.add_permits(2);
    for answer in all {
        assert_eq!(answer.await.expect("an answer").status, StatusCode::OK);
    }
}

#[tokio::test]
async fn nobody_waits_past_the_deadline_it_brings() {
    let scene = Scene::with("").await;
    let all = scene.crowd("alice", 3, 3, 0).await;
    for header in ["x-tollgate-deadline-ms", "x-stainless-read-timeout"] {
        let value = if header.ends_with("ms") { "20" } else { "0.02" };
        let late = scene.ask("alice", &[(header, value)]).await.expect("an answer");
        assert_eq!(late.status, StatusCode::REQUEST_TIMEOUT, "{header}");
    }
    scene.go.add_permits(3);
    for answer in all {
        assert_eq!(answer.await.expect("an answer").status, StatusCode::OK);
    }
}

#[tokio::test]
async fn who_hangs_up_gives_its_place_up() {
    let scene = Scene::with("").await;
    let all = scene.crowd("alice", 3, 3, 0).await;
    let waiting = scene.crowd("alice", 2, 3, 2).await;
    waiting.iter().for_each(JoinHandle::abort);
    scene.until(3, 0).await;
    scene.go.add_permits(3);
    for answer in all {
        assert_eq!(answer.await.expect("an answer").status, StatusCode::OK);
    }
    assert!(scene.running.app.gate.is_at_rest());
}

#[tokio::test]
async fn an_answer_tells_how_long_it_waited_and_the_metrics_count_it() {
    let scene = Scene::with("").await;
    let mut all = scene.crowd("alice", 3, 3, 0).await;
    all.extend(scene.crowd("alice", 1, 3, 1).await);
    scene.running.advance(Duration::from_millis(1_500));
    scene.go.add_permits(4);
    let mut waited = vec![];
    for answer in all {
        let answer = answer.await.expect("an answer");
        waited.extend(answer.header("x-tollgate-waited-ms").map(str::to_owned));
    }
    assert_eq!(waited, ["1500"]);
    let text = scene.running.app.metrics.text(crate::metrics::Gauges::default()).expect("a text");
    assert!(text.contains("tollgate_queue_seconds_count 1\n"), "{text}");
    assert!(text.contains("tollgate_queue_depth 0\n"), "{text}");
}
