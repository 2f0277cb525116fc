//! Latencies as a picture of text.

use hdrhistogram::Histogram;
use serde::Serialize;

/// How many requests took how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Bin {
    /// In microseconds, inclusive.
    pub(crate) from_us: u64,
    /// In microseconds, exclusive; nothing for the last bin, which has all that took longer.
    pub(crate) to_us: Option<u64>,
    pub(crate) count: u64,
}

/// The most bins of even width; one more has the rest.
const MAX_BINS: u64 = 12;
/// The part of the requests that the even bins show; the slowest would stretch them.
const SHOWN: f64 = 0.99;
/// Eighths of a character, from the least on.
const EIGHTHS: [char; 8] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];

/// Bins of an even, round width over all but the slowest hundredth, and one for the rest.
pub(crate) fn bins(histogram: &Histogram<u64>) -> Vec<Bin> {
    if histogram.is_empty() {
        return Vec::new();
    }
    let (least, most) = (histogram.min(), histogram.value_at_quantile(SHOWN));
    let step = round_step(least, most);
    let first = least - least % step;
    let last = most - most % step + step;
    let edges = (first..last).step_by(usize::try_from(step).unwrap_or(usize::MAX));
    let mut counted = 0;
    let mut bins: Vec<Bin> = edges
        .map(|from| {
            // A histogram tells values apart by three digits only, so a value near an edge may
            // count on either side, but on one only: what is below an edge is asked for once.
            let below = below(histogram, from + step);
            let count = below - counted;
            counted = below;
            Bin { from_us: from, to_us: Some(from + step), count }
        })
        .collect();
    if counted < histogram.len() {
        bins.push(Bin { from_us: last, to_us: None, count: histogram.len() - counted });
    }
    bins
}

/// A bar of at most `width` characters for a `part` of `whole`; blank only for nothing.
pub(crate) fn bar(part: u64, whole: u64, width: usize) -> String {
    if part == 0 {
        return String::new();
    }
    let eighths = u128::from(part.min(whole)) * (width as u128 * 8) / u128::from(whole.max(1));
    let eighths = usize::try_from(eighths).unwrap_or(usize::MAX).clamp(1, width.max(1) * 8);
    let mut bar: String = std::iter::repeat_n('█', eighths / 8).collect();
    if let Some(rest) = (eighths % 8).checked_sub(1) {
        bar.push(EIGHTHS[rest]);
    }
    bar
}

/// How many are recorded below `edge`, to the histogram's precision.
fn below(histogram: &Histogram<u64>, edge: u64) -> u64 {
    histogram.count_between(0, edge.saturating_sub(1))
}

/// The least of 1, 2, 5, 10, … that covers the range in at most [`MAX_BINS`] bins.
fn round_step(least: u64, most: u64) -> u64 {
    let mut decade = 1_u64;
    loop {
        for step in [1, 2, 5].map(|digit| decade.saturating_mul(digit)) {
            if most / step - least / step < MAX_BINS {
                return step;
            }
        }
        decade = decade.saturating_mul(10);
    }
}
