//! What of an order lies under one tag, in microseconds and in the order of scripts.

use tollgate_core::{Charge, Kind, LimitId, Order, ReservationId, ScopeId};

use super::{
    keys::Keys,
    micros,
    record::{Held, Record, by_name},
};

/// The cells of one tag, and what is asked of each.
#[derive(Debug)]
pub(super) struct Part<'a> {
    pub(super) tag: u8,
    /// How many parts are narrower.
    place: usize,
    pub(super) cells: Vec<Asked<'a>>,
}

/// What is asked of one cell.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    pub(super) scope: ScopeId,
    pub(super) key: &'a str,
    /// By ascending name; each with its place among all charges that are asked.
    pub(super) charges: Vec<(usize, Charge)>,
    /// The ids of their limits.
    pub(super) limits: Vec<LimitId>,
}

impl<'a> Part<'a> {
    /// The parts of an order from narrow to broad. In a cluster, an id that anybody may ask for
    /// has a part where everybody finds it, be there cells or not.
    pub(super) fn of(order: &'a Order<'_>, keys: &Keys) -> Vec<Self> {
        let mut parts: Vec<Self> = Vec::with_capacity(2);
        if order.keep && keys.tags() > 1 {
            parts.push(Self::under(keys.home(order.id), Vec::new()));
        }
        let mut first = 0;
        for (group, charges) in order.parts() {
            let tag = keys.tag_of(&group.key);
            let asked = Asked::of(group.scope, &group.key, charges, first);
            first += charges.len();
            match parts.iter_mut().find(|part| part.tag == tag) {
                Some(part) => part.cells.push(asked),
                None => parts.push(Self { place: parts.len(), ..Self::under(tag, vec![asked]) }),
            }
        }
        // What a session is granted is not given back, so it is asked for last.
        parts.sort_by_key(|part| part.sessions().next().is_some());
        if parts.is_empty() {
            parts.push(Self::under(keys.home(order.id), Vec::new()));
        }
        parts
    }

    /// The only part of something.
    pub(super) const fn under(tag: u8, cells: Vec<Asked<'a>>) -> Self {
        Self { tag, place: 0, cells }
    }

    /// The tags of parts from narrow to broad.
    pub(super) fn tags(parts: &[Self]) -> Vec<u8> {
        let mut places: Vec<_> = parts.iter().map(|part| (part.place, part.tag)).collect();
        places.sort_unstable();
        places.into_iter().map(|(_, tag)| tag).collect()
    }

    /// Its record and expiries, its cells and seats: the keys of scripts.
    pub(super) fn keys(&self, keys: &Keys, id: ReservationId) -> Vec<Vec<u8>> {
        let mut all = vec![keys.record(self.tag, id), keys.expiries(self.tag)];
        self.push_cells(keys, &mut all);
        all
    }

    pub(super) fn push_cells(&self, keys: &Keys, all: &mut Vec<Vec<u8>>) {
        all.extend(self.cells.iter().map(|cell| keys.cell(self.tag, cell.scope, cell.key)));
        let seats = self.cells.iter().flat_map(|cell| {
            let on_sessions = cell.charges.iter().zip(&cell.limits);
            let on_sessions = on_sessions.filter(|((_, charge), _)| is_session(charge));
            on_sessions.map(|(_, limit)| keys.seats(self.tag, cell.scope, *limit, cell.key))
        });
        all.extend(seats);
    }

    /// The charges on sessions in the order of scripts, each with its place among all.
    pub(super) fn sessions(&self) -> impl Iterator<Item = (usize, &Charge)> {
        let charges = self.cells.iter().flat_map(|cell| &cell.charges);
        charges.filter(|(_, charge)| is_session(charge)).map(|(nth, charge)| (*nth, charge))
    }
}

impl<'a> Asked<'a> {
    /// The charges of one cell, the first of which is the `first` of all.
    pub(super) fn of(scope: ScopeId, key: &'a str, charges: &[Charge], first: usize) -> Self {
        let order = by_name(charges);
        let limits = order.iter().map(|nth| charges[*nth].limit).collect();
        let charges =
            order.iter().map(|nth| (first + nth, micros::charge(&charges[*nth]))).collect();
        Self { scope, key, charges, limits }
    }
}

/// What an order holds within a part, as its record tells it.
pub(super) fn held(
    order: &Order<'_>,
    part: &Part<'_>,
    tags: &[u8],
    (owner, node): (u64, f64),
) -> Record {
    let cells = part.cells.iter().map(|asked| {
        let mut nths: Vec<usize> = asked.charges.iter().map(|(nth, _)| *nth).collect();
        nths.sort_unstable();
        let charges = nths.iter().map(|nth| order.charges[*nth]);
        Held {
            scope: asked.scope,
            key: asked.key.into(),
            charges: charges.filter(|charge| !is_session(charge)).collect(),
        }
    });
    Record {
        version: 1,
        at: 0.0,
        expires: 0.0,
        expired: false,
        keep: order.keep,
        owner,
        node,
        demand: order.demand,
        tags: tags.to_vec(),
        cells: cells.collect(),
        added: Vec::new(),
    }
}

pub(super) const fn is_session(charge: &Charge) -> bool {
    matches!(charge.rule.kind, Kind::Sessions { .. })
}
