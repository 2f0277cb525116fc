//! The roster's file: an SQLite database beside the ledger, which any process of the operator
//! may read and change at any time.
//!
//! A change and its row of the audit are one transaction, and on the disk before anybody is
//! told that it was made.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};
use tollgate_core::policy::Settings;

use super::{
    AuditRow, By, Chain, RosterError, Signer, Vault,
    audit::{self, Change},
    sharing, vault,
};
use crate::guards::Accounts;

/// The roster's file, opened.
#[derive(Debug)]
pub(crate) struct Book {
    pub(super) connection: Connection,
    vault: Vault,
}

/// Marks an SQLite file as a roster: "Tolr".
const APPLICATION_ID: i64 = 0x546f_6c72;

/// The format that this version writes.
const FORMAT: i64 = 6;

const SCHEMA: &str = include_str!("schema.sql");

/// What later formats added, from the second on.
const ADDED: [&str; 5] = [
    include_str!("circuits.sql"),
    include_str!("opened.sql"),
    include_str!("learned.sql"),
    include_str!("emergency.sql"),
    include_str!("shared.sql"),
];

/// How long another process's change is waited for.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How long after another one a new file's mode is changed.
const APART: Duration = Duration::from_millis(5);

impl Book {
    /// Opens the roster of a policy, and makes it if there is none. Where numbers are kept in
    /// memory, so is the roster.
    ///
    /// # Errors
    /// When the file or the secret cannot be used.
    pub(crate) fn open(settings: &Settings) -> Result<Self, RosterError> {
        match settings.store.ledger() {
            None => {
                let connection = Connection::open_in_memory()?;
                let vault = Vault::of(settings, None)?;
                Self::begin(connection, vault, Path::new("in memory"))
            }
            Some(ledger) => {
                let path = beside(ledger, "-roster");
                let key = beside(ledger, "-roster-key");
                if !path.exists() {
                    // Its owner's alone from the start; SQLite gives its log the same rights.
                    match vault::private(&path) {
                        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                            return Err(RosterError::of_file(&path, &error));
                        }
                        _ => {}
                    }
                }
                let vault = Vault::of(settings, Some(&key))?;
                let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
                let connection = Connection::open_with_flags(&path, flags)
                    .map_err(|error| RosterError::of_file(&path, &error))?;
                Self::begin(connection, vault, &path)
            }
        }
    }

    fn begin(mut connection: Connection, vault: Vault, path: &Path) -> Result<Self, RosterError> {
        let failed = |error: rusqlite::Error| RosterError::of_file(path, &error);
        connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
        write_ahead(&connection).map_err(failed)?;
        connection.pragma_update(None, "synchronous", "full").map_err(failed)?;
        connection.pragma_update(None, "foreign_keys", true).map_err(failed)?;
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate);
        let tx = tx.map_err(failed)?;
        let number = |name| tx.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        if number("schema_version").map_err(failed)? == 0 {
            tx.execute_batch(SCHEMA).map_err(failed)?;
            tx.pragma_update(None, "application_id", APPLICATION_ID).map_err(failed)?;
            tx.pragma_update(None, "user_version", 1).map_err(failed)?;
        } else if number("application_id").map_err(failed)? != APPLICATION_ID {
            return Err(RosterError::Unavailable(format!(
                "{} is no roster but some other file: move it away, or choose another path of the store",
                path.display()
            )));
        } else if number("user_version").map_err(failed)? > FORMAT {
            return Err(RosterError::Unavailable(format!(
                "the roster {} was made by a newer version of Tollgate: use that one",
                path.display()
            )));
        }
        let format = number("user_version").map_err(failed)?;
        for (added, made) in ADDED.iter().zip(2..) {
            if format < made {
                tx.execute_batch(added).map_err(failed)?;
                tx.pragma_update(None, "user_version", made).map_err(failed)?;
            }
        }
        tx.commit().map_err(failed)?;
        Ok(Self { connection, vault })
    }

    /// Tells the keys of providers apart.
    pub(super) fn accounts(&self) -> Accounts {
        self.vault.accounts()
    }

    /// Signs what is told to other nodes.
    pub(super) const fn signer(&self) -> Signer {
        Signer::of(&self.vault)
    }

    /// From which secret keys are made, by a hash of it.
    pub(super) fn secret(&self) -> &str {
        &self.vault.own().name
    }

    /// A number that changes when another connection has changed the roster.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn version(&self) -> Result<i64, RosterError> {
        Ok(self.connection.pragma_query_value(None, "data_version", |row| row.get(0))?)
    }

    /// Reads at one instant of the roster.
    pub(super) fn read<T>(
        &mut self,
        read: impl FnOnce(&Transaction<'_>, &Vault) -> Result<T, RosterError>,
    ) -> Result<T, RosterError> {
        read(&self.connection.transaction()?, &self.vault)
    }

    /// Makes a change and writes it down, both or neither. What changes nothing is not
    /// written down.
    pub(super) fn change<T>(
        &mut self,
        by: &By,
        make: impl FnOnce(&Transaction<'_>, &Vault) -> Result<(T, Option<Change>), RosterError>,
    ) -> Result<T, RosterError> {
        let tx = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let (made, change) = make(&tx, &self.vault)?;
        if let Some(change) = change {
            let (what, subject) = (change.what, change.subject.clone());
            audit::append(&tx, by, change)?;
            sharing::attribute(&tx, what, &subject)?;
        }
        tx.commit()?;
        Ok(made)
    }

    /// Writes down what was changed elsewhere.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn note(&mut self, change: Change, by: &By) -> Result<(), RosterError> {
        self.change(by, |_, _| Ok(((), Some(change))))
    }

    /// The last changes, the newest first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn audit(&self, most: u32) -> Result<Vec<AuditRow>, RosterError> {
        audit::last(&self.connection, most)
    }

    /// Goes through all changes: each must follow from the one before it.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn verify(&self) -> Result<Chain, RosterError> {
        audit::verify(&self.connection)
    }
}

/// Sets the mode that lets others read while one writes. Of several that begin at once on a new
/// file, SQLite lets one change it and refuses the others without waiting.
#[allow(clippy::disallowed_methods, reason = "SQLite itself waits so, for all other locks")]
fn write_ahead(connection: &Connection) -> rusqlite::Result<()> {
    let set = || connection.pragma_update(None, "journal_mode", "wal");
    for _ in 0..BUSY_TIMEOUT.as_millis() / APART.as_millis() {
        match set() {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {
                std::thread::sleep(APART);
            }
            set => return set,
        }
    }
    set()
}

/// A file beside the ledger.
pub(super) fn beside(ledger: &Path, suffix: &str) -> PathBuf {
    let mut name = ledger.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
