//! Cells as scripts keep them (`scripts/hold.lua` says how), read for the core's arithmetic.

use tollgate_core::{Cell, Charge, Kind, LimitId, Now, State, Time};

use super::{
    bytes::{Reader, Writer},
    micros::{NEVER, double, whole},
};

/// Bytes of an account before what is kept beside.
const HEAD: usize = 45;

const BUCKET: u8 = 0;
const EXACT: u8 = 1;
const WINDOW: u8 = 2;
const PERIOD: u8 = 3;
const SLOTS: u8 = 4;

/// The latest instant that was committed to a cell, without reading the rest.
pub(super) fn latest(cell: &[u8]) -> u64 {
    Reader(cell).double().map_or(0, whole)
}

/// Whether a cell, if there is one, can be read to its end as scripts do.
pub(super) fn is_whole(bytes: &[u8]) -> bool {
    let mut rest = Reader(bytes.get(16..).unwrap_or_default());
    while account(&mut rest).is_some() {}
    rest.is_empty() && (bytes.is_empty() || bytes.len() >= 16)
}

/// A cell in microseconds, its accounts by their names. Of what makes no sense, nothing is read.
pub(super) fn read(bytes: &[u8]) -> Cell {
    let accounts = accounts(bytes);
    let states = accounts.iter().filter_map(|account| Some((account.name, account.state()?)));
    Cell::of(Time::from_nanos(latest(bytes)), states)
}

/// Lays out anew what these charges can't read as it is; nothing if there is no such account.
pub(super) fn fitted(bytes: &[u8], charges: &[Charge], now: Now) -> Option<Vec<u8>> {
    let mut cell = read(bytes);
    let mut changed = Vec::new();
    for charge in charges {
        if !matches!(charge.rule.kind, Kind::Sessions { .. }) && cell.fit(charge, now) {
            changed.push(charge.limit);
        }
    }
    if changed.is_empty() {
        return None;
    }
    let mut anew = Writer(bytes.get(..16)?.to_vec());
    let states: Vec<_> = cell.states().collect();
    for account in accounts(bytes) {
        let state = states.iter().find(|(name, _)| *name == account.name);
        match state {
            Some((name, state)) if changed.contains(name) => write(*name, state, &mut anew),
            _ => anew.0.extend_from_slice(account.bytes),
        }
    }
    Some(anew.0)
}

/// One account of a cell.
struct Account<'a> {
    name: LimitId,
    shape: u8,
    numbers: [f64; 4],
    warned: u16,
    beside: Reader<'a>,
    bytes: &'a [u8],
}

fn accounts(cell: &[u8]) -> Vec<Account<'_>> {
    let mut rest = Reader(cell.get(16..).unwrap_or_default());
    std::iter::from_fn(|| account(&mut rest)).collect()
}

fn account<'a>(rest: &mut Reader<'a>) -> Option<Account<'a>> {
    let mut ahead = *rest;
    let name = LimitId(whole(ahead.double()?));
    let shape = ahead.byte()?;
    let length = usize::from(ahead.half()?);
    if length < HEAD {
        return None;
    }
    let bytes = rest.take(length)?;
    let mut numbers = [0.0; 4];
    for number in &mut numbers {
        *number = ahead.double()?;
    }
    let (warned, beside) = (ahead.half()?, Reader(&bytes[HEAD..]));
    Some(Account { name, shape, numbers, warned, beside, bytes })
}

impl Account<'_> {
    fn state(&self) -> Option<State> {
        let [a, b, c, d] = self.numbers.map(whole);
        let mut beside = self.beside;
        Some(match self.shape {
            BUCKET => {
                State::Bucket { full_at: u128::from(a) * u128::from(c) + u128::from(b), rate: c }
            }
            EXACT => State::Exact {
                most: a,
                times: std::iter::from_fn(|| beside.double().map(whole)).collect(),
            },
            WINDOW if a > 0 => {
                let passed =
                    std::iter::from_fn(|| Some((whole(beside.double()?), whole(beside.double()?))));
                let counts = passed.chain([(b, c)]).filter(|(_, count)| *count > 0);
                State::Window { length: a, newest: b, counts: counts.collect() }
            }
            PERIOD => State::Period {
                start: a,
                end: if b == NEVER { u64::MAX } else { b },
                settled: c,
                held: d,
                warned: ((self.warned >> 8) as u8, self.warned as u8),
            },
            SLOTS => State::Slots(a),
            _ => return None,
        })
    }
}

/// Writes an account. What nodes settled of a period is not told by its state, so periods that
/// are laid out anew begin without it.
fn write(name: LimitId, state: &State, out: &mut Writer) {
    let mut beside = Writer::default();
    let (shape, numbers, warned) = match state {
        State::Bucket { full_at, rate } => {
            let rate_wide = u128::from((*rate).max(1));
            let whole_us = u64::try_from(full_at / rate_wide).unwrap_or(u64::MAX);
            (BUCKET, [whole_us, (full_at % rate_wide) as u64, *rate, 0], 0)
        }
        State::Exact { most, times } => {
            times.iter().for_each(|time| beside.double(double(*time)));
            (EXACT, [*most, 0, 0, 0], 0)
        }
        State::Window { length, newest, counts } => {
            let (mut current, mut sum) = (0, 0_u64);
            for (part, count) in counts {
                sum = sum.saturating_add(*count);
                if part == newest {
                    current = *count;
                } else {
                    beside.double(double(*part));
                    beside.double(double(*count));
                }
            }
            (WINDOW, [*length, *newest, current, sum], 0)
        }
        State::Period { start, end, settled, held, warned } => {
            let warned = u16::from(warned.0) << 8 | u16::from(warned.1);
            (PERIOD, [*start, *end, *settled, *held], warned)
        }
        State::Slots(taken) => (SLOTS, [*taken, 0, 0, 0], 0),
    };
    out.double(double(name.0));
    out.byte(shape);
    out.0.extend_from_slice(&((HEAD + beside.0.len()) as u16).to_le_bytes());
    numbers.iter().for_each(|number| out.double(double(*number)));
    out.0.extend_from_slice(&warned.to_le_bytes());
    out.0.extend_from_slice(&beside.0);
}
