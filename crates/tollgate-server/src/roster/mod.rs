//! The roster: who may ask for what, as operators change it while the gateway runs.
//!
//! It is a file of its own beside the ledger. A change is on the disk, with the row that tells
//! who made it, before anybody is told that it was made. Requests never read the file: they see
//! a snapshot in memory, which is read anew when this process has changed the roster, and
//! within a second when another one has.

mod audit;
mod book;
mod circuits;
mod emergency;
mod error;
mod items;
mod keys;
mod learned;
mod moment;
mod opened;
mod overrides;
mod privileges;
mod provider_keys;
mod seal;
mod sharing;
mod signed;
mod snapshot;
mod terms;
#[cfg(test)]
mod tests;
mod trail;
mod vault;

use std::{sync::Arc, time::Duration};

use arc_swap::{ArcSwap, Guard};
use parking_lot::Mutex;
use tokio::sync::watch;
use tollgate_core::{Policy, policy::Settings};

pub(crate) use audit::{AuditRow, By, Chain, Change};
pub(crate) use book::Book;
pub(crate) use circuits::{Force, ForcedCircuit, Which};
pub(crate) use emergency::{Emergency, Siren};
pub(crate) use error::RosterError;
pub(crate) use items::Item;
pub(crate) use keys::{Draft, Key, Listing};
pub(crate) use moment::Moment;
pub(crate) use privileges::{Of, Override, Tier, Whose};
pub(crate) use seal::ProviderKey;
pub(crate) use sharing::{Adopted, News, Untold, When};
pub(crate) use signed::{About, Signer, Unsigned};
pub(crate) use snapshot::{ManagedKey, Snapshot};
pub(crate) use terms::{Budget, Terms, check_provider};
pub(crate) use trail::Trail;
pub(crate) use vault::KeyText;
pub(crate) use vault::private;
use vault::{Hasher, Vault};

use crate::{app::App, dials::Dials, emergency::Board, guards::Accounts};

/// The roster of a running process.
#[derive(Debug)]
pub(crate) struct Roster {
    book: Mutex<Opened>,
    snapshot: ArcSwap<Snapshot>,
    dials: Arc<Dials>,
    emergency: Arc<Board>,
    /// Rung by every change, whoever made it.
    changed: watch::Sender<()>,
}

#[derive(Debug)]
struct Opened {
    book: Book,
    /// The file's version when it was last read.
    seen: i64,
}

/// How often it is looked whether another process has changed the roster: that is a look at a
/// number in shared memory, and an emergency that a command begins must not be late.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

impl Roster {
    /// Opens the roster of a policy.
    ///
    /// # Errors
    /// When the file or the secret cannot be used.
    pub(crate) fn open(settings: &Settings) -> Result<Self, RosterError> {
        let mut book = Book::open(settings)?;
        let seen = book.version()?;
        let (dials, emergency) = (Arc::default(), Arc::<Board>::default());
        emergency.set(&book.siren()?);
        let nobody = Snapshot::none(Arc::clone(&dials), Arc::clone(&emergency));
        let snapshot = nobody.read(&mut book)?;
        Ok(Self {
            book: Mutex::new(Opened { book, seen }),
            snapshot: ArcSwap::from_pointee(snapshot),
            dials,
            emergency,
            changed: watch::Sender::new(()),
        })
    }

    /// The roster as it is now. A request looks once and keeps what it saw.
    pub(crate) fn snapshot(&self) -> Guard<Arc<Snapshot>> {
        self.snapshot.load()
    }

    /// Tells the keys of providers apart, as the next process does.
    pub(crate) fn accounts(&self) -> Accounts {
        self.book.lock().book.accounts()
    }

    /// What limits are dialed to.
    pub(crate) fn dials(&self) -> &Dials {
        &self.dials
    }

    /// Whether there is an emergency.
    pub(crate) const fn emergency(&self) -> &Arc<Board> {
        &self.emergency
    }

    /// Serves another policy from here on.
    pub(crate) fn adopt(&self, policy: Arc<Policy>) {
        let _held = self.book.lock();
        self.snapshot.store(Arc::new(self.snapshot.load().under(policy)));
    }

    /// Changes the file; what was changed holds when this returns. It waits for the disk, so
    /// workers that serve must not call it.
    ///
    /// # Errors
    /// What the file or what was asked for is at fault for.
    pub(crate) fn change<T>(
        &self,
        make: impl FnOnce(&mut Book) -> Result<T, RosterError>,
    ) -> Result<T, RosterError> {
        let mut opened = self.book.lock();
        let made = make(&mut opened.book)?;
        self.read(&mut opened)?;
        self.changed.send_replace(());
        Ok(made)
    }

    /// Takes over what other nodes changed; what changed holds when this returns. It waits for the
    /// disk.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub(crate) fn take_over(
        &self,
        take: impl FnOnce(&mut Book) -> Result<Vec<Adopted>, RosterError>,
    ) -> Result<Vec<Adopted>, RosterError> {
        let mut opened = self.book.lock();
        let adopted = take(&mut opened.book)?;
        if adopted.contains(&Adopted::Changed) {
            self.read(&mut opened)?;
        }
        Ok(adopted)
    }

    /// Wakes whoever is to know of changes.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Signs what is told to other nodes.
    pub(crate) fn signer(&self) -> Signer {
        self.book.lock().book.signer()
    }

    /// From which secret keys are made here, by a hash of it.
    pub(crate) fn secret(&self) -> String {
        self.book.lock().book.secret().to_owned()
    }

    /// Reads the file, or writes what no request sees of it: workers that serve must not call it.
    ///
    /// # Errors
    /// What the file or what was asked for is at fault for.
    pub(crate) fn ask<T>(
        &self,
        read: impl FnOnce(&mut Book) -> Result<T, RosterError>,
    ) -> Result<T, RosterError> {
        read(&mut self.book.lock().book)
    }

    /// Reads the file anew if another process has changed it; whether it has.
    ///
    /// # Errors
    /// When it cannot be read; the next look tries again.
    pub(crate) fn look(&self) -> Result<bool, RosterError> {
        let mut opened = self.book.lock();
        let version = opened.book.version()?;
        if version == opened.seen {
            return Ok(false);
        }
        self.read(&mut opened)?;
        opened.seen = version;
        self.changed.send_replace(());
        Ok(true)
    }

    fn read(&self, opened: &mut Opened) -> Result<(), RosterError> {
        // First, since it is short, and a roster may be long.
        self.emergency.set(&opened.book.siren()?);
        let snapshot = self.snapshot.load().read(&mut opened.book)?;
        self.snapshot.store(Arc::new(snapshot));
        Ok(())
    }
}

/// Sees to it that what other processes change takes effect in this one.
pub(crate) async fn attend(app: Arc<App>) {
    let mut is_failing = false;
    loop {
        tokio::time::sleep(LOOK_INTERVAL).await;
        let looking = Arc::clone(&app);
        let looked = tokio::task::spawn_blocking(move || looking.roster.look()).await;
        let Ok(looked) = looked else { return };
        match looked {
            Ok(true) => {
                app.force_circuits();
                // Told when it holds, so that whoever waits for it can rely on it.
                tracing::info!("the roster was changed by another process");
            }
            Ok(false) => {}
            // Once is enough to say so.
            Err(_) if is_failing => continue,
            Err(ref error) => tracing::error!(%error, "the roster stays as it was"),
        }
        is_failing = looked.is_err();
    }
}
