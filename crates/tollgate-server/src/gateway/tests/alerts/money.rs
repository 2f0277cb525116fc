//! Of budgets.

use super::*;

/// A permit that costs so many dollars, for a user.
async fn spend(world: &World, usd: &str) {
    let body = format!("{{\"user\":\"alice\",\"demand\":{{\"usd\":\"{usd}\"}}}}");
    let permit = world.running.send(post("/v1/permits", body)).await;
    assert_eq!(permit.status, StatusCode::CREATED);
    let id = permit.json()["id"].as_str().expect("an id").to_owned();
    let body = format!("{{\"usd\":\"{usd}\"}}");
    let settled = world.running.send(post(&format!("/v1/permits/{id}/settle"), body)).await;
    assert_eq!(settled.status, StatusCode::OK);
}

#[tokio::test]
async fn budgets_are_told_that_are_nearly_and_wholly_used_whosever_they_are() {
    let policy = "[[limits]]\nname = \"day\"\nusd = \"1/day\"\n[[limits]]\nname = \"each\"\nper = [\"user\"]\nusd = \"2/day\"\nwarn_at = [0.4]\n";
    let alerts = ["budget = { threshold = 0.8, clear = 0.8 }", "budget_exhausted = {}"];
    let world = World::new(&alerts, policy).await;
    spend(&world, "0.79").await;
    world.is_quiet().await;
    spend(&world, "0.01").await;
    world.fires("budget", json!("day")).await;
    spend(&world, "0.19").await;
    let message = world.fires("budget_exhausted", json!("day")).await;
    assert_eq!(message, "the budget day is nearly used up, to 99 %");
    // Half of alice's is no 80 %.
    world.is_quiet().await;
    world.running.advance(MINUTE * 60 * 24);
    world.clears("budget", json!("day")).await;
    world.clears("budget_exhausted", json!("day")).await;
    world.is_quiet().await;
}

#[tokio::test]
async fn a_budget_of_one_user_is_told_until_its_day_is_over() {
    let each = "per = [\"user\"]\nusd = \"1/day\"\nwarn_at = [0.5, 0.8, 0.99]\n";
    let policy = format!(
        "[[limits]]\nname = \"each\"\n{each}[[limits]]\nname = \"ghost\"\n{each}shadow = true\n"
    );
    let world = World::new(&["budget = {}", "budget_exhausted = {}"], &policy).await;
    spend(&world, "0.5").await;
    world.is_quiet().await;
    spend(&world, "0.3").await;
    let message = world.fires("budget", json!("each")).await;
    assert!(message.starts_with("80 % of the budget each of at least one user is used"));
    // What would be refused in shadow is nobody's concern.
    world.is_quiet().await;
    spend(&world, "0.19").await;
    let told = world.told().await;
    assert_eq!(
        told["data"]["message"],
        "the budget each of at least one user is nearly used up, to 99 %"
    );
    assert_eq!(told["data"]["severity"], "warning");
    world.running.advance(MINUTE * 60 * 24);
    world.clears("budget", json!("each")).await;
    world.clears("budget_exhausted", json!("each")).await;
}
