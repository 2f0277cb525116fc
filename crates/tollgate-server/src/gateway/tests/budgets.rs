//! Budgets: of whom and of what, nested, for which period; and what the soft ones tell.

use std::time::Duration;

use http::{HeaderName, StatusCode};

use super::{
    CHAT, CHAT_INPUT_BOUND, COMPLETION, Provider, Running, post,
    running::{Answer, up},
};

/// The most that [`CHAT`] may cost, in nano-dollars; with [`COMPLETION`] it costs 17,000.
const WORST: u64 = CHAT_INPUT_BOUND * 1_000 + 100 * 2_000;

/// Two providers, two priced models, callers that are believed, and two keys with attributes.
fn base(provider: &Provider) -> String {
    let up = up(&provider.base_url());
    let other = up.replace("providers.up", "providers.other");
    let key = |nth: u8| {
        let hash = blake3::hash(format!("tg_key-{nth}").as_bytes()).to_hex();
        let own = format!("tier = \"tier-{nth}\"\nattributes = {{ region = \"region-{nth}\" }}\n");
        format!("[[keys]]\nid = \"key-{nth}\"\nhash = \"blake3:{hash}\"\n{own}")
    };
    format!(
        "{up}{other}{}{}[prices.models.n]\ninput = \"1\"\noutput = \"2\"\n\
         [identity]\ntrust_headers = true\nallow_anonymous = true\n",
        key(1),
        key(2),
    )
}

/// A budget that is enough for one request at a time, and no second one.
fn budget(name: &str, per: &str, period: &str) -> String {
    format!("[[limits]]\nname = \"{name}\"\nper = [{per}]\nusd = \"0.{WORST:09}/{period}\"\n")
}

/// Who asks for what.
#[derive(Clone, Default)]
struct Caller<'a> {
    headers: Vec<(&'a str, &'a str)>,
    provider: Option<&'a str>,
    model: Option<&'a str>,
}

fn named<'a>(headers: &[(&'a str, &'a str)]) -> Caller<'a> {
    Caller { headers: headers.to_vec(), ..Caller::default() }
}

async fn ask(running: &Running, caller: &Caller<'_>) -> Answer {
    let path = format!("/{}/v1/chat/completions", caller.provider.unwrap_or("up"));
    let model = caller.model.unwrap_or("m");
    let mut request = post(&path, CHAT.replace("\"m\"", &format!("\"{model}\"")));
    for (name, value) in &caller.headers {
        let name: HeaderName = name.parse().expect("a name");
        request.headers_mut().append(name, value.parse().expect("a value"));
    }
    running.send(request).await
}

/// Which limit refuses, if one does.
async fn refused_by(running: &Running, caller: &Caller<'_>) -> Option<String> {
    let answer = ask(running, caller).await;
    let by = answer.header("x-tollgate-limit").map(str::to_owned);
    let expected = if by.is_some() { StatusCode::TOO_MANY_REQUESTS } else { StatusCode::OK };
    assert_eq!(answer.status, expected, "{:?}", answer.body);
    by
}

#[tokio::test]
async fn a_budget_is_kept_per_whatever_a_request_is_known_by() {
    let provider = Provider::json(COMPLETION).await;
    let header = |name: &'static str| (named(&[(name, "one")]), named(&[(name, "two")]));
    let keys = || {
        let key = |key: &'static str| named(&[("authorization", key)]);
        (key("Bearer tg_key-1"), key("Bearer tg_key-2"))
    };
    let to = |provider| Caller { provider: Some(provider), ..Caller::default() };
    let of = |model| Caller { model: Some(model), ..Caller::default() };
    let table = [
        ("user", header("x-tollgate-user")),
        ("session", header("x-tollgate-session")),
        ("team", header("x-tollgate-team")),
        ("customer", header("x-tollgate-customer")),
        ("tag", header("x-tollgate-tag")),
        ("task", header("x-tollgate-task")),
        (
            "priority",
            (named(&[("x-tollgate-priority", "high")]), named(&[("x-tollgate-priority", "low")])),
        ),
        ("key", keys()),
        ("tier", keys()),
        ("region", keys()),
        ("provider", (to("up"), to("other"))),
        ("model", (of("m"), of("n"))),
    ];
    for (attribute, (one, two)) in table {
        let limit = budget("own", &format!("\"{attribute}\""), "day");
        let running = Running::with(&format!("{}{limit}", base(&provider))).await;
        for caller in [&one, &two] {
            assert_eq!(refused_by(&running, caller).await, None, "{attribute}");
            let again = refused_by(&running, caller).await;
            assert_eq!(again.as_deref(), Some("own"), "{attribute}");
        }
        let all = budget("all", "", "day");
        let running = Running::with(&format!("{}{all}", base(&provider))).await;
        assert_eq!(refused_by(&running, &one).await, None);
        assert_eq!(refused_by(&running, &two).await.as_deref(), Some("all"), "in all: {attribute}");
    }
}

