//! What a decision in Redis costs, against an empty script and a plain write of the same run.
//!
//! A server of its own is started on the loopback. So many tasks ask at once, each for one thing
//! at a time; rounds of all sides alternate, and the median round is reported.

mod sides;
mod table;

use anyhow::{Context as _, Result};
use clap::Args;
use serde::Serialize;

use sides::{Side, Sides};

use crate::{
    stopwatch::{Stopwatch, median},
    table::progress,
};

/// How it is asked.
#[derive(Args, Clone, Debug, Serialize)]
pub(crate) struct Redis {
    /// Who asks at once.
    #[arg(long, default_value_t = 32)]
    tasks: usize,
    /// Connections that they share.
    #[arg(long, default_value_t = 2)]
    connections: usize,
    /// Of how many users.
    #[arg(long, default_value_t = 10_000)]
    users: usize,
    /// What each side does in one round.
    #[arg(long, default_value_t = 20_000)]
    round: usize,
    /// Rounds; one more goes before, which only warms up.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
}

/// All numbers of the benchmark.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    asked: Redis,
    empty_script: Measured,
    set: Measured,
    exact: Measured,
    /// Decisions a second over calls of the empty script.
    exact_share: f64,
    /// What the server executed for each decision: calls, and commands within them.
    exact_calls: f64,
    exact_commands: f64,
}

/// One side.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Measured {
    per_second: f64,
    p50_us: f64,
    p99_us: f64,
}

pub(crate) fn run(args: &Redis) -> Result<Report> {
    let runtime = tokio::runtime::Runtime::new().context("no threads to ask by")?;
    runtime.block_on(measure(args))
}

async fn measure(args: &Redis) -> Result<Report> {
    let sides = Sides::start(args.connections, args.users).await?;
    let mut rounds: [Vec<Measured>; 3] = Default::default();
    let (mut calls, mut commands) = (0, 0);
    for round in 0..=args.rounds {
        progress(format!("round {round} of {}", args.rounds));
        for (all, side) in rounds.iter_mut().zip([Side::Empty, Side::Set, Side::Exact]) {
            let before = sides.executed().await?;
            let measured = play(args, &sides, side, round).await?;
            let after = sides.executed().await?;
            sides.end_all().await?;
            if round == 0 {
                continue;
            }
            all.push(measured);
            if side == Side::Exact {
                calls += after.0 - before.0;
                commands += after.1 - before.1;
            }
        }
    }
    let [empty_script, set, exact] = rounds.map(|rounds| middle(&rounds));
    let decided = (args.rounds * args.round) as f64;
    Ok(Report {
        exact_share: exact.per_second / empty_script.per_second,
        exact_calls: calls as f64 / decided,
        exact_commands: commands as f64 / decided,
        asked: args.clone(),
        empty_script,
        set,
        exact,
    })
}

/// One round of one side.
async fn play(args: &Redis, sides: &Sides, side: Side, round: usize) -> Result<Measured> {
    let each = args.round.div_ceil(args.tasks);
    let watch = Stopwatch::start();
    let asking = (0..args.tasks).map(|task| {
        let sides = sides.clone();
        tokio::spawn(async move {
            let mut took = Vec::with_capacity(each);
            for nth in 0..each {
                let watch = Stopwatch::start();
                sides.ask(side, (round * 31 + task) * each + nth).await?;
                took.push(watch.elapsed().as_nanos() as f64 / 1_000.0);
            }
            anyhow::Ok(took)
        })
    });
    let asking: Vec<_> = asking.collect();
    let mut took = Vec::with_capacity(each * args.tasks);
    for task in asking {
        took.extend(task.await.context("who asked has panicked")??);
    }
    let per_second = took.len() as f64 / watch.elapsed().as_secs_f64();
    took.sort_by(f64::total_cmp);
    let at = |part: f64| took[((took.len() - 1) as f64 * part) as usize];
    Ok(Measured { per_second, p50_us: at(0.5), p99_us: at(0.99) })
}

fn middle(rounds: &[Measured]) -> Measured {
    let of = |what: fn(&Measured) -> f64| median(rounds.iter().map(what).collect());
    Measured {
        per_second: of(|m| m.per_second),
        p50_us: of(|m| m.p50_us),
        p99_us: of(|m| m.p99_us),
    }
}
