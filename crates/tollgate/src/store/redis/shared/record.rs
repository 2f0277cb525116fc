//! The record of a reservation within one tag: who holds what where, so that any node can end it.
//!
//! Nodes write what they know; the script adds the instants and periods that it decided by.

use compact_str::CompactString;
use tollgate_core::{Amounts, Charge, Kind, LimitId, NanoUsd, Rule, ScopeId, Unit, Usage, Warn};

use super::{
    bytes::{Reader, Writer},
    micros,
};
use crate::Receipt;

/// Bytes that tell a record from what it was before and will be.
pub(super) const PRINT: usize = 11;

/// What there is under an id.
#[derive(Debug, Clone)]
pub(super) enum Known {
    /// It is held, or was and expired.
    Held(Record),
    /// It has ended.
    Ended(Receipt),
}

/// What one reservation holds within one tag.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Record {
    pub(super) version: u16,
    /// When it was made, and when it expires, as the server counts.
    pub(super) at: f64,
    pub(super) expires: f64,
    pub(super) expired: bool,
    pub(super) keep: bool,
    /// The process that made it.
    pub(super) owner: u64,
    /// The node whose counters grow when it ends, as scripts know it: the one that made it, since
    /// it is in that one's books, whoever ends it.
    pub(super) node: f64,
    /// All that was asked for, in all tags, extensions included.
    pub(super) demand: Amounts,
    /// The tags that the reservation has parts in.
    pub(super) tags: Vec<u8>,
    pub(super) cells: Vec<Held>,
    pub(super) added: Vec<Added>,
}

/// What is held on one cell.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Held {
    pub(super) scope: ScopeId,
    pub(super) key: CompactString,
    pub(super) charges: Vec<Charge>,
}

/// What a reservation was extended by.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Added {
    pub(super) at: f64,
    pub(super) more: Amounts,
    /// On which of its cells, and what.
    pub(super) charges: Vec<(usize, Charge)>,
}

impl Record {
    /// What tells it from others under its id.
    pub(super) fn print(&self) -> [u8; PRINT] {
        let mut print = [0; PRINT];
        print[0] = if self.expired { b'X' } else { b'L' };
        print[1..3].copy_from_slice(&self.version.to_le_bytes());
        print[3..].copy_from_slice(&self.at.to_le_bytes());
        print
    }

    /// What a node writes of a new one, its length first.
    pub(super) fn chunk(&self) -> Vec<u8> {
        let mut out = Writer::with_room(64 + 48 * self.cells.len());
        out.count(0);
        out.byte(u8::from(self.keep));
        out.long(self.owner);
        out.double(self.node);
        put_amounts(&mut out, &self.demand);
        out.count(self.tags.len());
        out.0.extend_from_slice(&self.tags);
        out.count(self.cells.len());
        for cell in &self.cells {
            out.long(cell.scope.0);
            out.text(&cell.key);
            out.count(cell.charges.len());
            cell.charges.iter().for_each(|charge| put_charge(&mut out, charge));
        }
        measured(out)
    }

