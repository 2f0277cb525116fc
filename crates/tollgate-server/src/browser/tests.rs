//! What browsers are given, byte for byte where it matters.

use std::{fs, path::Path, time::Duration};

use axum::body::Body;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use super::{
    Busy, Ticket, Wanted, busy_answer, busy_page, files::FILES, is_navigation,
    page::CONTENT_SECURITY_POLICY, router,
};

const BUSY: Busy<'_> = Busy {
    active: 12,
    max: 12,
    message: "Server is currently at capacity (12/12 users). Please wait 2-3 minutes and try again.",
    retry_after: Duration::from_secs(120),
    ticket: None,
    wanted: Wanted::Page,
};

const TICKET: Ticket<'_> =
    Ticket { id: "example-ticket", place: 1, estimate: Some(Duration::from_millis(39_001)) };

async fn ask(method: Method, path: &str, known: Option<&str>) -> Response<Body> {
    let mut request = Request::new(Body::empty());
    *request.method_mut() = method;
    *request.uri_mut() = path.parse().unwrap();
    if let Some(known) = known {
        request.headers_mut().insert(header::IF_NONE_MATCH, known.parse().unwrap());
    }
    router().oneshot(request).await.unwrap()
}

async fn text(body: impl http_body::Body<Error: std::fmt::Debug>) -> String {
    String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

#[tokio::test]
async fn every_file_is_served_as_what_it_is() {
    for file in FILES {
        let answer = ask(Method::GET, file.path, None).await;
        assert_eq!(answer.status(), StatusCode::OK, "{}", file.path);
        let kind = if file.path.ends_with(".css") { "text/css" } else { "text/javascript" };
        assert_eq!(answer.headers()["content-type"], format!("{kind}; charset=utf-8"));
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
        assert_eq!(answer.headers()["cache-control"], "no-cache");
        assert_eq!(text(answer.into_body()).await, file.text);
    }
    let head = ask(Method::HEAD, "/tollgate/kit.js", None).await;
    assert_eq!(head.status(), StatusCode::OK);
    assert_eq!(text(head.into_body()).await, "");
    let post = ask(Method::POST, "/tollgate/kit.js", None).await;
    assert_eq!(post.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(post.headers()["allow"], "GET,HEAD");
}

#[tokio::test]
async fn what_the_browser_has_is_not_sent_again() {
    let answer = ask(Method::GET, "/tollgate/kit.js", None).await;
    let etag = answer.headers()["etag"].to_str().unwrap().to_owned();
    for known in [etag.clone(), format!("\"other\", W/{etag}"), "*".into()] {
        let answer = ask(Method::GET, "/tollgate/kit.js", Some(&known)).await;
        assert_eq!(answer.status(), StatusCode::NOT_MODIFIED, "{known}");
        assert_eq!(answer.headers()["etag"], etag);
        assert_eq!(answer.headers()["cache-control"], "no-cache");
        assert_eq!(text(answer.into_body()).await, "");
    }
    for other in ["\"other\"", "\"\"", "", etag.trim_matches('"')] {
        let answer = ask(Method::GET, "/tollgate/kit.js", Some(other)).await;
        assert_eq!(answer.status(), StatusCode::OK, "{other}");
    }
    // Two files never share a tag.
    let answer = ask(Method::GET, "/tollgate/busy.js", Some(&etag)).await;
    assert_eq!(answer.status(), StatusCode::OK);
}

/// Files in the folder, as their paths on the data plane.
fn written(folder: &Path, path: &str) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let files = entries.flat_map(|entry| {
        let path = format!("{path}/{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() { written(&entry.path(), &path) } else { vec![path] }
    });
    files.collect()
}

#[test]
fn no_file_is_forgotten() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/browser/assets");
    let mut written = written(&folder, "/tollgate");
    // It is a template and no file to be read.
    written.retain(|path| path != "/tollgate/busy.html");
    let mut served: Vec<_> = FILES.iter().map(|file| file.path.to_owned()).collect();
    written.sort();
    served.sort();
    assert_eq!(written, served);
}

#[test]
fn the_page_says_all_without_a_script() {
    insta::assert_snapshot!("queued", busy_page(&Busy { ticket: Some(TICKET), ..BUSY }));
    insta::assert_snapshot!("unqueued", busy_page(&BUSY));
    let form = Busy { ticket: Some(TICKET), wanted: Wanted::Form, ..BUSY };
    insta::assert_snapshot!("form", busy_page(&form));
}

#[test]
fn an_estimate_is_told_in_the_kits_words() {
    let page = |estimate| {
        let ticket = Ticket { estimate, ..TICKET };
        busy_page(&Busy { ticket: Some(ticket), ..BUSY })
    };
    for (seconds, told) in [
        (0, "any moment now"),
        (1, "1 second"),
        (119, "119 seconds"),
        (120, "2 min 0 s"),
        (3_599, "59 min 59 s"),
        (7_260, "2 h 1 min"),
    ] {
        let page = page(Some(Duration::from_secs(seconds)));
        assert!(page.contains(&format!("Estimated wait: {told}<")), "{page}");
    }
    let unknown = page(None);
    assert!(unknown.contains("Estimated wait: not known yet<"), "{unknown}");
    assert!(!unknown.contains("data-estimate"), "{unknown}");
}

#[test]
fn no_value_can_become_html() {
    const HOSTILE: &str = "\"'><script>alert(1)</script>&amp;<!--";
    const HARMLESS: &str = "&quot;&#39;&gt;&lt;script&gt;alert(1)&lt;/script&gt;&amp;amp;&lt;!--";
    let ticket = Some(Ticket { id: HOSTILE, ..TICKET });
    let page = busy_page(&Busy { message: HOSTILE, ticket, ..BUSY });
    assert!(!page.contains(HOSTILE), "{page}");
    assert!(page.contains(&format!("data-ticket=\"{HARMLESS}\"")), "{page}");
    assert!(page.contains(&format!("<p id=\"message\">{HARMLESS}</p>")), "{page}");
}

#[test]
fn a_refresh_is_neither_a_flood_nor_late() {
    let refresh = |seconds, ticket| {
        let retry_after = Duration::from_secs(seconds);
        let page = busy_page(&Busy { retry_after, ticket, ..BUSY });
        let (_, rest) = page.split_once("http-equiv=\"refresh\" content=\"").unwrap();
        rest.split_once('"').unwrap().0.parse::<u64>().unwrap()
    };
    assert_eq!((refresh(0, None), refresh(40, None), refresh(9_000, None)), (10, 40, 120));
    assert_eq!((refresh(3, Some(TICKET)), refresh(120, Some(TICKET))), (10, 15));
}

#[tokio::test]
async fn the_answer_is_a_503_that_nobody_keeps_and_nothing_can_be_put_into() {
    let busy = Busy { retry_after: Duration::from_millis(119_001), ..BUSY };
    let answer = busy_answer(&busy);
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    let headers = answer.headers();
    assert_eq!(headers["retry-after"], "120");
    assert_eq!(headers["cache-control"], "no-store");
    assert_eq!(headers["content-type"], "text/html; charset=utf-8");
    assert_eq!(headers["x-content-type-options"], "nosniff");
    assert_eq!(headers["content-security-policy"], CONTENT_SECURITY_POLICY);
    assert_eq!(
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
         img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    );
    assert_eq!(text(answer.into_body()).await, busy_page(&busy));
}

#[test]
fn only_a_window_gets_a_page() {
    let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    for (accept, mode, expected) in [
        (Some(browser), None, true),
        (Some("application/json, Text/HTML;q=0.5"), None, true),
        (Some(browser), Some("navigate"), true),
        (Some(browser), Some("cors"), false),
        (Some("*/*"), Some("navigate"), true),
        (Some("*/*"), None, false),
        (Some("application/json"), None, false),
        (Some("text/html-like"), None, false),
        (None, None, false),
    ] {
        let mut headers = HeaderMap::new();
        if let Some(accept) = accept {
            headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
        }
        if let Some(mode) = mode {
            headers.insert("sec-fetch-mode", HeaderValue::from_static(mode));
        }
        assert_eq!(is_navigation(&headers), expected, "{accept:?} {mode:?}");
    }
}
