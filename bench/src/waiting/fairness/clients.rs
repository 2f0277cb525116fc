//! Clients of a served model, how often they ask and for how much: those recorded by
//! ServeGen (Apache-2.0) in the busiest hour of the busiest day, where its files are there.

use std::{collections::BTreeMap, fs::File, path::Path, time::Duration};

use anyhow::{Context as _, Result};
use flate2::read::GzDecoder;
use serde::{Deserialize, de::DeserializeOwned};

const RATES: &str = "servegen_m-small_client_rates.csv.gz";
const TOKENS: &str = "servegen_m-small_client_tokens.csv";

pub(super) const HOUR: Duration = Duration::from_secs(3_600);
/// How long a rate holds.
pub(super) const WINDOW: Duration = Duration::from_secs(600);
const WINDOWS: usize = 6;
/// How long statistics of tokens hold.
const TOKEN_WINDOW_S: u64 = 6 * 3_600;
const DAY_S: u64 = 86_400;

/// An hour of clients.
pub(super) struct Hour {
    pub(super) clients: Vec<Client>,
    /// Where it is from, as a sentence.
    pub(super) source: String,
}

/// One client.
pub(super) struct Client {
    pub(super) name: String,
    /// Requests per second in each window of the hour.
    pub(super) rates: [f64; WINDOWS],
    pub(super) tokens: Tokens,
}

/// How long a client's requests and their answers are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tokens {
    pub(super) input: Lengths,
    pub(super) output: Lengths,
}

/// Numbers of tokens: their median and 99th percentile.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lengths {
    pub(super) p50: f64,
    pub(super) p99: f64,
}

#[derive(Deserialize)]
struct RateRow {
    client_id: u32,
    timestamp_s: u64,
    rate_rps: f64,
}

#[derive(Debug, Clone, Copy, Deserialize)]
struct TokensRow {
    client_id: u32,
    window_start_s: u64,
    in_p50: f64,
    in_p99: f64,
    out_p50: f64,
    out_p99: f64,
}

impl Hour {
    /// The recorded hour, or one that is made where nothing was recorded.
    pub(super) fn of(data: &Path) -> Result<Self> {
        let (rates, tokens) = (data.join(RATES), data.join(TOKENS));
        if !rates.exists() || !tokens.exists() {
            return Ok(Self::made());
        }
        let rates = GzDecoder::new(opened(&rates)?);
        Self::recorded(&rows(rates)?, &rows(opened(&tokens)?)?)
    }

    fn recorded(rates: &[RateRow], tokens: &[TokensRow]) -> Result<Self> {
        let day = busiest(rates, DAY_S, |_| true).context("no rates are recorded")?;
        let of_day = |row: &RateRow| row.timestamp_s / DAY_S == day;
        let hour = busiest(rates, HOUR.as_secs(), of_day).context("no rates are recorded")?;
        let began = hour * HOUR.as_secs();
        let mut clients: BTreeMap<u32, [f64; WINDOWS]> = BTreeMap::new();
        for row in rates.iter().filter(|row| row.timestamp_s / HOUR.as_secs() == hour) {
            let window = (row.timestamp_s - began) / WINDOW.as_secs();
            let rates = clients.entry(row.client_id).or_default();
            if let Some(rate) = rates.get_mut(window as usize) {
                *rate += row.rate_rps;
            }
        }
        let usual = usual(tokens).context("no tokens are recorded")?;
        let unknown = clients.keys().filter(|id| tokens.iter().all(|row| row.client_id != **id));
        let source = format!(
            "ServeGen's m-small, hour {} of day {}; {} of its {} clients have no token \
             statistics and are given the median of all.",
            hour % 24,
            day + 1,
            unknown.count(),
            clients.len(),
        );
        let client = |(id, rates): (u32, _)| Client {
            name: format!("client-{id}"),
            rates,
            tokens: nearest(tokens, id, began).unwrap_or(usual),
        };
        Ok(Self { clients: clients.into_iter().map(client).collect(), source })
    }

    /// A few clients that ask for nearly all, and many that ask for a little.
    fn made() -> Self {
        const RATES: [f64; 4] = [1_100.0, 450.0, 170.0, 140.0];
        let client = |nth: usize| Client {
            name: format!("client-{nth}"),
            rates: [RATES.get(nth).copied().unwrap_or(400.0 / (nth * nth) as f64); WINDOWS],
            tokens: Tokens {
                input: Lengths { p50: 60.0 * (1 + nth % 10) as f64, p99: 1_200.0 },
                output: Lengths { p50: 20.0, p99: 120.0 },
            },
        };
        let source = "ServeGen's files are not there: a few made clients ask for most.".to_owned();
        Self { clients: (0..43).map(client).collect(), source }
    }
}

/// The number of the span of so many seconds in which the most is asked.
fn busiest(rates: &[RateRow], span_s: u64, of: impl Fn(&RateRow) -> bool) -> Option<u64> {
    let mut spans: BTreeMap<u64, f64> = BTreeMap::new();
    for row in rates.iter().filter(|row| of(row)) {
        *spans.entry(row.timestamp_s / span_s).or_default() += row.rate_rps;
    }
    spans.into_iter().max_by(|one, other| one.1.total_cmp(&other.1)).map(|(span, _)| span)
}

/// A client's statistics from the time nearest to this.
fn nearest(tokens: &[TokensRow], client: u32, at_s: u64) -> Option<Tokens> {
    let window = at_s / TOKEN_WINDOW_S * TOKEN_WINDOW_S;
    let own = tokens.iter().filter(|row| row.client_id == client);
    own.min_by_key(|row| row.window_start_s.abs_diff(window)).map(Tokens::from)
}

/// The median of each statistic.
fn usual(tokens: &[TokensRow]) -> Option<Tokens> {
    let median = |of: fn(&TokensRow) -> f64| {
        let mut all: Vec<f64> = tokens.iter().map(of).collect();
        all.sort_by(f64::total_cmp);
        all.get(all.len() / 2).copied()
    };
    Some(Tokens {
        input: Lengths { p50: median(|row| row.in_p50)?, p99: median(|row| row.in_p99)? },
        output: Lengths { p50: median(|row| row.out_p50)?, p99: median(|row| row.out_p99)? },
    })
}

impl From<&TokensRow> for Tokens {
    fn from(row: &TokensRow) -> Self {
        Self {
            input: Lengths { p50: row.in_p50, p99: row.in_p99 },
            output: Lengths { p50: row.out_p50, p99: row.out_p99 },
        }
    }
}

fn opened(path: &Path) -> Result<File> {
    File::open(path).with_context(|| format!("cannot read {}", path.display()))
}

fn rows<T: DeserializeOwned>(from: impl std::io::Read) -> Result<Vec<T>> {
    let rows = csv::Reader::from_reader(from).into_deserialize();
    rows.collect::<Result<_, _>>().context("not the columns of ServeGen's files")
}
