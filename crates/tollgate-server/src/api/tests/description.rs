//! The description of the API is whole.

use std::collections::BTreeSet;

use serde_json::Value;

use super::World;

/// The routes that are promised. A route that is added is added here.
const ROUTES: [&str; 23] = [
    "delete /tollgate/tickets/{ticket}",
    "delete /v1/cache",
    "delete /v1/cache/{namespace}/{key}",
    "delete /v1/sessions/{id}",
    "get /livez",
    "get /readyz",
    "get /tollgate/health",
    "get /tollgate/tickets/{ticket}",
    "get /tollgate/tickets/{ticket}/events",
    "get /v1/cache/{namespace}/{key}",
    "get /v1/health",
    "get /v1/openapi.json",
    "get /v1/stats",
    "get /v1/users/{id}/stats",
    "post /v1/check",
    "post /v1/permits",
    "post /v1/permits/{id}/extend",
    "post /v1/permits/{id}/renew",
    "post /v1/permits/{id}/settle",
    "post /v1/permits/{id}/void",
    "post /v1/sessions",
    "put /v1/cache/{namespace}/{key}",
    "put /v1/sessions/{id}",
];

async fn description() -> Value {
    World::new("store = { kind = \"memory\" }").get("/v1/openapi.json").await.expect(200)
}

#[tokio::test]
async fn every_route_is_described_and_every_description_is_a_route() {
    let described = description().await;
    let mut listed = BTreeSet::new();
    for (path, item) in described["paths"].as_object().unwrap() {
        listed.extend(item.as_object().unwrap().keys().map(|method| format!("{method} {path}")));
    }
    let promised: BTreeSet<_> = ROUTES.into_iter().map(str::to_owned).collect();
    assert_eq!(listed, promised);
    let world = World::new("store = { kind = \"memory\" }");
    for route in listed {
        let (method, path) = route.split_once(' ').unwrap();
        let method = method.to_uppercase().parse().unwrap();
        let path = path.replace("{id}", "01930000-0000-7000-8000-000000000001");
        let answer = world.ask(method, &path, &[], "").await;
        assert_ne!(answer.status, 405, "{route}");
        assert!(!answer.text.contains("nothing at this path"), "{route}");
    }
}

#[tokio::test]
async fn every_reference_leads_somewhere_and_problems_are_described() {
    let described = description().await;
    assert_eq!(described["info"]["version"], env!("CARGO_PKG_VERSION"));
    let schemas = described["components"]["schemas"].as_object().unwrap();
    let text = described.to_string();
    for reference in text.split("\"#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(schemas.contains_key(name), "{name}");
    }
    for name in ["Asked", "Permit", "Used", "Ended", "Problem", "UserStats", "Stats", "Health"] {
        assert!(schemas.contains_key(name), "{name} of {:?}", schemas.keys());
    }
    assert_eq!(schemas["Asked"]["additionalProperties"], false);
    let usd = &schemas["Amount"]["properties"]["usd"];
    assert!(usd.to_string().contains("#/components/schemas/Dollars"), "{usd}");
    assert_eq!(schemas["Dollars"]["type"], "string");
}
