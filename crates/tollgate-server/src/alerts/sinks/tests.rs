//! Sinks that fail, hang, are full or are not there: real listeners and real programs.

use std::{collections::VecDeque, time::Duration};

use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt as _, net::TcpListener, sync::mpsc};
use tollgate::Clock;
use tollgate_core::{
    Now, Time,
    alert::{AlertName, Severity},
    policy::{Environment, Sources, settings::Sink},
};

use super::{Outcome, Sinks, deliver, template};
use crate::{
    alerts::{Firing, Kind, Notice},
    api::Instant,
    gateway::tests::read_request,
};

/// How long a test waits for what comes at once.
const PATIENCE: Duration = Duration::from_secs(60);

/// A listener that answers each request with the next of its statuses; at none, not at all.
async fn listener(statuses: &[Option<u16>]) -> (String, mpsc::UnboundedReceiver<String>) {
    let socket = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}/secret-path", socket.local_addr().expect("an address"));
    let (tell, told) = mpsc::unbounded_channel();
    let mut statuses: VecDeque<_> = statuses.iter().copied().collect();
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((mut peer, _)) = socket.accept().await {
            let request = read_request(&mut peer).await.unwrap_or_default();
            let status = statuses.pop_front().flatten();
            let _ = tell.send(request);
            let Some(status) = status else {
                open.push(peer);
                continue;
            };
            let answer =
                format!("HTTP/1.1 {status} Said\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            let _ = peer.write_all(answer.as_bytes()).await;
        }
    });
    (url, told)
}

/// The next that a listener was asked.
async fn next(requests: &mut mpsc::UnboundedReceiver<String>) -> String {
    let next = tokio::time::timeout(PATIENCE, requests.recv()).await;
    next.expect("it is asked nothing").expect("it listens")
}

/// A sink, as a policy has it.
fn sink(text: &str) -> Sink {
    let text = format!("[[alerts.sinks]]\nname = \"it\"\nbackoff = \"1ms\"\n{text}");
    let environment = [("KEY", "a-routing-key"), ("SECRET", "a secret")];
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let sources = Sources {
        file: Some(("p.toml".to_owned(), text.clone())),
        environment: Environment::new(environment, None).expect("an environment"),
        ..Sources::default()
    };
    let config = sources.load().unwrap_or_else(|errors| panic!("{errors:?}\n{text}"));
    config.settings.alerts.sinks[0].clone()
}

fn webhook(url: &str, more: &str) -> Sink {
    sink(&format!("kind = \"webhook\"\nurl = \"{url}\"\n{more}"))
}

fn notice(kind: Kind, message: &str) -> Notice {
    let at = Instant::new(Time::from_millis(1_000), Now::at(Time::from_millis(1_000)));
    let firing = Firing {
        name: AlertName::CostSpike,
        severity: Severity::Critical,
        subject: Some("openai".to_owned()),
        value: 4.5,
        threshold: 3.0,
        since_at: at,
        message: message.to_owned(),
    };
    Notice::new(kind, firing, at)
}

fn fired() -> Notice {
    notice(Kind::Fired, "Cost spike: it says \"so\"")
}

async fn told(sink: &Sink) -> Result<(), String> {
    deliver(sink, &fired(), &Clock::set_at(Time::from_millis(5_000))).await
}

#[tokio::test]
async fn a_listener_that_fails_twice_is_told_the_same_a_third_time() {
    let (url, mut requests) = listener(&[Some(500), Some(429), Some(200)]).await;
    told(&webhook(&url, "secret = \"env:SECRET\"")).await.expect("it is told");
    let mut all = Vec::new();
    for _ in 0..3 {
        all.push(next(&mut requests).await);
    }
    assert!(requests.is_empty());
    assert_eq!(all[0], all[2]);
    assert!(all[0].contains("webhook-timestamp: 5\r\n"), "{}", all[0]);
}

#[tokio::test]
async fn a_listener_that_says_no_is_not_asked_again() {
    for status in [301, 400, 401, 404, 410] {
        let (url, mut requests) = listener(&[Some(status), Some(200)]).await;
        let why = told(&webhook(&url, "")).await.expect_err("it says no");
        assert_eq!(why, format!("it answered {status} (tried 1 times)"));
        next(&mut requests).await;
        assert!(requests.is_empty());
    }
}

