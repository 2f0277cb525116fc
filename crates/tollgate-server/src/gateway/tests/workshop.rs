//! The `workshop` preset: an unchanged web application behind the gateway gets sessions, a
//! queue and a busy page.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use serde_json::Value;

use super::{Provider, Running, running::Answer};

/// A browser: it keeps its cookie.
#[derive(Default)]
struct Browser(Option<String>);

struct Scene {
    running: Running,
    provider: Provider,
}

impl Scene {
    async fn with(max: u32) -> Self {
        let provider = Provider::answering("HTTP/1.1 200 OK\r\nset-cookie: own=1", "tagged").await;
        let app = format!(
            "[providers.app]\nbase_url = \"http://{}\"\n[[limits]]\nname = \"sessions\"\nsessions = {{ max = {max} }}\n",
            provider.address
        );
        Self { running: Running::preset("workshop", &app).await, provider }
    }

    async fn ask(&self, browser: &mut Browser, method: Method, path: &str, page: bool) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(cookie) = &browser.0 {
            request = request.header("cookie", format!("theme=dark; {cookie}"));
        }
        if page {
            request = request.header("sec-fetch-mode", "navigate");
        }
        let request = request.body(Full::<Bytes>::default()).expect("a request");
        let answer = self.running.send(request).await;
        let cookies = answer.headers.get_all("set-cookie").iter();
        let mut own = cookies.filter_map(|cookie| cookie.to_str().ok());
        if let Some(own) = own.rfind(|cookie| cookie.starts_with("tollgate_session=")) {
            assert!(own.contains("; HttpOnly; SameSite=Lax"), "{own}");
            browser.0 = own.split(';').next().map(str::to_owned);
        }
        answer
    }

    async fn upload(&self, browser: &mut Browser) -> Answer {
        self.ask(browser, Method::POST, "/api/upload", false).await
    }

    async fn active(&self) -> Value {
        let health = self.ask(&mut Browser::default(), Method::GET, "/api/health", false).await;
        health.json()["capacity"]["active_sessions"].clone()
    }

    async fn ticket(&self, ticket: &str) -> Value {
        let path = format!("/tollgate/tickets/{ticket}");
        self.ask(&mut Browser::default(), Method::GET, &path, false).await.json()
    }

    /// Waits until a ticket stands so.
    async fn until(&self, ticket: &str, state: &str) -> Value {
        loop {
            let shown = self.ticket(ticket).await;
            if shown["state"] == state {
                return shown;
            }
            tokio::task::yield_now().await;
        }
    }
}

const OK: StatusCode = StatusCode::OK;

#[tokio::test]
async fn the_third_of_two_is_told_that_the_server_is_busy_and_gets_a_ticket() {
    let scene = Scene::with(2).await;
    let (mut a, mut b, mut c) = (Browser::default(), Browser::default(), Browser::default());
    assert_eq!(scene.upload(&mut a).await.status, OK);
    assert_eq!(scene.upload(&mut b).await.status, OK);
    // Again it is the same session.
    assert_eq!(scene.upload(&mut a).await.status, OK);
    let busy = scene.upload(&mut c).await;
    let json = busy.json();
    assert_eq!(busy.status, StatusCode::SERVICE_UNAVAILABLE);
    for (member, value) in [
        ("success", Value::Bool(false)),
        ("error", "server_busy".into()),
        (
            "message",
            "Server is currently at capacity (2/2 users). Please wait 2-3 minutes and try again."
                .into(),
        ),
        ("active_sessions", 2.into()),
        ("max_sessions", 2.into()),
        ("retry_after", 120.into()),
        ("place", 1.into()),
    ] {
        assert_eq!(json[member], value, "{json}");
    }
    assert_eq!(busy.header("retry-after"), Some("120"));
    let ticket = json["ticket"].as_str().expect("a ticket").to_owned();
    // Asked again, it is the same place.
    assert_eq!(scene.upload(&mut c).await.json()["ticket"], ticket);
    let shown = scene.ticket(&ticket).await;
    assert_eq!(
        (&shown["state"], &shown["place"], &shown["waiting"]),
        (&"waiting".into(), &1.into(), &1.into())
    );
}

