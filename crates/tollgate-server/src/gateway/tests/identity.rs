//! Who a caller is taken to be, and what its provider gets to see of that.

use http::{Request, StatusCode};
use http_body_util::Full;

use super::{
    CHAT, COMPLETION, Provider, Running, post,
    running::{Answer, up},
};

const ONE_EACH: &str =
    "[[limits]]\nname = \"user-minute\"\nper = [\"user\"]\nrequests = \"1/minute\"\n";

const KEY: &str = "tg_0123456789abcdef";

async fn chat_as(running: &Running, headers: &[(&str, &str)]) -> Answer {
    let mut request: Request<Full<bytes::Bytes>> = post("/up/v1/chat/completions", CHAT);
    for (name, value) in headers {
        let name: http::HeaderName = name.parse().expect("a name");
        request.headers_mut().append(name, value.parse().expect("a value"));
    }
    running.send(request).await
}

fn key_table(user: &str) -> String {
    let hash = blake3::hash(KEY.as_bytes()).to_hex();
    format!("[[keys]]\nid = \"alices-key\"\nhash = \"blake3:{hash}\"\n{user}")
}

#[tokio::test]
async fn a_strangers_headers_name_nobody() {
    let provider = Provider::json(COMPLETION).await;
    let policy =
        format!("{}[identity]\nallow_anonymous = true\n{ONE_EACH}", up(&provider.base_url()));
    let running = Running::with(&policy).await;
    let alice = chat_as(&running, &[("x-tollgate-user", "alice")]).await;
    assert_eq!(alice.status, StatusCode::OK);
    assert!(!provider.request().await.contains("x-tollgate-"), "nothing of it is sent on");
    let bob = chat_as(&running, &[("X-Tollgate-User", "bob")]).await;
    assert_eq!(bob.status, StatusCode::TOO_MANY_REQUESTS, "both are nobody");
}

#[tokio::test]
async fn customers_and_tags_are_counted_apart_by_header_and_by_key() {
    let provider = Provider::json(COMPLETION).await;
    let one = |name: &str| {
        format!("[[limits]]\nname = \"{name}\"\nper = [\"{name}\"]\nrequests = \"2/total\"\n")
    };
    let key = key_table("user = \"alice\"\ncustomer = \"acme\"\n");
    let up = up(&provider.base_url());
    let trust = "[identity]\ntrust_headers = true\n";
    let policy = format!("{up}{trust}{key}{}{}", one("customer"), one("tag"));
    let running = Running::with(&policy).await;
    let bearer = format!("Bearer {KEY}");
    let refused_by = async |headers: &[(&str, &str)]| {
        let answer = chat_as(&running, headers).await;
        answer.header("x-tollgate-limit").map(str::to_owned)
    };
    let acme = ("x-tollgate-customer", "acme");
    assert_eq!(refused_by(&[acme]).await, None, "a customer is known enough to be let in");
    let by_key = [("authorization", bearer.as_str()), ("x-tollgate-customer", "other")];
    assert_eq!(refused_by(&by_key).await, None);
    assert_eq!(refused_by(&by_key).await.as_deref(), Some("customer"), "the key says whose it is");
    assert_eq!(refused_by(&[("x-tollgate-customer", "other")]).await.as_deref(), Some("tag"));
    let tagged = [("x-tollgate-customer", "other"), ("x-tollgate-tag", "nightly")];
    assert_eq!(refused_by(&tagged).await, None);
    assert_eq!(refused_by(&tagged).await, None);
    assert_eq!(refused_by(&tagged).await.as_deref(), Some("customer"));
}

