//! Tiers of service that cost more than a model's price: refused where money is counted.

use super::{ANTHROPIC, AZURE, BEDROCK, GEMINI, PLENTY, RESPONSES, Speech};
use crate::gateway::tests::running::Answer;

/// The first member of the body in each dialect that asks for a dearer tier, and its name.
const DEARER: [(Speech, &str, &str); 6] = [
    (ANTHROPIC, r#""speed":"fast","#, "speed"),
    (ANTHROPIC, r#""inference_geo":"us","#, "inference_geo"),
    (GEMINI, r#""serviceTier":"priority","#, "serviceTier"),
    (BEDROCK, r#""serviceTier":{"type":"priority"},"#, "serviceTier"),
    (AZURE, r#""service_tier":"priority","#, "service_tier"),
    (RESPONSES, r#""service_tier":"priority","#, "service_tier"),
];

/// Headers that ask for one.
const HEADERS: [&str; 2] =
    ["x-amzn-bedrock-service-tier", "x-amzn-bedrock-performanceconfig-latency"];

#[track_caller]
fn assert_refused(answer: &Answer, by: &str) {
    let told = String::from_utf8_lossy(&answer.body);
    assert_eq!(answer.status, 400, "{told}");
    let sentence = format!(
        "What `{by}` asks for cannot be priced yet, and money is counted here; leave it out."
    );
    assert!(told.contains(&sentence), "{told}");
}

#[tokio::test]
async fn a_dearer_tier_is_refused_where_money_is_counted_and_passes_elsewhere() {
    for (speech, member, name) in DEARER {
        let body: &'static str = format!("{{{member}{}", &speech.body[1..]).leak();
        let dearer = Speech { body, ..speech };
        let provider = speech.provider().await;
        let counting = dearer.before(&provider, PLENTY).await;
        assert_refused(&counting.send(dearer.ask()).await, name);
        assert!(provider.is_idle().await, "{name}");
        let usual = Speech { body: body.replace(member, "").leak(), ..speech };
        assert_eq!(counting.send(usual.ask()).await.status, 200, "{name}");
        let free = dearer.before(&provider, "").await;
        assert_eq!(free.send(dearer.ask()).await.status, 200, "{name}");
    }
}

#[tokio::test]
async fn a_dearer_tier_is_refused_where_a_header_asks_for_it() {
    let provider = BEDROCK.provider().await;
    let running = BEDROCK.before(&provider, PLENTY).await;
    for name in HEADERS {
        assert_refused(&running.send(BEDROCK.ask_with(&[(name, "priority")])).await, name);
        let usual = running.send(BEDROCK.ask_with(&[(name, "standard")])).await;
        assert_eq!(usual.status, 200, "{name}");
    }
}
