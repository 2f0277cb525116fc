//! Who may ask what.

use http::Method;

use super::{Answer, World};

const OPEN: &str = "store = { kind = \"memory\" }";
const TOKEN: &str = r#"
    store = { kind = "memory" }
    api = { token = "env:API_TOKEN" }
"#;

fn with_keys(policy: &str) -> String {
    let hash = |key: &str| blake3::hash(key.as_bytes()).to_hex();
    format!(
        "{policy}
        [[keys]]
        id = \"k1\"
        hash = \"blake3:{}\"
        user = \"alice\"
        tier = \"premium\"
        [[keys]]
        id = \"k2\"
        hash = \"blake3:{}\"
        [[limits]]
        name = \"user-minute\"
        per = [\"user\"]
        requests = \"10/minute\"
        tiers = {{ premium = \"60/minute\" }}",
        hash("tg_alice"),
        hash("tg_nameless")
    )
}

async fn stats(world: &World, headers: &[(&str, &str)]) -> Answer {
    world.ask(Method::GET, "/v1/stats", headers, "").await
}

#[tokio::test]
async fn without_a_token_only_programs_on_this_machine_may() {
    let world = World::new(OPEN);
    stats(&world, &[]).await.expect(200);
    for host in ["localhost:8787", "127.0.0.1:8787", "[::1]:8787", "127.0.0.2"] {
        stats(&world, &[("host", host)]).await.expect(200);
    }
    stats(&world, &[("origin", "http://localhost:3000")]).await.expect(200);
    for header in [
        ("forwarded", "for=1.2.3.4"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-host", "a"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-prefix", "/a"),
        ("x-real-ip", "127.0.0.1"),
        ("via", "1.1 a"),
        ("host", "evil.example"),
        ("host", "127.0.0.1.evil.example"),
        ("origin", "https://evil.example"),
        ("origin", "null"),
    ] {
        let answer = stats(&world, &[header]).await;
        let (error, message) = answer.problem(401);
        assert_eq!(error, "unauthorized");
        assert!(message.contains("`[api] token"), "{header:?}: {message}");
        assert_eq!(answer.header("www-authenticate"), "Bearer");
    }
    for listen in ["0.0.0.0:8787", "[::]:8787", "192.0.2.1:8787"] {
        let world = World::listening(OPEN, listen);
        stats(&world, &[("host", "127.0.0.1")]).await.problem(401);
    }
}

#[tokio::test]
async fn a_token_opens_from_anywhere_and_nothing_else_does() {
    let world = World::listening(TOKEN, "0.0.0.0:8787");
    let right = ("authorization", "Bearer open sesame");
    stats(&world, &[right, ("x-forwarded-for", "1.2.3.4")]).await.expect(200);
    stats(&world, &[("authorization", "bearer open sesame")]).await.expect(200);
    for wrong in ["Bearer open sesam", "Bearer open sesame!", "Basic open sesame", "Bearer "] {
        stats(&world, &[("authorization", wrong)]).await.problem(401);
    }
    let world = World::new(TOKEN);
    let missing = stats(&world, &[]).await;
    let (_, message) = missing.problem(401);
    assert!(message.contains("Authorization: Bearer"), "on loopback too: {message}");
    assert!(!missing.text.contains("sesame"));
}

#[tokio::test]
async fn every_route_is_guarded_but_the_open_ones() {
    let world = World::listening(TOKEN, "0.0.0.0:8787");
    let right = [("authorization", "Bearer open sesame")];
    let openapi = world.ask(Method::GET, "/v1/openapi.json", &right, "").await.expect(200);
    let mut open = Vec::new();
    for (path, item) in openapi["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            let method = method.to_uppercase().parse().unwrap();
            let asked = path.replace("{id}", "01930000-0000-7000-8000-000000000001");
            if world.ask(method, &asked, &[], "").await.status != 401 {
                open.push(path.as_str());
            }
        }
    }
    // A ticket's name is its own key.
    let ticket = "/tollgate/tickets/{ticket}";
    let events = "/tollgate/tickets/{ticket}/events";
    assert_eq!(open, ["/livez", "/readyz", "/tollgate/health", ticket, ticket, events]);
}

#[tokio::test]
async fn a_users_key_reads_its_own_statistics_only() {
    for policy in [OPEN, TOKEN] {
        let world = World::new(&with_keys(policy));
        let alice = [("authorization", "Bearer tg_alice")];
        let own = world.ask(Method::GET, "/v1/users/alice/stats", &alice, "").await.expect(200);
        assert_eq!(own["limits"]["minute"]["limit"], 60, "the key's tier counts");
        let plain = [("x-api-key", "tg_alice")];
        let path = "/v1/users/alice/stats?tier=none";
        let own = world.ask(Method::GET, path, &plain, "").await.expect(200);
        assert_eq!(own["limits"]["minute"]["limit"], 60, "and nobody names a tier of their own");
        let nameless = [("authorization", "Bearer tg_nameless")];
        world.ask(Method::GET, "/v1/users/k2/stats", &nameless, "").await.expect(200);
        for path in ["/v1/users/bob/stats", "/v1/users/k2/stats", "/v1/stats", "/v1/health"] {
            let answer = world.ask(Method::GET, path, &alice, "").await;
            assert_eq!(answer.problem(403).0, "forbidden", "{path}");
        }
        let permit = world.ask(Method::POST, "/v1/permits", &alice, "{}").await;
        permit.problem(403);
        let unknown = [("authorization", "Bearer tg_unknown")];
        let answer = world.ask(Method::GET, "/v1/users/alice/stats", &unknown, "").await;
        answer.problem(401);
        assert!(!answer.text.contains("tg_unknown"));
    }
}

#[tokio::test]
async fn strangers_see_neither_costs_nor_names() {
    let world = World::listening(TOKEN, "0.0.0.0:8787");
    for path in ["/livez", "/readyz", "/tollgate/health"] {
        let answer = world.get(path).await;
        let text = answer.expect(200).to_string();
        for word in ["usd", "cost", "user", "circuit", "provider", "version"] {
            assert!(!text.contains(word), "{path}: {text}");
        }
    }
}
