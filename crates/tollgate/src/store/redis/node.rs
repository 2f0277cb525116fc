//! One node of several that share their accounts.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use arc_swap::ArcSwap;
use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;
use tollgate_core::{
    Now, Order, Policy, ReservationId, Standing, policy::settings::OnStoreFailure,
};

use super::{
    Exact, Local, Shared,
    away::{
        Complaint, Known, Members, Modes, Outages, Outbox, Share, State, StoreFailures, Switch,
    },
    local::books,
    money::{AccountBound, Lately, Overspend, Witness, Written},
    underway::Underway,
};

use crate::StoreError;

/// A store that several nodes share, asked by one of them.
///
/// The shared store `X` decides. What it grants to this node is also written in the node's own
/// books, which are therefore exactly its part of what is used. While the shared store is away,
/// the books decide, by what each limit says ([`OnStoreFailure`]); when it is back, it is told
/// what was decided, and then its numbers are the sums of all nodes' books again.
#[derive(Debug)]
pub struct Redis<X = Shared> {
    pub(super) shared: X,
    pub(super) local: Local,
    pub(super) known: Known,
    pub(super) switch: Switch,
    pub(super) outages: Outages,
    pub(super) outbox: Outbox,
    pub(super) written: Written,
    pub(super) lately: Lately,
    pub(super) witness: Witness,
    pub(super) damage: Damage,
    /// What ends now, each by one at a time.
    pub(super) underway: Underway,
    /// Held by who ends something in the shared store and then in the books; who counts the
    /// books waits until nobody is between the two.
    pub(super) ends: tokio::sync::RwLock<()>,
    /// Held by who changes the books and the outbox together.
    pub(super) both: RwLock<()>,
    /// Held by who tells the shared store what it does not know: one at a time.
    pub(super) telling: tokio::sync::Mutex<()>,
    /// Held by who tells the shared store the last of what it does not know: nobody decides
    /// alone meanwhile, or there would always be something more to tell.
    pub(super) returning: tokio::sync::RwLock<()>,
    complaint: Complaint,
    members: Mutex<Members>,
    usual: OnStoreFailure,
    modes: ArcSwap<Modes>,
}

/// Whether the shared store has lost what it was told.
#[derive(Debug)]
pub(super) struct Damage {
    seen: AtomicU64,
    repaired: AtomicU64,
    /// Whether the other nodes have repaired theirs, as far as is known.
    others_are_whole: AtomicBool,
}

impl<X: Exact> Redis<X> {
    /// A node over a shared store, with books of its own. Nothing is shared until
    /// [`recover`](Self::recover) has told the shared store what the books know, or it was found
    /// to be away and this node knows with how many others it shares.
    pub fn new(shared: X, local: impl Into<Local>, usual: OnStoreFailure, policy: &Policy) -> Self {
        let mut local = local.into();
        let untold = local.take_untold();
        let node = Self {
            shared,
            local,
            known: Known::default(),
            switch: Switch::starting(),
            outages: Outages::default(),
            outbox: Outbox::default(),
            written: Written::default(),
            lately: Lately::default(),
            witness: Witness::default(),
            damage: Damage::first(),
            underway: Underway::default(),
            ends: tokio::sync::RwLock::default(),
            both: RwLock::default(),
            telling: tokio::sync::Mutex::default(),
            returning: tokio::sync::RwLock::default(),
            complaint: Complaint::default(),
            members: Mutex::new(Members::UNKNOWN),
            usual,
            modes: ArcSwap::from_pointee(Modes::new(usual, policy)),
        };
        node.tell_again(untold);
        node.shared.note_policy(policy);
        node.shared.follow(node.switch.watch());
        node.expire_orphans();
        node
    }

    /// The shared store.
    pub const fn shared(&self) -> &X {
        &self.shared
    }

    /// The node's own books.
    pub const fn local(&self) -> &Local {
        &self.local
    }

    /// Takes note of a policy's limits.
    pub fn note_policy(&self, policy: &Policy) {
        self.local.note_policy(policy);
        self.shared.note_policy(policy);
        self.modes.store(Modes::new(self.usual, policy).into());
    }