    /// The record in full, as the script writes it.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut out = Writer(self.print().to_vec());
        out.double(self.expires);
        // What is said first is said of the whole as it was made.
        let demand = self.added.iter().fold(self.demand, |all, added| all.beyond(&added.more));
        out.0.extend_from_slice(&Self { demand, ..self.clone() }.chunk());
        out.double(self.at);
        put_periods(&mut out, self.by_name().map(|(_, charge)| charge));
        for added in &self.added {
            out.0.extend_from_slice(&added.chunk());
            out.double(added.at);
            put_periods(&mut out, added.by_name().iter().map(|nth| &added.charges[*nth].1));
        }
        out.0
    }

    /// Notes in which periods its charges were held.
    pub(super) fn told(&mut self, periods: &[u8]) -> Option<()> {
        let mut from = Reader(periods);
        for held in &mut self.cells {
            for nth in by_name(&held.charges) {
                take_period(&mut from, &mut held.charges[nth])?;
            }
        }
        Some(())
    }

    /// Its charges in the order in which scripts are told them.
    fn by_name(&self) -> impl Iterator<Item = (usize, &Charge)> {
        let cells = self.cells.iter().enumerate();
        cells.flat_map(|(place, held)| {
            by_name(&held.charges).into_iter().map(move |nth| (place, &held.charges[nth]))
        })
    }

    /// Reads what [`bytes`](Self::bytes) wrote.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let mut from = Reader(bytes);
        let state = from.byte()?;
        let (version, at, expires) = (from.half()?, from.double()?, from.double()?);
        let mut chunk = measured_off(&mut from)?;
        let keep = chunk.byte()? != 0;
        let (owner, node, demand) = (chunk.long()?, chunk.double()?, take_amounts(&mut chunk)?);
        let count = chunk.count()?;
        let tags = chunk.take(count)?.to_vec();
        let mut cells = Vec::new();
        for _ in 0..chunk.count()? {
            let (scope, key) = (ScopeId(chunk.long()?), chunk.text()?.into());
            let count = chunk.count()?;
            let charges = (0..count).map(|_| take_charge(&mut chunk)).collect::<Option<_>>()?;
            cells.push(Held { scope, key, charges });
        }
        from.double()?;
        let periods = cells.iter().flat_map(|held: &Held| &held.charges);
        let periods = periods.filter(|charge| is_period(charge)).count();
        let periods = from.take(16 * periods)?;
        let expired = state == b'X';
        let added = Vec::new();
        let mut record =
            Self { version, at, expires, expired, keep, owner, node, demand, tags, cells, added };
        record.told(periods)?;
        while !from.is_empty() {
            let added = Added::read(&mut from)?;
            record.demand = record.demand.plus(&added.more);
            record.added.push(added);
        }
        Some(record)
    }
}

impl Added {
    /// What a node writes of it, its length first.
    pub(super) fn chunk(&self) -> Vec<u8> {
        let mut out = Writer::with_room(24 + 40 * self.charges.len());
        out.count(0);
        put_amounts(&mut out, &self.more);
        out.count(self.charges.len());
        for (place, charge) in &self.charges {
            out.count(*place);
            put_charge(&mut out, charge);
        }
        measured(out)
    }

    /// Its charges in the order in which scripts are told them, by their places.
    fn by_name(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.charges.len()).collect();
        order.sort_by_key(|nth| {
            let (place, charge) = &self.charges[*nth];
            (*place, micros::name(charge.limit).0)
        });
        order
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        let mut chunk = measured_off(from)?;
        let more = take_amounts(&mut chunk)?;
        let count = chunk.count()?;
        let charges = (0..count).map(|_| Some((chunk.count()?, take_charge(&mut chunk)?)));
        let charges = charges.collect::<Option<Vec<_>>>()?;
        let mut added = Self { at: from.double()?, more, charges };
        let periods = added.charges.iter().filter(|(_, charge)| is_period(charge)).count();
        added.told(from.take(16 * periods)?)?;
        Some(added)
    }

    /// Notes in which periods its charges were held.
    pub(super) fn told(&mut self, periods: &[u8]) -> Option<()> {
        let mut from = Reader(periods);
        for nth in self.by_name() {
            take_period(&mut from, &mut self.charges[nth].1)?;
        }
        Some(())
    }
}

impl Known {
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        if bytes.first() != Some(&b'R') {
            return Record::read(bytes).map(Self::Held);
        }
        let mut from = Reader(&bytes[1..]);
        let (usage, overrun) = (take_amounts(&mut from)?, take_amounts(&mut from)?);
        Some(Self::Ended(Receipt { usage, overrun }))
    }
}

/// The places of charges by ascending name of their accounts.
pub(super) fn by_name(charges: &[Charge]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..charges.len()).collect();
    order.sort_by_key(|nth| micros::name(charges[*nth].limit).0);
    order
}

