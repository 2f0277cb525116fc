//! A model of two providers, the first of which fails for a while in the middle of a load; and
//! the same provider alone, with neither breaker nor retries.
//!
//! Both gateways ask the same failing process, each by a witness of its own, so that what the
//! bare one meets tells when it was ill.

use std::{collections::BTreeMap, path::Path, time::Duration};

use anyhow::{Context as _, Result};
use serde::Serialize;
use tokio::runtime::Runtime;
use tollgate::Clock;
use tollgate_core::Time;

use super::{
    Latency, Providers,
    circuit::{self, CLOSED, Change, OPEN},
    load::{Got, Load},
    policy::{self, Upstream},
    witness::{Call, Witness},
};
use crate::table::progress;

/// What came of it.
#[derive(Debug, Serialize)]
pub(super) struct Outage {
    /// How long the first provider was ill, as the bare side met it.
    pub(super) ill_s: f64,
    /// How long a circuit is open.
    pub(super) recovery_s: f64,
    pub(super) offered_per_second: f64,
    /// From the first failure until the circuit was open.
    pub(super) noticed_s: f64,
    /// From when it was well until the circuit was closed.
    pub(super) recovered_s: f64,
    /// Calls to it while its circuit was open, and while it was half-open.
    pub(super) calls_open: usize,
    pub(super) calls_half_open: usize,
    /// How often it was half-open.
    pub(super) half_opened: usize,
    /// Most calls of one time that it was half-open.
    pub(super) most_probes: usize,
    /// Calls to it while it was ill.
    pub(super) calls_ill: usize,
    pub(super) bare_calls_ill: usize,
    /// Of the requests that came while it was ill, those that were served, in hundredths.
    pub(super) goodput_percent: f64,
    pub(super) bare_goodput_percent: f64,
    pub(super) answered: Latency,
    pub(super) bare_answered: Latency,
    /// What each request got and why: by phase, then by what it got.
    pub(super) phases: Vec<Phase>,
}

/// What the requests of one stretch of time got.
#[derive(Debug, Serialize)]
pub(super) struct Phase {
    pub(super) name: &'static str,
    pub(super) seconds: f64,
    pub(super) got: BTreeMap<String, usize>,
    pub(super) bare: BTreeMap<String, usize>,
}

/// When what happened, by the wall clock.
struct Times {
    ill: Time,
    well: Time,
    changes: Vec<Change>,
}

const PER_SECOND: f64 = 30.0;
/// Of load, before the outage and after the circuit may be closed again.
const AROUND: Duration = Duration::from_secs(5);
/// From the start of the failing process to that of the load, at most.
const STARTS: Duration = Duration::from_secs(5);
const BARE: &str = "[providers.first.breaker]\nmode = \"closed\"\n[providers.first.retry]\nattempts = 1\n[providers.first.learn]\nannounced = false\n";

/// Measures both sides at once.
///
/// # Errors
/// When a process does not start or nothing failed.
pub(super) fn measure(args: &Providers, folder: &Path, runtime: &Runtime) -> Result<Outage> {
    let clock = Clock::system();
    let (outage, recovery) = (args.outage.get(), args.recovery.get());
    let second = policy::sandbox("second", folder, &["--latency-ms", "50"])?;
    let after = format!("{}s", (AROUND + STARTS).as_secs());
    let lasts = format!("{outage}s");
    let ill = ["--latency-ms", "50", "--outage-after", &after, "--outage-lasts", &lasts];
    let first = policy::sandbox("first", folder, &ill)?;
    let before = |address| Witness::before(address, clock.clone());
    let [ours, bare] =
        [runtime.block_on(before(first.address))?, runtime.block_on(before(first.address))?];
    let says = format!("[providers.first.breaker]\nrecovery = \"{recovery}s\"\n");
    let upstreams = [
        Upstream { name: "first", address: ours.address, says: &says },
        Upstream { name: "second", address: second.address, says: "" },
    ];
    let smart = "[models.m]\nmodels = [\"first/m\", \"second/m\"]\n";
    let gateway = policy::start("gateway-fallback", folder, &upstreams, smart)?;
    let alone = [Upstream { name: "first", address: bare.address, says: BARE }];
    let gateway_bare = policy::start("gateway-bare", folder, &alone, "")?;
    let lasts = u64::from(outage) + u64::from(recovery);
    let load = Load {
        per_second: PER_SECOND,
        lasts: STARTS + AROUND * 2 + Duration::from_secs(lasts),
        patience: Duration::from_secs(args.patience.into()),
        model: "m",
        streams: None,
        fails: None,
    };
    progress(format_args!("outage: {outage} s of {} s, {PER_SECOND}/s", load.lasts.as_secs()));
    let (got, got_bare) = runtime.block_on(async {
        tokio::join!(
            load.run(gateway.address, &clock, 1),
            load.run(gateway_bare.address, &clock, 1)
        )
    });
    let failed: Vec<Call> = bare.calls().into_iter().filter(|call| call.status != 200).collect();
    let times = Times {
        ill: failed.iter().map(|call| call.at).min().context("nothing failed")?,
        well: failed.iter().map(|call| call.at).max().context("nothing failed")?,
        changes: circuit::changes(&folder.join("gateway-fallback.log"), "first")?,
    };
    times.report([&ours.calls(), &bare.calls()], [&got, &got_bare], recovery)
}