#[tokio::test]
async fn who_waits_is_let_in_when_one_ends_and_nobody_slips_by() {
    let scene = Scene::with(1).await;
    let (mut a, mut b, mut c) = (Browser::default(), Browser::default(), Browser::default());
    scene.upload(&mut a).await;
    let ticket = scene.upload(&mut b).await.json()["ticket"].as_str().expect("one").to_owned();
    let bye = scene.ask(&mut a, Method::POST, "/api/logout", false).await;
    assert_eq!(bye.status, OK);
    // Whoever comes in between finds the place taken, by the one who waited.
    assert_eq!(scene.upload(&mut c).await.status, StatusCode::SERVICE_UNAVAILABLE);
    let shown = scene.until(&ticket, "admitted").await;
    assert!(shown["claim_before"].is_string(), "{shown}");
    assert_eq!(scene.upload(&mut b).await.status, OK);
    assert_eq!(scene.upload(&mut b).await.status, OK);
    let gone = scene.ticket(&ticket).await;
    assert_eq!(gone["error"], "not_found", "a ticket that was claimed is over");
}

#[tokio::test]
async fn a_turn_that_is_not_taken_passes_to_the_next() {
    let scene = Scene::with(1).await;
    let (mut a, mut b, mut c) = (Browser::default(), Browser::default(), Browser::default());
    scene.upload(&mut a).await;
    let first = scene.upload(&mut b).await.json()["ticket"].as_str().expect("one").to_owned();
    let second = scene.upload(&mut c).await.json()["ticket"].as_str().expect("one").to_owned();
    assert_eq!(scene.ticket(&second).await["place"], 2);
    scene.ask(&mut a, Method::POST, "/api/logout", false).await;
    scene.until(&first, "admitted").await;
    scene.running.advance(Duration::from_secs(61));
    scene.running.app.sessions.tickets.serve(&scene.running.app).await;
    let gone = scene.until(&first, "gone").await;
    assert_eq!(gone["message"], "Your turn was not taken in time.");
    scene.until(&second, "admitted").await;
    assert_eq!(scene.upload(&mut c).await.status, OK);
    assert_eq!(scene.upload(&mut b).await.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_place_that_is_given_up_is_the_next_ones() {
    let scene = Scene::with(1).await;
    let (mut a, mut b, mut c) = (Browser::default(), Browser::default(), Browser::default());
    scene.upload(&mut a).await;
    let first = scene.upload(&mut b).await.json()["ticket"].as_str().expect("one").to_owned();
    let second = scene.upload(&mut c).await.json()["ticket"].as_str().expect("one").to_owned();
    let path = format!("/tollgate/tickets/{first}");
    let left = scene.ask(&mut Browser::default(), Method::DELETE, &path, false).await;
    assert_eq!(left.status, StatusCode::NO_CONTENT);
    assert_eq!(scene.ticket(&second).await["place"], 1);
    let unknown =
        scene.ask(&mut Browser::default(), Method::GET, "/tollgate/tickets/x", false).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn whoever_looks_around_takes_no_place_and_idle_sessions_go() {
    let scene = Scene::with(1).await;
    let (mut a, mut b) = (Browser::default(), Browser::default());
    assert_eq!(scene.ask(&mut a, Method::GET, "/gallery", true).await.status, OK);
    assert!(a.0.is_some(), "it can already be told apart");
    assert_eq!(scene.active().await, 0);
    scene.upload(&mut a).await;
    assert_eq!(scene.ask(&mut b, Method::GET, "/gallery", true).await.status, OK);
    scene.running.advance(Duration::from_secs(29 * 60));
    // Looking around keeps a session alive.
    assert_eq!(scene.ask(&mut a, Method::GET, "/gallery", true).await.status, OK);
    scene.running.advance(Duration::from_secs(2 * 60));
    assert_eq!(scene.upload(&mut b).await.status, StatusCode::SERVICE_UNAVAILABLE);
    scene.running.advance(Duration::from_secs(30 * 60));
    let mut late = Browser::default();
    scene.running.app.sessions.tickets.serve(&scene.running.app).await;
    assert_eq!(scene.upload(&mut b).await.status, OK, "it waited, so it is first");
    assert_eq!(scene.upload(&mut late).await.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_cookie_that_was_made_up_is_nobodys_and_the_application_sees_none() {
    let scene = Scene::with(1).await;
    let mut a = Browser::default();
    scene.upload(&mut a).await;
    let first = scene.provider.request().await;
    assert!(!first.contains("cookie:"), "{first}");
    scene.upload(&mut a).await;
    let second = scene.provider.request().await;
    assert!(
        second.contains("cookie: theme=dark\r\n") && !second.contains("tollgate_session"),
        "{second}"
    );
    let real = a.0.clone().expect("a cookie");
    let (secret, _) = real.split_once('.').expect("a signature");
    for forged in [
        secret.to_owned(),
        format!("{secret}.{}", "0".repeat(64)),
        "tollgate_session=x.y".to_owned(),
    ] {
        let answer = scene.upload(&mut Browser(Some(forged.clone()))).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{forged}");
    }
    assert_eq!(scene.upload(&mut a).await.status, OK);
}

#[tokio::test]
async fn a_browser_that_asks_for_a_page_gets_a_page() {
    let scene = Scene::with(1).await;
    scene.upload(&mut Browser::default()).await;
    let mut b = Browser::default();
    let page = scene.ask(&mut b, Method::POST, "/api/upload", true).await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    let html = String::from_utf8(page.body.to_vec()).expect("text");
    assert!(html.contains("1/1") && html.contains("data-ticket="), "{html}");
    assert!(b.0.is_some());
}

#[tokio::test]
async fn health_is_answered_where_the_application_had_it() {
    let scene = Scene::with(12).await;
    for _ in 0..8 {
        scene.upload(&mut Browser::default()).await;
    }
    let answer = scene.ask(&mut Browser::default(), Method::GET, "/api/health", false).await;
    let json = answer.json();
    assert_eq!((answer.status, &json["status"]), (OK, &"healthy".into()));
    assert_eq!(json["api_key_configured"], false);
    let capacity = serde_json::json!({
        "active_sessions": 8, "max_sessions": 12, "available": true, "utilization_percent": 66.7,
    });
    assert_eq!(json["capacity"], capacity);
    assert!(json["version"].is_string());
}

#[tokio::test]
async fn the_applications_own_cookies_pass_beside_the_sessions() {
    let scene = Scene::with(1).await;
    let answer = scene.upload(&mut Browser::default()).await;
    let cookies: Vec<_> = answer.headers.get_all("set-cookie").iter().collect();
    assert_eq!(cookies.len(), 2, "{cookies:?}");
    assert_eq!(cookies[0], "own=1");
}

#[tokio::test]
async fn an_upload_that_never_arrives_begins_no_session() {
    let scene = Scene::with(1).await;
    let Scene { running, provider } = scene;
    // The application is gone.
    drop(provider);
    let nobody = Provider::answering("HTTP/1.1 200 OK", "").await;
    let scene = Scene { running, provider: nobody };
    for _ in 0..3 {
        let failed = scene.upload(&mut Browser::default()).await;
        assert_eq!(failed.status, StatusCode::BAD_GATEWAY);
        while scene.active().await != 0 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn uploads_that_a_page_sends_at_once_are_of_one_session() {
    let scene = Scene::with(12).await;
    let mut page = Browser::default();
    scene.ask(&mut page, Method::GET, "/", true).await;
    let mut tabs = [Browser(page.0.clone()), Browser(page.0.clone())];
    let [one, two] = &mut tabs;
    let (first, second) = tokio::join!(scene.upload(one), scene.upload(two));
    assert_eq!((first.status, second.status), (OK, OK));
    assert_eq!(scene.active().await, 1);
}