/// Whoever shares all down to some level, and nothing below it.
fn sharing<'a>(headers: &'a [String], level: usize, fresh: &'a str) -> Caller<'a> {
    let value = |nth| if nth <= level { "same" } else { fresh };
    let all = headers.iter().enumerate();
    named(&all.map(|(nth, name)| (name.as_str(), value(nth + 1))).collect::<Vec<_>>())
}

#[tokio::test]
async fn budgets_nest_as_deep_as_the_policy_has_them() {
    const DEPTH: [&str; 6] = ["all", "customer", "team", "user", "task", "tag"];
    let provider = Provider::json(COMPLETION).await;
    // Each level is enough for one more than the one below it.
    let level = |nth: usize| {
        let per: Vec<_> = DEPTH[1..=nth].iter().map(|name| format!("\"{name}\"")).collect();
        let nanos = WORST + (DEPTH.len() - 1 - nth) as u64 * 17_000;
        format!(
            "[[limits]]\nname = \"{}\"\nper = [{}]\nusd = \"0.{nanos:09}/total\"\n",
            DEPTH[nth],
            per.join(", "),
        )
    };
    let levels: String = (0..DEPTH.len()).map(level).collect();
    let running = Running::with(&format!("{}{levels}", base(&provider))).await;
    let headers: Vec<_> = DEPTH[1..].iter().map(|name| format!("x-tollgate-{name}")).collect();
    for level in (0..DEPTH.len()).rev() {
        let (one, other) = (format!("one-{level}"), format!("other-{level}"));
        assert_eq!(refused_by(&running, &sharing(&headers, level, &one)).await, None, "{level}");
        let spent = refused_by(&running, &sharing(&headers, level, &other)).await;
        assert_eq!(spent.as_deref(), Some(DEPTH[level]), "that one is spent, all below are not");
    }
}

#[tokio::test]
async fn a_budget_begins_anew_at_the_end_of_its_day_week_or_month_in_its_time_zone() {
    let provider = Provider::json(COMPLETION).await;
    // It is eight in the morning in UTC, on Sunday 22 November 2026.
    let hour = 3_600;
    for (period, zone, ends) in [
        ("day", "UTC", Some(16 * hour)),
        ("day", "Asia/Kolkata", Some(10 * hour + hour / 2)),
        ("week", "UTC", Some(16 * hour)),
        ("week", "America/New_York", Some(21 * hour)),
        ("month", "Europe/Berlin", Some(8 * 24 * hour + 15 * hour)),
        ("total", "", None),
    ] {
        let zone = if zone.is_empty() { String::new() } else { format!("timezone = \"{zone}\"\n") };
        let limit = budget("own", "\"user\"", period);
        let running = Running::with(&format!("{}{limit}{zone}", base(&provider))).await;
        let ann = named(&[("x-tollgate-user", "ann")]);
        assert_eq!(refused_by(&running, &ann).await, None);
        running.advance(Duration::from_secs(ends.unwrap_or(400 * 24 * hour) - 1));
        assert_eq!(refused_by(&running, &ann).await.as_deref(), Some("own"), "{period} {zone}");
        running.advance(Duration::from_secs(1));
        let after = refused_by(&running, &ann).await;
        assert_eq!(after.is_none(), ends.is_some(), "{period} {zone}");
    }
}