impl Times {
    fn report(
        &self,
        [calls, bare_calls]: [&[Call]; 2],
        [got, bare]: [&[Got]; 2],
        recovery: u32,
    ) -> Result<Outage> {
        let opened = self.changes.iter().find(|change| change.to == OPEN);
        let opened = opened.context("the circuit was never opened")?.at;
        let closed = self.changes.iter().rfind(|change| change.to == CLOSED);
        let closed = closed.context("the circuit was never closed again")?.at;
        let in_state =
            |state: &str| calls.iter().filter(|call| self.state(call.at) == state).count();
        let probes = self.probes(calls);
        let ill = |calls: &[Call]| calls.iter().filter(|call| self.is_ill(call.at)).count();
        let served =
            |got: &[Got]| Latency::of(got.iter().filter(|got| got.is_served()).map(|got| got.took));
        Ok(Outage {
            ill_s: self.well.since(self.ill).as_secs_f64(),
            recovery_s: recovery.into(),
            offered_per_second: PER_SECOND,
            noticed_s: opened.since(self.ill).as_secs_f64(),
            recovered_s: closed.since(self.well).as_secs_f64(),
            calls_open: in_state(OPEN),
            calls_half_open: probes.iter().sum(),
            half_opened: probes.len(),
            most_probes: probes.iter().copied().max().unwrap_or_default(),
            calls_ill: ill(calls),
            bare_calls_ill: ill(bare_calls),
            goodput_percent: self.goodput(got),
            bare_goodput_percent: self.goodput(bare),
            answered: served(got),
            bare_answered: served(bare),
            phases: self.phases([got, bare], [opened, closed]),
        })
    }

    fn state(&self, at: Time) -> &str {
        circuit::state(&self.changes, at)
    }

    fn is_ill(&self, at: Time) -> bool {
        self.ill <= at && at <= self.well
    }

    /// Calls of each time that the circuit was half-open.
    fn probes(&self, calls: &[Call]) -> Vec<usize> {
        let ends = self.changes.iter().skip(1).map(|change| change.at).chain([Time::MAX]);
        let spans = self.changes.iter().zip(ends);
        spans
            .filter(|(change, _)| change.to != OPEN && change.to != CLOSED)
            .map(|(change, end)| {
                calls.iter().filter(|call| change.at <= call.at && call.at < end).count()
            })
            .collect()
    }

    fn goodput(&self, got: &[Got]) -> f64 {
        let came = || got.iter().filter(|got| self.is_ill(got.at));
        100.0 * came().filter(|got| got.is_served()).count() as f64 / came().count().max(1) as f64
    }

    fn phases(&self, [got, bare]: [&[Got]; 2], [opened, closed]: [Time; 2]) -> Vec<Phase> {
        let began = got.first().map_or(self.ill, |got| got.at);
        let ended = got.last().map_or(closed, |got| got.at);
        let well = self.well.max(opened);
        let spans = [
            ("well", began, self.ill),
            ("ill, circuit closed", self.ill, opened),
            ("ill, circuit open", opened, well),
            ("well again, circuit open", well, closed),
            ("well, circuit closed", closed, ended),
        ];
        let phase = |(name, from, until): (&'static str, Time, Time)| Phase {
            name,
            seconds: until.since(from).as_secs_f64(),
            got: grouped(got, from, until),
            bare: grouped(bare, from, until),
        };
        spans.into_iter().map(phase).collect()
    }
}

/// How many got what, of those who asked in a stretch of time.
fn grouped(got: &[Got], from: Time, until: Time) -> BTreeMap<String, usize> {
    let mut groups = BTreeMap::new();
    for got in got.iter().filter(|got| from <= got.at && got.at < until) {
        *groups.entry(got.in_words()).or_default() += 1;
    }
    groups
}
