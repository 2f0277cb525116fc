//! How many requests at once: against a provider that has so many places and is slower for
//! each request beyond them.

use std::time::Duration;

use proptest::{collection::vec, prelude::*};
use tollgate_core::{
    Time,
    adaptive::{Concurrency, ConcurrencySettings, Pace, Signal},
};

const SECOND: Duration = Duration::from_secs(1);

fn settings(signal: Signal) -> ConcurrencySettings {
    ConcurrencySettings { signal, ..ConcurrencySettings::default() }
}

/// A provider that makes a token in 20 ms while it has places left.
struct Server {
    places: f64,
    base: Duration,
}

impl Server {
    fn pace(&self, in_flight: u32, signal: Signal) -> Pace {
        let slower = (f64::from(in_flight) / self.places).max(1.0);
        match signal {
            Signal::PerToken => {
                Pace::Tokens { took: self.base.mul_f64(slower * 200.0), tokens: 200 }
            }
            Signal::FirstToken => Pace::FirstToken(self.base.mul_f64(slower * 25.0)),
        }
    }
}

/// So many windows in which everybody is answered, as many at once as are allowed or wanted; of
/// half of them no more at once.
fn run(
    limit: &mut Concurrency,
    server: &Server,
    signal: Signal,
    from: u64,
    windows: u64,
    wanted: u32,
) -> u32 {
    let mut held = Vec::new();
    for second in from..from + windows {
        let now = Time::ZERO.after(SECOND * u32::try_from(second).expect("few"));
        let in_flight = limit.limit().min(wanted);
        held.push(in_flight);
        for _ in 0..in_flight.max(10) {
            let in_flight = limit.limit().min(wanted);
            limit.succeeded(server.pace(in_flight, signal), in_flight, now);
        }
    }
    held.sort_unstable();
    held[held.len() / 2]
}

#[test]
fn other_settings_keep_what_was_found_within_their_bounds() {
    let signal = Signal::PerToken;
    let server = Server { places: 500.0, base: Duration::from_millis(20) };
    let mut limit = Concurrency::new(settings(signal));
    run(&mut limit, &server, signal, 0, 20, 1_000);
    let found = limit.limit();
    assert!(found > 30, "{found}");
    limit.reconfigure(ConcurrencySettings { initial: 5, ..settings(Signal::FirstToken) });
    assert_eq!(limit.limit(), found);
    // The pace of tokens says nothing about the first one: it is met anew, not taken for slow.
    let slow = Server { places: 500.0, base: Duration::from_secs(2) };
    run(&mut limit, &slow, Signal::FirstToken, 20, 5, 1_000);
    assert!(limit.limit() > found, "{} after {found}", limit.limit());
    limit.reconfigure(ConcurrencySettings { max: 25, ..settings(signal) });
    assert_eq!(limit.limit(), 25);
}

#[test]
fn it_finds_about_as_many_as_the_provider_has_places() {
    for signal in [Signal::PerToken, Signal::FirstToken] {
        for places in [10, 40, 120] {
            // What it meets at first is taken for usual, so it begins with few.
            let few = ConcurrencySettings { initial: 5, ..settings(signal) };
            let mut limit = Concurrency::new(few);
            let server = Server { places: f64::from(places), base: Duration::from_millis(20) };
            run(&mut limit, &server, signal, 0, 150, u32::MAX);
            let early = run(&mut limit, &server, signal, 150, 50, u32::MAX);
            let found = run(&mut limit, &server, signal, 200, 10_000, u32::MAX);
            for found in [early, found] {
                assert!((places..=places * 5 / 4).contains(&found), "{places} places: {found}");
            }
        }
    }
}

#[test]
fn it_shrinks_when_the_provider_has_fewer_places_and_grows_back() {
    let signal = Signal::PerToken;
    let mut limit = Concurrency::new(settings(signal));
    let base = Duration::from_millis(20);
    run(&mut limit, &Server { places: 80.0, base }, signal, 0, 100, u32::MAX);
    let before = limit.limit();
    run(&mut limit, &Server { places: 10.0, base }, signal, 100, 100, u32::MAX);
    let within = limit.limit();
    assert!(within <= 40, "{before}, then {within}");
    run(&mut limit, &Server { places: 80.0, base }, signal, 200, 100, u32::MAX);
    assert!(limit.limit() >= 80, "{}", limit.limit());
}

#[test]
fn long_answers_are_no_slow_answers() {
    let mut limit = Concurrency::new(settings(Signal::PerToken));
    let long = |tokens: u32| Pace::Tokens {
        took: Duration::from_millis(20) * tokens,
        tokens: tokens.into(),
    };
    for second in 0..200 {
        let now = Time::ZERO.after(SECOND * second);
        for _ in 0..limit.limit() {
            let tokens = if second % 3 == 0 { 4_000 } else { 50 };
            limit.succeeded(long(tokens), limit.limit(), now);
        }
    }
    // It may be that fewer are probed just now.
    assert!(limit.limit() >= ConcurrencySettings::default().max * 7 / 10);
}