    /// Takes note of how many nodes lived when it was last known, for as long as nobody tells it.
    /// Which of them this one was does not matter, so what does not divide is nobody's.
    pub fn remember_members(&self, live: u64) {
        let mut members = self.members.lock();
        if members.are_unknown() && live > 0 {
            *members = Members::any_of(live);
        }
    }

    /// Waits until the shared store was found to be there and told what the books know, or was
    /// found to be away.
    pub async fn found(&self) {
        let mut state = self.switch.watch();
        // The switch lives as long as this.
        let _ = state.wait_for(|_| self.switch.is_found()).await;
    }

    /// Whether anything of a limit that is shared can be decided: by the shared store, or since
    /// this node knows its part.
    pub fn can_share(&self) -> bool {
        self.switch.is_up() || !self.sharers().are_unknown()
    }

    /// Who shares now, as far as is known. Until the shared store was found to be away, it may
    /// be there, and what others used of it is not known yet.
    fn sharers(&self) -> Members {
        if self.switch.is_found() { *self.members.lock() } else { Members::UNKNOWN }
    }

    /// Takes note of which nodes live. It counts for outages that begin from now on.
    pub fn note_members(&self, members: Members) {
        *self.members.lock() = members;
        self.shared.note_nodes(u32::try_from(members.live).unwrap_or(u32::MAX));
    }

    /// Takes note that the shared store has lost what it had acknowledged, as after a failover
    /// or a restart without its files. This node decides by itself until it has told it again.
    pub fn note_loss(&self, why: &str, now: Now) {
        self.damage.seen.fetch_add(1, SeqCst);
        self.known.forget();
        self.shared.note_loss();
        self.leave(why, now);
        // What ends from now on may be unknown there.
        books!(self.local, books => books.live()).into_iter().for_each(|id| self.outbox.meet(id));
    }

    /// Gives back what this node has in store of accounts, before it ends.
    pub async fn hand_back(&self) {
        self.shared.hand_back().await;
    }

    /// Takes note whether the other nodes have told the shared store again what it lost. Until
    /// then this one does not come back.
    pub(super) fn note_others_whole(&self, are_whole: bool) {
        self.damage.others_are_whole.store(are_whole, SeqCst);
    }

    /// Whether there are other nodes, as far as is known.
    pub(super) fn has_others(&self) -> bool {
        let members = *self.members.lock();
        members.live > 1 && !members.are_unknown()
    }

    /// Whether the shared store knows all that this node had told it when it was lost.
    pub fn is_whole(&self) -> bool {
        self.damage.is_repaired()
    }

    /// Who decides: watched by those that raise an alarm.
    pub fn state(&self) -> watch::Receiver<State> {
        self.switch.watch()
    }

    /// How often it was decided without the shared store.
    pub fn failures(&self) -> StoreFailures {
        self.switch.failures.read()
    }

    /// How much is still to be told to the shared store: ends, and live reservations.
    pub fn untold(&self) -> (usize, usize) {
        self.outbox.waiting()
    }

    /// The most that may be spent beyond the limits when the shared store fails now, by this
    /// node; for all of them, it is the sum.
    pub fn overspend(&self) -> Overspend {
        let (modes, members) = (self.modes.load(), self.sharers());
        let away = modes.limits().map(|(limit, cap, mode)| {
            let at_most = match mode {
                OnStoreFailure::Share => Some(members.share(cap)),
                OnStoreFailure::Open => None,
                OnStoreFailure::Closed => Some(0),
            };
            AccountBound { limit, at_most }
        });
        Overspend { unacknowledged: self.written.unacknowledged(), away: away.collect() }
    }