/// What a record becomes whose id may be asked for again.
pub(super) fn receipt(receipt: &Receipt) -> Vec<u8> {
    let mut out = Writer(vec![b'R']);
    put_amounts(&mut out, &receipt.usage);
    put_amounts(&mut out, &receipt.overrun);
    out.0
}

fn measured(mut out: Writer) -> Vec<u8> {
    let mut length = Writer::default();
    length.count(out.0.len() - 4);
    out.0[..4].copy_from_slice(&length.0);
    out.0
}

fn measured_off<'a>(from: &mut Reader<'a>) -> Option<Reader<'a>> {
    let length = from.count()?;
    from.take(length).map(Reader)
}

fn put_amounts(out: &mut Writer, amounts: &Amounts) {
    let Amounts { requests, input_tokens, output_tokens, cost, millis } = *amounts;
    let all = [requests, input_tokens, output_tokens, cost.0, millis];
    all.into_iter().for_each(|amount| out.short(amount));
}

fn take_amounts(from: &mut Reader<'_>) -> Option<Usage> {
    Some(Amounts {
        requests: from.short()?,
        input_tokens: from.short()?,
        output_tokens: from.short()?,
        cost: NanoUsd(from.short()?),
        millis: from.short()?,
    })
}

const UNITS: [Unit; 6] =
    [Unit::Requests, Unit::Tokens, Unit::InputTokens, Unit::OutputTokens, Unit::Usd, Unit::Seconds];

fn put_charge(out: &mut Writer, charge: &Charge) {
    let unit = UNITS.iter().position(|unit| *unit == charge.unit).unwrap_or(0);
    let (kind, first, second) = match charge.rule.kind {
        Kind::Bucket { rate, per_ns } => (0, rate, per_ns),
        Kind::Window { length_ns } => (1, length_ns, 0),
        // Which one it is, the script says.
        Kind::Period { .. } => (2, 0, 0),
        Kind::Concurrency => (3, 0, 0),
        Kind::Sessions { idle_ns } => (4, idle_ns, 0),
    };
    out.long(charge.limit.0);
    out.byte(
        kind << 5 | (unit as u8) << 2 | u8::from(charge.shadow) << 1 | u8::from(charge.warn.soft),
    );
    out.byte(charge.warn.percents().count() as u8);
    charge.warn.percents().for_each(|percent| out.byte(percent));
    let numbers = [charge.rule.cap, charge.amount, first, second];
    numbers.into_iter().for_each(|number| out.short(number));
}

fn take_charge(from: &mut Reader<'_>) -> Option<Charge> {
    let limit = LimitId(from.long()?);
    let flags = from.byte()?;
    let count = usize::from(from.byte()?);
    let mut warn = Warn::at(from.take(count)?.iter().copied());
    warn.soft = flags & 1 != 0;
    let (cap, amount) = (from.short()?, from.short()?);
    let (first, second) = (from.short()?, from.short()?);
    let kind = match flags >> 5 {
        0 => Kind::Bucket { rate: first, per_ns: second },
        1 => Kind::Window { length_ns: first },
        2 => Kind::Period { start: 0, end: 0 },
        3 => Kind::Concurrency,
        _ => Kind::Sessions { idle_ns: first },
    };
    let unit = *UNITS.get(usize::from(flags >> 2 & 7))?;
    let rule = Rule { kind, cap };
    Some(Charge { limit, rule, unit, amount, shadow: flags & 2 != 0, warn })
}

const fn is_period(charge: &Charge) -> bool {
    matches!(charge.rule.kind, Kind::Period { .. })
}

fn put_periods<'a>(out: &mut Writer, charges: impl Iterator<Item = &'a Charge>) {
    for charge in charges {
        let charge = micros::charge(charge);
        if let Kind::Period { start, end } = charge.rule.kind {
            out.double(micros::double(start));
            out.double(micros::double(end));
        }
    }
}

fn take_period(from: &mut Reader<'_>, charge: &mut Charge) -> Option<()> {
    if let Kind::Period { .. } = charge.rule.kind {
        charge.rule.kind = micros::period(from.double()?, from.double()?);
    }
    Some(())
}
