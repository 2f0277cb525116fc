//! Playing against the sandbox on a real socket.

use std::{future, io, sync::Arc, time::Duration};

use tokio::{
    net::TcpListener,
    sync::mpsc::{self, Receiver},
};
use tollgate::Clock;

use super::super::{
    Client, Dealer, Identity, Outcome, Player, Requests, Tally, Trace,
    outcome::{Ending, Loss},
    price::Tokens,
    request::parse_http,
    trace::Row,
};
use crate::{
    net::nobody::Nobody,
    sandbox::{Sandbox, SandboxSettings, parse_share, serve},
};

async fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/v1", listener.local_addr().unwrap());
    (listener, base)
}

fn rows(count: u32) -> Trace {
    let row = |n: u32| Row {
        at: Duration::from_millis(n.into()),
        input_tokens: 10 + n,
        output_tokens: 250 + n,
    };
    Trace::from_sorted((0..count).map(row).collect())
}

fn play(base: &str, trace: Trace, max_in_flight: usize) -> Receiver<Outcome> {
    play_with(Duration::from_secs(60), base, trace, max_in_flight)
}

fn play_with(
    patience: Duration,
    base: &str,
    trace: Trace,
    max_in_flight: usize,
) -> Receiver<Outcome> {
    let player = Player {
        client: Client::new(Clock::system(), patience),
        requests: Arc::new(Requests::new(base, "m", Identity::TrustedHeader, 200).unwrap()),
        pace: "1000".parse().unwrap(),
        max_in_flight,
    };
    let (sender, outcomes) = mpsc::channel(64);
    let dealer = Dealer::new(5, 0.5, 0).unwrap();
    tokio::spawn(async move { player.play(&trace, dealer, sender, future::pending()).await });
    outcomes
}

async fn collect(mut outcomes: Receiver<Outcome>) -> Vec<Outcome> {
    let mut all = Vec::new();
    while let Some(outcome) = outcomes.recv().await {
        all.push(outcome);
    }
    all
}

#[tokio::test]
async fn the_client_counts_exactly_what_the_trace_asks_for() {
    let (listener, base) = listener().await;
    let sandbox = Sandbox::new(SandboxSettings::default(), 0, Clock::system());
    let server = tokio::spawn(serve(listener, Arc::new(sandbox)));
    let outcomes = collect(play(&base, rows(100), 1_000)).await;
    server.abort();
    let mut tally = Tally::new(None);
    outcomes.iter().for_each(|outcome| tally.add(outcome));
    assert_eq!((tally.counts.sent, tally.counts.admitted), (100, 100), "{:?}", tally.failed_by);
    assert_eq!(tally.counts.tokens, Tokens { input: 1_000 + 4_950, output: 25_000 + 4_950 });
    assert!(outcomes.iter().any(|outcome| outcome.deal.stream));
    assert!(outcomes.iter().any(|outcome| !outcome.deal.stream));
    assert!(tally.added.quantiles().is_some(), "the sandbox tells its service time");
    for outcome in outcomes {
        let Ending::Admitted { used: Some(used) } = outcome.ending else { unreachable!() };
        assert!(used.input <= outcome.most.input && used.output <= outcome.most.output);
    }
}

#[tokio::test]
async fn errors_and_cut_answers_are_failures_and_the_play_goes_on() {
    let (listener, base) = listener().await;
    let settings = SandboxSettings {
        error_rate: parse_share("0.3").unwrap(),
        truncate_rate: parse_share("0.3").unwrap(),
        ..Default::default()
    };
    let server =
        tokio::spawn(serve(listener, Arc::new(Sandbox::new(settings, 1, Clock::system()))));
    let outcomes = collect(play(&base, rows(100), 1_000)).await;
    server.abort();
    assert_eq!(outcomes.len(), 100);
    let count = |wanted: fn(&Ending) -> bool| {
        outcomes.iter().filter(|outcome| wanted(&outcome.ending)).count()
    };
    let (errors, cut) = (count(|e| *e == Ending::Error), count(|e| *e == Ending::Lost(Loss::Cut)));
    assert!(errors > 10 && cut > 10, "{errors} errors, {cut} cut");
    assert_eq!(errors + cut + count(|e| matches!(e, Ending::Admitted { .. })), 100);
}

#[tokio::test]
async fn nobody_is_waited_for_and_what_is_too_much_is_not_sent() -> io::Result<()> {
    let (listener, base) = listener().await;
    let mut outcomes = play(&base, rows(3), 1);
    // The first request is accepted and never answered; the others are due all the same.
    let (silent, _) = listener.accept().await?;
    for _ in 0..2 {
        assert_eq!(outcomes.recv().await.unwrap().ending, Ending::Unsent);
    }
    drop(silent);
    drop(listener);
    assert_eq!(outcomes.recv().await.unwrap().ending, Ending::Lost(Loss::NoAnswer));
    assert!(outcomes.recv().await.is_none());
    Ok(())
}

#[tokio::test]
async fn a_closed_port_fails_every_request_and_no_more() {
    let nobody = Nobody::listens();
    let base = format!("http://{}/v1", nobody.address);
    let outcomes = collect(play(&base, rows(5), 10)).await;
    let lost = Ending::Lost(Loss::NoAnswer);
    assert_eq!(outcomes.iter().filter(|outcome| outcome.ending == lost).count(), 5);
}

#[tokio::test]
async fn patience_ends() {
    let (listener, base) = listener().await;
    let outcomes = collect(play_with(Duration::from_millis(1), &base, rows(2), 10)).await;
    let late = Ending::Lost(Loss::TimedOut);
    assert_eq!(outcomes.iter().filter(|outcome| outcome.ending == late).count(), 2);
    drop(listener);
}

#[test]
fn only_plain_http_places_are_taken() {
    for good in ["http://127.0.0.1:8787/sandbox/v1", "http://localhost", "http://[::1]:80/x"] {
        assert!(parse_http(good).is_ok(), "{good}");
    }
    for bad in ["", "127.0.0.1:8787", "https://h/v1", "http://h/v1?x=1", "/v1", "http:///v1", "h t"]
    {
        assert!(parse_http(bad).is_err(), "{bad}");
    }
}
