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
    /// Decisions about one hot account that is leased, and the same each in Redis.
    leased: Measured,
    hot: Measured,
    /// Leased ones over those in Redis.
    leased_factor: f64,
    leased_calls: f64,
    leased_commands: f64,
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
    let mut all: [Rounds; 5] = Default::default();
    for round in 0..=args.rounds {
        progress(format!("round {round} of {}", args.rounds));
        for (rounds, side) in all.iter_mut().zip(Side::ALL) {
            if side == Side::Leased {
                // What it will need is learned by what it is asked, for about a second.
                play(args, &sides, side, round).await?;
            }
            let before = sides.executed().await?;
            let measured = play(args, &sides, side, round).await?;
            let after = sides.executed().await?;
            sides.end_all().await?;
            if round > 0 {
                rounds.measured.push(measured);
                rounds.calls += after.0 - before.0;
                rounds.commands += after.1 - before.1;
            }
        }
    }
    let each = |rounds: &Rounds, of: u64, side: Side| {
        of as f64 / (rounds.measured.len() * args.round * side.times()) as f64
    };
    let [empty, set, exact, hot, leased] = &all;
    let of_exact = |of| each(exact, of, Side::Exact);
    let of_leased = |of| each(leased, of, Side::Leased);
    let (exact_calls, exact_commands) = (of_exact(exact.calls), of_exact(exact.commands));
    let (leased_calls, leased_commands) = (of_leased(leased.calls), of_leased(leased.commands));
    let [empty_script, set, exact, hot, leased] =
        [empty, set, exact, hot, leased].map(|rounds| middle(&rounds.measured));
    Ok(Report {
        exact_share: exact.per_second / empty_script.per_second,
        leased_factor: leased.per_second / hot.per_second,
        asked: args.clone(),
        empty_script,
        set,
        exact,
        exact_calls,
        exact_commands,
        hot,
        leased,
        leased_calls,
        leased_commands,
    })
}

/// All rounds of one side.
#[derive(Default)]
struct Rounds {
    measured: Vec<Measured>,
    calls: u64,
    commands: u64,
}

/// One round of one side.
async fn play(args: &Redis, sides: &Sides, side: Side, round: usize) -> Result<Measured> {
    let each = (args.round * side.times()).div_ceil(args.tasks);
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
