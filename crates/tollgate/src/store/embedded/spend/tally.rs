//! What ends of reservations add to the sums, kept while their rows are written: reading the
//! rows again would cost a third of writing them.
//!
//! It says what the view `spent` says of the same rows, as long as it knows who made each
//! reservation. Where it does not (the reservation is older than the process, or had expired
//! before), it lets go of what it has, and those rows are read again.

use std::hash::{Hash, Hasher};

use compact_str::CompactString;
use hashbrown::{Equivalent, HashMap};
use tollgate_core::{Amounts, Attribute, Attributes, Time};

use super::{HOUR_NS, roll::Sums};
use crate::{Receipt, store::embedded::schema::integer};

/// Sums of the rows that were written last, by hour and names.
#[derive(Debug)]
pub(super) struct Tally {
    /// The first row that is in them.
    pub(super) from: u64,
    sums: HashMap<Named, [i64; 7], foldhash::fast::RandomState>,
}

/// An end of a reservation.
#[derive(Debug, Clone, Copy)]
pub(in crate::store::embedded) struct Spent<'a> {
    /// Its row.
    pub(in crate::store::embedded) seq: u64,
    pub(in crate::store::embedded) wall: Time,
    /// Who made the reservation, where that is known.
    pub(in crate::store::embedded) who: Option<&'a Attributes>,
    pub(in crate::store::embedded) receipt: &'a Receipt,
    /// Whether nobody told what was used.
    pub(in crate::store::embedded) estimated: bool,
}

#[derive(Debug, PartialEq, Eq)]
struct Named {
    hour: i64,
    names: [CompactString; 8],
}

/// The same, as it stands in a request.
struct Of<'a> {
    hour: i64,
    who: &'a Attributes,
}

/// The dimensions, as attributes, in their order.
const DIMENSIONS: [Attribute; 8] = [
    Attribute::User,
    Attribute::Key,
    Attribute::Team,
    Attribute::Customer,
    Attribute::Provider,
    Attribute::Model,
    Attribute::Task,
    Attribute::Tag,
];

/// Sums that are kept; with more the rows are read again.
const MAX_SUMS: usize = 8_192;

impl Tally {
    /// That of the rows from this one on.
    pub(super) fn from(from: u64) -> Self {
        Self { from, sums: HashMap::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.sums.len()
    }

    pub(super) fn add(&mut self, spent: Spent<'_>) {
        let Some(who) = spent.who else { return self.miss(spent.seq) };
        let of = Of { hour: integer(spent.wall.as_nanos() / HOUR_NS), who };
        let more = spent.sums();
        if let Some(sums) = self.sums.get_mut(&of) {
            sums.iter_mut().zip(more).for_each(|(sum, more)| *sum = sum.saturating_add(more));
        } else if self.sums.len() < MAX_SUMS {
            self.sums.insert(of.named(), more);
        } else {
            self.miss(spent.seq);
        }
    }

    /// Lets go of all up to this row.
    fn miss(&mut self, seq: u64) {
        self.sums.clear();
        self.from = seq + 1;
    }

    /// Takes all sums out; the rows after this one come next.
    pub(super) fn take(&mut self, last: u64) -> impl Iterator<Item = Sums> {
        self.from = last + 1;
        self.sums.drain().map(|(named, sums)| Sums {
            hour: named.hour,
            names: named.names.map(CompactString::into_string),
            sums,
        })
    }
}

impl Spent<'_> {
    fn sums(&self) -> [i64; 7] {
        let Receipt { usage, overrun } = self.receipt;
        let Amounts { requests, input_tokens, output_tokens, cost, millis } = *usage;
        let estimated = if self.estimated { requests } else { 0 };
        [requests, input_tokens, output_tokens, cost.0, millis, overrun.cost.0, estimated]
            .map(integer)
    }
}

impl Of<'_> {
    fn names(&self) -> [&str; 8] {
        DIMENSIONS.each_ref().map(|dimension| self.who.value(dimension).unwrap_or_default())
    }

    fn named(&self) -> Named {
        Named { hour: self.hour, names: self.names().map(CompactString::from) }
    }
}

impl Hash for Named {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.hour.hash(state);
        self.names.iter().for_each(|name| name.as_str().hash(state));
    }
}

impl Hash for Of<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.hour.hash(state);
        self.names().iter().for_each(|name| name.hash(state));
    }
}

impl Equivalent<Named> for Of<'_> {
    fn equivalent(&self, named: &Named) -> bool {
        self.hour == named.hour && self.names() == named.names
    }
}
