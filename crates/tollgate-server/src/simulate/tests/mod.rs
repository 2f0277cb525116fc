//! The gateway in virtual time: what it decides, counts and says.

mod decisions;
mod numbers;
mod pages;
mod properties;

use std::{fmt::Write as _, sync::Arc, time::Duration};

use tollgate_core::policy::{Config, Sources};

use super::{
    outcome::{Ending, Outcome},
    row::Row,
    run::run,
    scene::{Crowding, Scene, Size, Variation},
};
use crate::replay::Trace;

/// The policy that this text makes.
fn config(text: &str) -> Config {
    let file = Some(("test.toml".to_owned(), text.to_owned()));
    let sources = Sources { file, ..Sources::default() };
    sources.load().unwrap_or_else(|errors| panic!("{errors:?}\n{text}"))
}

/// Users who think for so long and ask for so many tokens.
fn users(think: &str, size: &str, lasts: Duration) -> Scene {
    let (think, size): (_, Size) = (think.parse().unwrap(), size.parse().unwrap());
    scene(Crowding::Users { think, size, lasts })
}

/// Requests at these milliseconds, of ten tokens each way.
fn trace(millis: &[u64]) -> Scene {
    let mut text = "TIMESTAMP,ContextTokens,GeneratedTokens\n".to_owned();
    for at in millis {
        let (minute, second) = (at / 60_000, at % 60_000);
        let (second, millis) = (second / 1_000, second % 1_000);
        writeln!(text, "2023-11-16 18:{minute:02}:{second:02}.{millis:03},10,10").unwrap();
    }
    scene(Crowding::Trace(Arc::new(Trace::parse(text.as_bytes()).unwrap())))
}

fn scene(crowding: Crowding) -> Scene {
    Scene {
        crowding,
        answer: "2s".parse().unwrap(),
        model: None,
        patience: None,
        requests_per_minute: None,
        tokens_per_minute: None,
        seed: 7,
    }
}

/// The row and every outcome.
fn play(policy: &str, scene: &Scene, count: u32, variation: Variation) -> (Row, Vec<Outcome>) {
    let mut outcomes = Vec::new();
    let watch = |outcome: &Outcome| outcomes.push(outcome.clone());
    let row = run(config(policy), scene, count, variation, watch).unwrap();
    (row, outcomes)
}

/// When a served request was admitted, and when it ended.
fn ran(outcome: &Outcome) -> Option<(Duration, Duration)> {
    match &outcome.ending {
        Ending::Served { took, .. } => Some((outcome.ended - *took, outcome.ended)),
        _ => None,
    }
}