    /// The same for each account of an order, by what was last heard of it: what this node may
    /// add beyond the limit in an outage that begins, or goes on, now.
    pub fn may_add(&self, order: &Order<'_>, now: Now) -> Vec<AccountBound> {
        self.sharing(now, |share| {
            let bound = |(group, charge): (&tollgate_core::Group, &tollgate_core::Charge)| {
                let place = (group.scope, group.key.as_str());
                let at_most = match share.mode(charge.limit) {
                    OnStoreFailure::Share => {
                        Some(self.known.part(place, charge, &share.outage, now).allowance)
                    }
                    OnStoreFailure::Open => None,
                    OnStoreFailure::Closed => Some(0),
                };
                AccountBound { limit: charge.limit, at_most }
            };
            let accounts = order.parts();
            let each = accounts.flat_map(|(group, all)| all.iter().map(move |one| (group, one)));
            each.map(bound).collect()
        })
    }

    /// How accounts are shared in the outage at `now`.
    pub(super) fn sharing<T>(&self, now: Now, ask: impl FnOnce(&Share<'_>) -> T) -> T {
        let (modes, alone) = (self.modes.load(), self.alone(now));
        ask(&Share { modes: &modes, known: &self.known, outage: alone.outage })
    }

    /// What a call that had no answer means.
    pub(super) fn failed(&self, why: &str, now: Now) {
        if self.switch.failed(why, now.time) {
            self.alone(now);
        }
    }

    /// The shared store has not done what it was asked, so this node does it by its books.
    /// What concerns one key alone says nothing of the others.
    pub(super) fn does_without(&self, error: &StoreError, now: Now) {
        if let StoreError::Away(why) = error {
            return self.failed(why, now);
        }
        self.switch.answered();
        if self.complaint.may_be_told(now.time) {
            tracing::error!(%error, "this node decides by its own books what is asked of that");
        }
    }

    /// The shared store is away.
    pub(super) fn miss(&self, why: &str, now: Now) {
        self.switch.found();
        self.leave(why, now);
    }

    /// This node decides by itself from now on.
    pub(super) fn leave(&self, why: &str, now: Now) {
        if self.switch.leave(why, now.time) {
            self.alone(now);
        }
    }

    pub(super) fn alone(&self, now: Now) -> std::sync::Arc<super::away::Alone> {
        self.outages.at(now, self.sharers())
    }

    /// Remembers where the accounts of an order stand, where the shared store told it.
    pub(super) fn hear(&self, order: &Order<'_>, all: &[Standing], now: Now) {
        if !all.is_empty() {
            let own = books!(self.local, books => books.standings_now(order, now));
            self.known.note(order, (all, &own), now.time);
        }
    }

    /// What the books know to be held under an id, as an order that the shared store takes in.
    pub(super) async fn introduce(&self, id: ReservationId, now: Now) -> Result<(), StoreError> {
        let met = self.outbox.met(id);
        if let Some(held) = books!(self.local, books => books.holding(id)) {
            let nobody = tollgate_core::Attributes::new();
            let order = Order { keep: true, ..held.order(&nobody) };
            self.shared.introduce(&order, now).await?;
        }
        self.outbox.part_with(id, met);
        Ok(())
    }

    /// The same once no end of it is on its way, which would make it unknown there a moment before
    /// the books know of it: what has ended is not introduced again. Whether it lives.
    pub(super) async fn introduce_living(
        &self,
        id: ReservationId,
        now: Now,
    ) -> Result<bool, crate::StoreError> {
        let _turn = self.underway.turn(id).await;
        let lives = self.is_held(id);
        if lives {
            self.introduce(id, now).await?;
        }
        Ok(lives)
    }
}

impl Damage {
    /// A node that starts may know what the shared store does not.
    const fn first() -> Self {
        Self {
            seen: AtomicU64::new(1),
            repaired: AtomicU64::new(0),
            others_are_whole: AtomicBool::new(true),
        }
    }

    pub(super) fn seen(&self) -> u64 {
        self.seen.load(SeqCst)
    }

    /// What was seen so far is repaired.
    pub(super) fn repair(&self, seen: u64) {
        self.repaired.fetch_max(seen, SeqCst);
    }

    pub(super) fn is_repaired(&self) -> bool {
        self.repaired.load(SeqCst) == self.seen()
    }

    pub(super) fn others_are_whole(&self) -> bool {
        self.others_are_whole.load(SeqCst)
    }
}