#[tokio::test]
async fn a_trusted_callers_headers_are_believed_and_go_no_further() {
    let provider = Provider::json(COMPLETION).await;
    let policy =
        format!("{}[identity]\ntrust_headers = true\n{ONE_EACH}", up(&provider.base_url()));
    let running = Running::with(&policy).await;
    for user in ["alice", "bob"] {
        assert_eq!(chat_as(&running, &[("x-tollgate-user", user)]).await.status, StatusCode::OK);
        assert!(!provider.request().await.contains("x-tollgate-"));
    }
    let again = chat_as(&running, &[("x-tollgate-user", "alice")]).await;
    assert_eq!(again.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(chat_as(&running, &[]).await.status, StatusCode::UNAUTHORIZED);
    let empty = chat_as(&running, &[("x-tollgate-user", " ")]).await;
    assert_eq!(empty.status, StatusCode::UNAUTHORIZED, "an empty name is none");
}

#[tokio::test]
async fn who_is_not_known_is_told_how_to_be() {
    let provider = Provider::json(COMPLETION).await;
    let policy = format!("{}{}{ONE_EACH}", up(&provider.base_url()), key_table(""));
    let running = Running::with(&policy).await;
    let nobody = chat_as(&running, &[]).await;
    assert_eq!(nobody.status, StatusCode::UNAUTHORIZED);
    assert_eq!(nobody.json()["error"]["code"], "invalid_api_key");
    assert_eq!(nobody.header("www-authenticate"), Some("Bearer"));
    let provider_key = chat_as(&running, &[("authorization", "Bearer sk-mine")]).await;
    assert_eq!(provider_key.status, StatusCode::UNAUTHORIZED, "a provider's key names nobody");
    let unknown = chat_as(&running, &[("authorization", "Bearer tg_guess")]).await;
    assert_eq!(unknown.status, StatusCode::UNAUTHORIZED);
    let message = unknown.json()["error"]["message"].as_str().expect("a message").to_owned();
    assert!(message.contains("not known") && !message.contains("tg_guess"), "{message}");
    assert!(provider.is_idle().await);
}

#[tokio::test]
async fn a_key_says_who_asks_wherever_clients_put_it() {
    for (name, value) in [
        ("authorization", format!("Bearer {KEY}")),
        ("x-api-key", KEY.into()),
        ("api-key", KEY.into()),
    ] {
        let provider = Provider::json(COMPLETION).await;
        let policy = format!(
            "{}{}{ONE_EACH}[[limits]]\nname = \"premium\"\nwhen = {{ tier = \"gold\" }}\nrequests = \"9/minute\"\n",
            up(&provider.base_url()),
            key_table("user = \"alice\"\ntier = \"gold\"\n"),
        );
        let running = Running::with(&policy).await;
        let answer = chat_as(&running, &[(name, &value)]).await;
        assert_eq!(answer.status, StatusCode::OK, "{name}");
        let told = answer.header("ratelimit").expect("limits");
        assert!(told.contains("user-minute") && told.contains("premium"), "{told}");
        let sent = provider.request().await;
        assert!(!sent.contains("tg_"), "no provider sees a Tollgate key: {sent}");
        assert_eq!(
            chat_as(&running, &[(name, &value)]).await.status,
            StatusCode::TOO_MANY_REQUESTS
        );
    }
}

#[tokio::test]
async fn the_providers_key_comes_from_the_policy_or_from_the_caller() {
    let provider = Provider::json(COMPLETION).await;
    let policy = format!("{}api_key = \"env:UP_KEY\"\n", up(&provider.base_url()));
    let running = Running::with_environment(&policy, &[("UP_KEY", "sk-ours")]).await;
    chat_as(&running, &[("authorization", "Bearer sk-mine"), ("x-api-key", "sk-mine")]).await;
    let sent = provider.request().await;
    assert!(sent.contains("authorization: Bearer sk-ours\r\n") && !sent.contains("sk-mine"));

    let running = Running::with(&up(&provider.base_url())).await;
    chat_as(&running, &[("authorization", "Bearer sk-mine")]).await;
    assert!(provider.request().await.contains("authorization: Bearer sk-mine\r\n"));
}