#[tokio::test]
async fn a_listener_that_never_answers_is_given_up_and_its_address_is_not_told() {
    let (url, mut requests) = listener(&[]).await;
    let quick = webhook(&url, "timeout = \"50ms\"\nattempts = 2");
    let why = told(&quick).await.expect_err("it hangs");
    assert_eq!(why, "it did not answer in time (tried 2 times)");
    next(&mut requests).await;
    next(&mut requests).await;
    // Nobody listens there.
    let gone = webhook("http://127.0.0.1:9/secret-path", "attempts = 2");
    let why = told(&gone).await.expect_err("nobody is there");
    assert_eq!(why, "it can't be reached (tried 2 times)");
    assert!(!format!("{gone:?}").contains("secret-path"), "{gone:?}");
}

#[tokio::test]
async fn what_is_too_much_for_a_queue_is_dropped_and_counted_and_the_rest_is_told_in_order() {
    let (url, mut requests) = listener(&[Some(200); 4]).await;
    let (sinks, clock) = (Sinks::default(), Clock::set_at(Time::from_millis(1)));
    sinks.adopt(&[webhook(&url, "queue = 2")], &clock);
    // Its worker has no turn meanwhile.
    for nth in 0..5 {
        sinks.send(&notice(Kind::Fired, &format!("number {nth}")));
    }
    assert_eq!(sinks.outcomes(), [("it".to_owned(), Outcome::Dropped, 3)]);
    sinks.close().await;
    for nth in 0..2 {
        let request = next(&mut requests).await;
        assert!(request.contains(&format!("number {nth}")), "{request}");
    }
    assert!(requests.is_empty());
    let delivered = ("it".to_owned(), Outcome::Delivered, 2);
    assert_eq!(sinks.outcomes(), [delivered, ("it".to_owned(), Outcome::Dropped, 3)]);
}

#[tokio::test]
async fn a_sink_that_is_gone_still_tells_what_it_had_and_one_that_stays_goes_on() {
    let (first, mut at_first) = listener(&[Some(200); 4]).await;
    let (second, mut at_second) = listener(&[Some(200); 4]).await;
    let named = |url: &str, name: &str| Sink { name: name.to_owned(), ..webhook(url, "") };
    let (sinks, clock) = (Sinks::default(), Clock::set_at(Time::from_millis(1)));
    let both = [named(&first, "first"), named(&second, "second")];
    sinks.adopt(&both, &clock);
    sinks.send(&notice(Kind::Fired, "before"));
    sinks.adopt(&both[1..], &clock);
    sinks.send(&notice(Kind::Cleared, "after"));
    sinks.close().await;
    assert!(next(&mut at_first).await.contains("before"));
    assert!(at_first.is_empty());
    assert!(next(&mut at_second).await.contains("before"));
    assert!(next(&mut at_second).await.contains("after"));
}

#[tokio::test]
async fn a_sink_is_told_what_it_wants() {
    let (url, mut requests) = listener(&[Some(200); 4]).await;
    let (sinks, clock) = (Sinks::default(), Clock::set_at(Time::from_millis(1)));
    let wants = "alerts = [\"cost_spike\"]\nseverity = \"critical\"\nclears = false";
    sinks.adopt(&[webhook(&url, wants)], &clock);
    sinks.send(&notice(Kind::Cleared, "over"));
    let mut mild = notice(Kind::Fired, "mild");
    mild.firing.severity = Severity::Warning;
    sinks.send(&mild);
    let mut other = notice(Kind::Fired, "other");
    other.firing.name = AlertName::Refused;
    sinks.send(&other);
    sinks.send(&notice(Kind::Fired, "wanted"));
    sinks.close().await;
    assert!(next(&mut requests).await.contains("wanted"));
    assert!(requests.is_empty());
}

fn command(words: &[&str], more: &str) -> Sink {
    sink(&format!("kind = \"command\"\ncommand = {}\n{more}", json!(words)))
}

