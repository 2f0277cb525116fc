//! A ledger on a disk that is watched, and what may be spent there.

use std::{path::Path, sync::Arc, time::Duration};

use faults::{Disk, VFS};
use jiff::tz::TimeZone;
use tempfile::TempDir;
use tollgate::{
    Clock, Embedded, Store as _,
    core::{
        Amounts, Attribute, Attributes, Calendar, NanoUsd, Order, PeriodUnit, Policy,
        ReservationId, Time, Unit,
        policy::{Limit, Measure},
    },
    store::embedded::{EmbeddedBounds, LedgerError},
};

/// Morning, so that a scenario of hours stays within its day.
pub(crate) const MORNING: Time = Time::from_millis(1_795_248_000_000);

/// Who spends.
pub(crate) const USERS: [&str; 3] = ["ann", "bob", "eve"];

/// A ledger's folder, watched.
pub(crate) struct World {
    pub(crate) folder: TempDir,
    pub(crate) disk: Disk,
}

/// Whether the long form of a test was asked for.
pub(crate) fn is_long() -> bool {
    std::env::var_os("TOLLGATE_LONG").is_some()
}

/// A folder in memory where there is such a thing, since a sync there takes no time; what a
/// sync makes durable is for the watch to say.
pub(crate) fn folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a folder")
}

impl World {
    pub(crate) fn new() -> Self {
        let folder = folder();
        let disk = Disk::at(folder.path());
        Self { folder, disk }
    }

    /// Opens the ledger on the watched disk.
    pub(crate) fn open(&self) -> Result<(Embedded, Clock), LedgerError> {
        open(self.folder.path(), Some(VFS))
    }

    /// Opens it at an instant, to keep rows for so long.
    pub(crate) fn open_keeping(
        &self,
        at: Time,
        retention: Duration,
    ) -> Result<(Embedded, Clock), LedgerError> {
        open_at(self.folder.path(), Some(VFS), at, Some(retention))
    }
}

/// Opens the ledger of a folder, no earlier than what it knows.
pub(crate) fn open(
    folder: &Path,
    vfs: Option<&'static str>,
) -> Result<(Embedded, Clock), LedgerError> {
    open_at(folder, vfs, MORNING, None)
}

/// Opens the ledger of a folder at an instant, no earlier than what it knows.
pub(crate) fn open_at(
    folder: &Path,
    vfs: Option<&'static str>,
    at: Time,
    retention: Option<Duration>,
) -> Result<(Embedded, Clock), LedgerError> {
    // So few that accounts are written down, and the log is moved, in the middle of everything.
    let bounds = EmbeddedBounds {
        max_replay: 60,
        max_log_pages: 150,
        max_grants: 0,
        retention,
        vfs,
        ..EmbeddedBounds::default()
    };
    let clock = |floor: Time| Clock::set_at(at.max(floor));
    let (store, clock) = Embedded::open(&path(folder), bounds, clock)?;
    store.note_policy(&policy());
    Ok((store, clock))
}

pub(crate) fn path(folder: &Path) -> std::path::PathBuf {
    folder.join("tollgate.db")
}

pub(crate) fn redo(folder: &Path) -> std::path::PathBuf {
    folder.join("tollgate.db-redo")
}

pub(crate) fn policy() -> Policy {
    let user = &[Attribute::User];
    let day = Arc::new(Calendar::new(PeriodUnit::Day, TimeZone::UTC));
    let budget = || Measure::Period { calendar: Arc::clone(&day), cap: 1_000_000_000_000_000 };
    let minute = Measure::Window { length: Duration::from_secs(60), cap: 1_000_000 };
    Policy::new(vec![
        Limit::new("spend", user, Unit::Usd, budget()),
        Limit::new("minute", user, Unit::Requests, minute),
        Limit::new("slots", &[], Unit::Requests, Measure::Concurrency { cap: 1_000_000 }),
        Limit::new("all", &[], Unit::Usd, budget()),
    ])
    .expect("limits of different names")
}

pub(crate) fn who(user: &str) -> Attributes {
    Attributes::new().with(Attribute::User, user)
}

/// One request of that price.
pub(crate) fn costing(nanos: u64) -> Amounts {
    Amounts { input_tokens: 10, cost: NanoUsd(nanos), ..Amounts::ONE_REQUEST }
}

pub(crate) fn order<'a>(
    policy: &Policy,
    (id, who, demand): (u128, &'a Attributes, &Amounts),
    clock: &Clock,
) -> Order<'a> {
    let now = clock.now();
    let expires = now.time.after(Duration::from_secs(600));
    let mut order = policy.order(ReservationId(id), who, demand, now, expires);
    order.keep = true;
    order
}

/// What counts against the money of a user.
pub(crate) async fn counted((store, clock): &(Embedded, Clock), user: &str) -> u64 {
    let (policy, who) = (policy(), who(user));
    let order = order(&policy, (0, &who, &costing(0)), clock);
    let spend = policy.limits().iter().find(|limit| limit.name == "spend").expect("spend").id;
    let standings = store.standings(&order, clock.now()).await.expect("a store that answers");
    let standing = standings.iter().find(|standing| standing.limit == spend).expect("spend");
    standing.cap - standing.remaining
}