#[test]
fn it_does_not_grow_while_half_of_it_is_unused() {
    let signal = Signal::PerToken;
    let mut limit = Concurrency::new(settings(signal));
    let server = Server { places: 100.0, base: Duration::from_millis(20) };
    let wanted = limit.limit() / 2 - 1;
    run(&mut limit, &server, signal, 0, 100, wanted);
    assert_eq!(limit.limit(), ConcurrencySettings::default().initial);
}

#[test]
fn a_provider_that_is_slow_whatever_it_is_sent_is_taken_as_it_is() {
    let signal = Signal::FirstToken;
    let mut limit = Concurrency::new(settings(signal));
    let (fast, slow) = (Duration::from_millis(20), Duration::from_millis(60));
    run(&mut limit, &Server { places: 1e6, base: fast }, signal, 0, 300, u32::MAX);
    assert_eq!(limit.limit(), 200);
    let mut least = u32::MAX;
    for second in 300..500 {
        run(&mut limit, &Server { places: 1e6, base: slow }, signal, second, 1, u32::MAX);
        least = least.min(limit.limit());
    }
    assert!((95..=110).contains(&least), "half of it has to be tried first: {least}");
    assert_eq!(limit.limit(), 200);
}

#[test]
fn a_quicker_pace_is_usual_soon() {
    let signal = Signal::FirstToken;
    let mut limit = Concurrency::new(settings(signal));
    let server = |ms| Server { places: 1e6, base: Duration::from_millis(ms) };
    run(&mut limit, &server(60), signal, 0, 300, u32::MAX);
    run(&mut limit, &server(20), signal, 300, 30, u32::MAX);
    assert_eq!(limit.limit(), 200);
    run(&mut limit, &server(60), signal, 330, 3, u32::MAX);
    assert!(limit.limit() < 170, "what was usual at first is slow now: {}", limit.limit());
}

#[test]
fn an_overload_takes_a_tenth_once_in_a_window() {
    let mut limit = Concurrency::new(settings(Signal::FirstToken));
    let at = |ms| Time::from_millis(ms);
    for (ms, then) in [(0, 18), (10, 18), (999, 18), (1_000, 16), (2_000, 14), (1_500, 14)] {
        limit.overloaded(at(ms));
        assert_eq!(limit.limit(), then, "at {ms} ms");
    }
}

#[test]
fn samples_that_say_little_are_not_taken() {
    let mut limit = Concurrency::new(settings(Signal::PerToken));
    for second in 0..100 {
        let now = Time::ZERO.after(SECOND * second);
        for _ in 0..10 {
            // An answer of few tokens is mostly the network; the other signal is not looked at.
            limit.succeeded(Pace::Tokens { took: SECOND, tokens: 3 }, 20, now);
            limit.succeeded(Pace::Tokens { took: SECOND, tokens: 0 }, 20, now);
            limit.succeeded(Pace::FirstToken(Duration::ZERO), 20, now);
        }
    }
    assert_eq!(limit.limit(), ConcurrencySettings::default().initial);
}

#[test]
fn settings_have_their_order() {
    for (json, part) in [
        (r#"{"min": 0}"#, "min"),
        (r#"{"min": 30, "initial": 20}"#, "initial"),
        (r#"{"max": 10}"#, "initial"),
        (r#"{"signal": "total"}"#, "unknown variant"),
    ] {
        let error = serde_json::from_str::<ConcurrencySettings>(json).expect_err(json).to_string();
        assert!(error.contains(part), "{json}: {error}");
    }
    let read: ConcurrencySettings = serde_json::from_str("{}").expect("defaults");
    assert_eq!(read, ConcurrencySettings::default());
}

proptest! {
    /// Whatever comes, it stays within its bounds, and a failure alone never raises it.
    #[test]
    fn it_stays_within_its_bounds(
        bounds in (1..50_u32, 0..50_u32, 0..500_u32),
        events in vec((0..5_000_u64, 0..3_u8, 0..u64::MAX, 0..10_000_u64, 0..1_000_u32), 0..200),
    ) {
        let (min, initial) = (bounds.0, bounds.0 + bounds.1);
        let signal = Signal::PerToken;
        let max = initial + bounds.2;
        let mut limit = Concurrency::new(ConcurrencySettings { signal, min, initial, max });
        let mut now = Time::ZERO;
        for (ms, what, nanos, tokens, in_flight) in events {
            now = now.after(Duration::from_millis(ms));
            let before = limit.limit();
            if what == 0 {
                limit.overloaded(now);
                prop_assert!(limit.limit() <= before);
            } else {
                let took = Duration::from_nanos(nanos);
                limit.succeeded(Pace::Tokens { took, tokens }, in_flight, now);
            }
            prop_assert!((min..=max).contains(&limit.limit()));
        }
    }
}