#[tokio::test]
async fn a_program_reads_the_alert_and_finds_it_in_its_environment_and_nothing_secret() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("told").display().to_string();
    let script = "cat > \"$0\"; env >> \"$0\"";
    told(&command(&["/bin/sh", "-c", script, &path], "")).await.expect("it is told");
    let text = std::fs::read_to_string(&path).expect("a file");
    let (json, environment) = text.split_once("}}").expect("an object");
    let payload: Value = serde_json::from_str(&format!("{json}}}}}")).expect("JSON");
    assert_eq!(payload["data"]["name"], "cost_spike");
    assert!(environment.contains("TOLLGATE_ALERT_NAME=cost_spike"), "{environment}");
    assert!(environment.contains("TOLLGATE_ALERT_SUBJECT=openai"), "{environment}");
    let names = environment.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name);
    let known = ["PATH", "HOME", "LANG", "TZ", "TMPDIR", "USER", "PWD", "SHLVL", "_", "OLDPWD"];
    for name in names {
        assert!(name.starts_with("TOLLGATE_ALERT_") || known.contains(&name), "{name}");
    }
}

#[tokio::test]
async fn a_program_that_hangs_is_killed_with_all_that_it_began() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("child").display().to_string();
    let script = "sleep 600 & echo $! > \"$0\"; wait";
    let hangs = command(&["/bin/sh", "-c", script, &path], "timeout = \"500ms\"");
    let why = told(&hangs).await.expect_err("it hangs");
    assert_eq!(why, "its program took longer than 500ms");
    let child = std::fs::read_to_string(&path).expect("the child's id");
    let status = format!("/proc/{}/stat", child.trim());
    let ended = async {
        // Whoever inherits it has to take note of its end.
        while std::fs::read_to_string(&status).is_ok_and(|stat| !stat.contains(") Z")) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, ended).await.expect("it runs on");
}

#[tokio::test]
async fn a_program_that_fails_or_is_not_there_is_told_of() {
    let why = told(&command(&["/nowhere/at/all"], "")).await.expect_err("it is not there");
    assert!(why.starts_with("its program can't be run: No such file"), "{why}");
    let why = told(&command(&["/bin/sh", "-c", "exit 3"], "")).await.expect_err("it fails");
    assert_eq!(why, "its program ended with status 3");
    // One that reads nothing is no failure.
    told(&command(&["/bin/true"], "")).await.expect("it is told");
}

#[test]
fn paging_services_get_what_they_take() {
    let pager = webhook("https://a/", "form = \"pagerduty\"\nkey = \"env:KEY\"");
    let form = template::of_form(pager.form).expect("a template");
    for (kind, action) in [(Kind::Fired, "trigger"), (Kind::Cleared, "resolve")] {
        let body = template::filled(form, &notice(kind, "a \"b\""), pager.key.as_ref());
        let event: Value = serde_json::from_str(&body).expect("JSON");
        assert_eq!(
            (&event["routing_key"], &event["event_action"]),
            (&json!("a-routing-key"), &json!(action))
        );
        assert_eq!(event["dedup_key"], "tollgate/cost_spike/openai");
        assert_eq!(event["payload"]["summary"], "a \"b\"");
        assert_eq!(event["payload"]["severity"], "critical");
        assert_eq!(event["payload"]["custom_details"]["value"], 4.5);
    }
    let slack = webhook("https://a/", "form = \"slack\"");
    let form = template::of_form(slack.form).expect("a template");
    let body = template::filled(form, &notice(Kind::Fired, "so"), None);
    assert_eq!(body, r#"{"text":"[critical] alert.fired cost_spike openai: so"}"#);
}

proptest! {
    #[test]
    fn whatever_an_alert_says_stays_within_its_quotes(message in any::<String>(), subject in any::<String>()) {
        let mut said = notice(Kind::Fired, &message);
        said.firing.subject = Some(subject.clone());
        let body = template::filled(r#"{"a":"{{message}}","b":["{{ subject }}",{{value}}]}"#, &said, None);
        let body: Value = serde_json::from_str(&body).expect("JSON");
        prop_assert_eq!(body, json!({"a": message, "b": [subject, 4.5]}));
        let payload: Value = serde_json::from_str(&said.to_json()).expect("JSON");
        prop_assert_eq!(&payload["data"]["message"], &json!(message));
    }
}