/// What the control plane tells of warnings: limit, account and threshold, the newest first.
async fn warnings(running: &Running) -> Vec<(String, String, f64)> {
    let status = running.look("/status").await.json();
    let told = status["budget_warnings"].as_array().expect("warnings");
    let text = |value: &serde_json::Value| value.as_str().expect("text").to_owned();
    told.iter()
        .map(|one| {
            (text(&one["limit"]), text(&one["account"]), one["threshold"].as_f64().expect("one"))
        })
        .collect()
}

fn told(limit: &str, account: &str, threshold: f64) -> (String, String, f64) {
    (limit.to_owned(), account.to_owned(), threshold)
}

#[tokio::test]
async fn a_soft_budget_refuses_nobody_and_tells_of_each_threshold_once() {
    let provider = Provider::json(COMPLETION).await;
    // A third of it is used by each request.
    let soft =
        "[[limits]]\nname = \"soft\"\nper = [\"user\"]\nusd = \"0.000051/day\"\nsoft = true\n";
    let running = Running::with(&format!("{}{soft}", base(&provider))).await;
    let (ann, bob) = (named(&[("x-tollgate-user", "ann")]), named(&[("x-tollgate-user", "bob")]));
    for _ in 0..9 {
        let answer = ask(&running, &ann).await;
        assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.body);
        assert_eq!(answer.header("ratelimit"), None, "nobody has to know");
    }
    let of_ann = [told("soft", "user ann", 1.0), told("soft", "user ann", 0.8)];
    assert_eq!(warnings(&running).await, of_ann);
    assert_eq!(ask(&running, &bob).await.status, StatusCode::OK);
    assert_eq!(warnings(&running).await, of_ann, "a third is nothing to tell");
    running.advance(Duration::from_secs(24 * 3_600));
    for _ in 0..3 {
        assert_eq!(ask(&running, &ann).await.status, StatusCode::OK);
    }
    assert_eq!(warnings(&running).await, [&of_ann[..], &of_ann].concat(), "another day");
    let metrics = running.look("/metrics").await;
    let text = std::str::from_utf8(&metrics.body).expect("text");
    for threshold in ["0.8", "1"] {
        let line = format!(
            "tollgate_budget_warnings_total{{limit=\"soft\",threshold=\"{threshold}\"}} 2\n"
        );
        assert!(text.contains(&line), "{text}");
    }
    let status = running.look("/status").await.json();
    let limit = &status["limits"][0];
    assert_eq!((&limit["soft"], &limit["warned"]), (&true.into(), &4.into()));
    assert_eq!(limit["warn_at"], serde_json::json!([0.8, 1.0]));
    let message = status["budget_warnings"][0]["message"].as_str().expect("a sentence");
    assert_eq!(
        message,
        "BUDGET soft of user ann: 100 % of the soft budget is used, $0.000051 of $0.000051"
    );
}

#[tokio::test]
async fn a_hard_budget_warns_and_then_refuses_and_one_in_all_names_nobody() {
    let provider = Provider::json(COMPLETION).await;
    let limit = format!("{}warn_at = [0.05, 0.5]\n", budget("hard", "", "day"));
    let running = Running::with(&format!("{}{limit}", base(&provider))).await;
    assert_eq!(refused_by(&running, &Caller::default()).await, None);
    assert_eq!(warnings(&running).await, [told("hard", "", 0.05)]);
    assert_eq!(refused_by(&running, &Caller::default()).await.as_deref(), Some("hard"));
    assert_eq!(warnings(&running).await.len(), 1, "who is refused has spent nothing");
}

#[tokio::test]
async fn the_latest_hundred_warnings_are_kept() {
    let provider = Provider::json(COMPLETION).await;
    let soft =
        "[[limits]]\nname = \"soft\"\nper = [\"user\"]\nusd = \"0.000001/day\"\nsoft = true\n";
    let running = Running::with(&format!("{}{soft}", base(&provider))).await;
    for nth in 0..60 {
        let user = format!("user-{nth}");
        let caller = named(&[("x-tollgate-user", user.as_str())]);
        assert_eq!(refused_by(&running, &caller).await, None);
    }
    let kept = warnings(&running).await;
    assert_eq!(kept.len(), crate::warnings::MAX_WARNINGS);
    assert_eq!(kept[0], told("soft", "user user-59", 1.0), "the newest first");
}
