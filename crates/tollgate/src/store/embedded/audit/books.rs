//! Every reservation and every account, entered row by row.

use std::collections::{BTreeMap, HashMap};

use rusqlite::Connection;
use tollgate_core::{Amounts, Charge, LimitId, ReservationId, Unit};

use super::{
    Audit, Balance, LimitBalance,
    check::{Above, Check, End, Hold},
    old::{self, Old, Summary},
};
use crate::store::embedded::{
    entry::{Entry, EntryCharge},
    rules::Rules,
    schema::EntryKind,
};

/// The audit in the making.
pub(super) struct Books {
    rules: Rules,
    names: HashMap<LimitId, String>,
    /// Places in `keys`, by the number of a cell.
    cells: HashMap<u32, usize>,
    keys: Vec<String>,
    accounts: BTreeMap<(LimitId, usize), Account>,
    open: HashMap<ReservationId, Reservation>,
    old: Old,
    last_seq: u64,
    /// The overrun that the next row must tell.
    owed: Option<(ReservationId, Amounts)>,
    audit: Audit,
}

struct Account {
    unit: Unit,
    balance: Balance,
    check: Check,
}

#[derive(Default)]
struct Reservation {
    demand: Amounts,
    parcels: Vec<Parcel>,
    expired: bool,
}

struct Parcel {
    seq: u64,
    cell: u32,
    rule: i64,
    charge: Charge,
}

impl Books {
    pub(super) fn new(rules: Rules, connection: &Connection) -> rusqlite::Result<Self> {
        let mut names = HashMap::new();
        let mut statement = connection.prepare("SELECT id, name FROM limits")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            names.insert(LimitId(row.get::<_, i64>(0)?.cast_unsigned()), row.get(1)?);
        }
        let (mut cells, mut keys) = (HashMap::new(), Vec::new());
        let mut places: HashMap<(i64, String), usize> = HashMap::new();
        let mut statement = connection.prepare("SELECT number, scope, key FROM cells")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let key: String = row.get(2)?;
            let place = *places.entry((row.get(1)?, key.clone())).or_insert_with(|| {
                keys.push(key);
                keys.len() - 1
            });
            cells.insert(row.get(0)?, place);
        }
        let (accounts, open) = (BTreeMap::new(), HashMap::new());
        let (old, audit) = (Old::read(connection)?, Audit::default());
        let mut books =
            Self { rules, names, cells, keys, accounts, open, old, last_seq: 0, owed: None, audit };
        books.begin(connection)?;
        Ok(books)
    }

    /// Begins with the sums of what is no row any more.
    fn begin(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        self.audit.reservations = self.old.reservations;
        self.audit.compacted = self.old.rows;
        self.audit.settled = self.old.settled;
        self.audit.overrun = self.old.overrun;
        for Summary { cell, rule, balance, ever } in old::summaries(connection)? {
            let (charge, place) = (self.rules.charge(rule), self.cells.get(&cell).copied());
            let (Some(charge), Some(place)) = (charge, place) else {
                self.audit.find(format!("the sums of account {cell} name what there is none of"));
                continue;
            };
            let account = self.account(place, &charge);
            account.balance = account.balance.plus(&balance);
            account.check.begin(charge.rule.kind, ever);
        }
        Ok(())
    }

    fn account(&mut self, place: usize, charge: &Charge) -> &mut Account {
        let Charge { limit, rule, unit, .. } = *charge;
        let account = self.accounts.entry((limit, place)).or_insert_with(|| Account {
            unit,
            balance: Balance::default(),
            check: Check::new(rule.kind),
        });
        if !account.check.is_for(rule.kind) {
            account.check = Check::new(rule.kind);
        }
        account
    }

    /// Enters a row.
    pub(super) fn enter(&mut self, entry: &Entry) {
        self.audit.entries += 1;
        self.old.left += u64::from(entry.seq <= self.old.upto);
        let next = self.last_seq.max(self.old.upto) + 1;
        if entry.seq > self.old.upto && entry.seq != next {
            self.audit.find(format!("row {next} is missing before row {}", entry.seq));
        }
        self.last_seq = entry.seq;
        self.overrun(entry);
        match entry.kind {
            EntryKind::Reserve => {
                self.audit.reservations += 1;
                self.audit.lost += u64::from(entry.estimated);
                if self.open.insert(entry.id, Reservation::default()).is_some() {
                    self.wrong(entry, "reserves an id that has not ended");
                }
                self.hold(entry);
            }
            EntryKind::Extend => self.hold(entry),
            EntryKind::Settle | EntryKind::Void | EntryKind::Expire => self.end(entry),
            EntryKind::Renew if !self.open.contains_key(&entry.id) => {
                self.wrong(entry, "renews what was not reserved");
            }
            EntryKind::Renew | EntryKind::Overrun => {}
            EntryKind::EndSession => {
                for EntryCharge { cell, rule, .. } in &entry.charges {
                    let limit = LimitId(rule.cast_unsigned());
                    if let Some(place) = self.cells.get(cell)
                        && let Some(account) = self.accounts.get_mut(&(limit, *place))
                    {
                        account.check.end_session(&entry.session);
                    }
                }
            }
        }
    }

    /// Closes the books.
    pub(super) fn close(mut self) -> Audit {
        let Old { upto, rows, left, .. } = self.old;
        if rows + left != upto {
            self.audit.find(format!(
                "of the first {upto} rows, {rows} are in the sums of what is old and {left} are there"
            ));
        }
        self.audit.accounts = self.accounts.len();
        self.audit.outstanding = self.open.len() as u64;
        self.audit.expired = self.open.values().filter(|open| open.expired).count() as u64;
        let mut sums: BTreeMap<LimitId, (Unit, Balance)> = BTreeMap::new();
        let mut accounts = std::mem::take(&mut self.accounts);
        for ((limit, place), account) in &mut accounts {
            if let Some(above) = account.check.close() {
                self.above((*limit, *place), above);
            }
            if !account.balance.is_even() {
                let (limit, key) = (self.name(*limit), &self.keys[*place]);
                let balance = account.balance;
                self.audit.find(format!(
                    "{limit} of `{key}` does not add up: of {} reserved, {} are settled, {} released, {} expired and {} held",
                    balance.reserved, balance.settled, balance.released, balance.expired, balance.held,
                ));
            }
            let (_, sum) = sums.entry(*limit).or_insert((account.unit, Balance::default()));
            *sum = sum.plus(&account.balance);
        }
        for (limit, (unit, balance)) in sums {
            let limit = self.name(limit);
            self.audit.limits.push(LimitBalance { limit, unit, balance });
        }
        self.audit.limits.sort_by(|a, b| a.limit.cmp(&b.limit));
        self.audit
    }

    /// Takes what a row reserves.
    fn hold(&mut self, entry: &Entry) {
        let Some(mut reservation) = self.open.remove(&entry.id) else {
            return self.wrong(entry, "extends what was not reserved");
        };
        reservation.demand = reservation.demand.plus(&entry.amounts);
        for EntryCharge { cell, rule, amount, .. } in &entry.charges {
            let Some(charge) = self.rules.charge(*rule) else {
                self.wrong(entry, "names a rule that there is none of");
                continue;
            };
            let charge = Charge { amount: *amount, ..charge };
            if !charge.rule.kind.is_slot() && *amount != entry.amounts.of(charge.unit) {
                self.wrong(entry, "charges another amount than it reserves");
            }
            let parcel = Parcel { seq: entry.seq, cell: *cell, rule: *rule, charge };
            self.charge(entry, &parcel);
            reservation.parcels.push(parcel);
        }
        self.open.insert(entry.id, reservation);
    }

    fn charge(&mut self, entry: &Entry, parcel: &Parcel) {
        let Some(place) = self.cells.get(&parcel.cell).copied() else {
            return self.wrong(entry, "names an account that there is none of");
        };
        let Charge { limit, rule, amount, shadow, .. } = parcel.charge;
        // What a crash may have lost is not known to have been admitted.
        let shadow = shadow || entry.estimated;
        self.audit.checks += u64::from(!shadow);
        let account = self.account(place, &parcel.charge);
        account.balance.reserved += amount;
        account.balance.held += amount;
        let (seq, at) = (entry.seq, entry.now.time);
        let hold = Hold { seq, at, amount, rule, session: &entry.session, shadow };
        if let Some(above) = account.check.hold(hold) {
            self.above((limit, place), above);
        }
    }

    /// Ends what rows before have reserved.
    fn end(&mut self, entry: &Entry) {
        let Some(mut reservation) = self.open.remove(&entry.id) else {
            return self.wrong(entry, "ends what was not reserved, or has ended before");
        };
        if reservation.parcels.len() != entry.charges.len() {
            self.wrong(entry, "ends other charges than were reserved");
        }
        for (parcel, ended) in reservation.parcels.iter().zip(&entry.charges) {
            if (parcel.cell, parcel.rule, parcel.charge.amount)
                != (ended.cell, ended.rule, ended.amount)
            {
                self.wrong(entry, "ends other charges than were reserved");
            }
            self.uncharge(entry, parcel, ended.used, reservation.expired);
        }
        self.compare(entry, &reservation);
        match entry.kind {
            EntryKind::Expire => {
                reservation.expired = true;
                self.open.insert(entry.id, reservation);
            }
            EntryKind::Settle => {
                self.audit.settled = self.audit.settled.plus(&entry.amounts);
                let overrun = entry.amounts.beyond(&reservation.demand);
                self.owed = (overrun != Amounts::default()).then_some((entry.id, overrun));
            }
            _ => {}
        }
    }

    fn uncharge(&mut self, entry: &Entry, parcel: &Parcel, used: u64, expired: bool) {
        let Some(place) = self.cells.get(&parcel.cell) else { return };
        let Charge { limit, rule, amount: held, .. } = parcel.charge;
        let Some(account) = self.accounts.get_mut(&(limit, *place)) else { return };
        let from = if expired { &mut account.balance.expired } else { &mut account.balance.held };
        *from = from.saturating_sub(held);
        let within = used.min(held);
        if entry.kind == EntryKind::Expire {
            account.balance.expired += within;
        } else {
            account.balance.settled += within;
        }
        account.balance.released += held - within;
        account.balance.overrun += used - within;
        let (hold_seq, seq, at) = (parcel.seq, entry.seq, entry.now.time);
        account.check.end(End { hold_seq, seq, at, rule, held, used, expired });
    }

    /// What the charges end with must be what the row says was used.
    fn compare(&mut self, entry: &Entry, reservation: &Reservation) {
        if entry.kind != EntryKind::Settle {
            return;
        }
        let mut used: BTreeMap<(LimitId, u32), (Unit, u64)> = BTreeMap::new();
        for (parcel, ended) in reservation.parcels.iter().zip(&entry.charges) {
            if !parcel.charge.rule.kind.is_slot() {
                let key = (parcel.charge.limit, parcel.cell);
                used.entry(key).or_insert((parcel.charge.unit, 0)).1 += ended.used;
            }
        }
        if used.values().any(|(unit, used)| *used != entry.amounts.of(*unit)) {
            self.wrong(entry, "charges another amount than was used");
        }
    }

    /// An overrun is never silent: the row after a settlement tells it.
    fn overrun(&mut self, entry: &Entry) {
        let owed = self.owed.take();
        let told = (entry.kind == EntryKind::Overrun).then_some((entry.id, entry.amounts));
        if owed != told {
            self.wrong(entry, "is not the overrun that the row before it calls for");
        }
        if let Some((_, overrun)) = told {
            self.audit.overrun = self.audit.overrun.plus(&overrun);
        }
    }

    fn above(&mut self, (limit, place): (LimitId, usize), above: Above) {
        let (limit, key) = (self.name(limit), &self.keys[place]);
        let Above { seq, sum, cap } = above;
        self.audit
            .find(format!("row {seq} takes {limit} of `{key}` to {sum}, above its limit of {cap}"));
    }

    fn wrong(&mut self, entry: &Entry, what: &str) {
        self.audit.find(format!("row {} of {:032x} {what}", entry.seq, entry.id.0));
    }

    fn name(&self, limit: LimitId) -> String {
        self.names.get(&limit).cloned().unwrap_or_else(|| format!("limit {:016x}", limit.0))
    }
}
