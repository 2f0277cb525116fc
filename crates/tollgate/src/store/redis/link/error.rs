//! Why a call has no answer. What servers say is put in this project's words, and only the code
//! of what is not known is repeated: an error must not carry what somebody sent.

use std::{error::Error, fmt, io, sync::Arc};

use redis::{ErrorKind, RedisError};

/// A call without an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// Redis is not there, or cannot serve now. It may be again by itself.
    #[error("Redis is away: {0}")]
    Away(Away),
    /// Redis refuses, or the settings make no sense. Somebody must change something.
    #[error("Redis refuses: {0}")]
    Refused(Arc<str>),
    /// Redis is there and failed at what it was asked to do, which says nothing of other calls.
    #[error("Redis failed at it: {0}")]
    Failed(Arc<str>),
}

/// What kept a call from being answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Away {
    /// What was seen.
    pub why: Why,
    /// Whether the call may have been executed.
    pub sent: Sent,
}

/// Whether what was asked may have been executed without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// It was not and will not be.
    No,
    /// It was, or was not, or will be when a server goes on.
    Perhaps,
}

/// Why Redis cannot serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// Nothing answers at its address.
    Unreachable,
    /// The connection broke.
    Lost,
    /// No answer came in time.
    Timeout,
    /// It reads its files.
    Loading,
    /// It is a replica, which takes no writes.
    ReadOnly,
    /// The cluster does not serve all its slots, or moves them.
    ClusterDown,
    /// No master is known.
    NoMaster,
    /// It runs a script that does not end.
    Busy,
    /// Its memory is full.
    Full,
    /// It cannot write to its disk, and so takes no writes.
    Disk,
    /// It lets nobody in whom the settings name.
    Refused(Arc<str>),
}

impl LinkError {
    pub(super) fn away(why: Why, sent: Sent) -> Self {
        Self::Away(Away { why, sent })
    }

    pub(super) fn refused(sentence: &str) -> Self {
        Self::Refused(sentence.into())
    }

    /// Whether it may have been executed all the same.
    pub fn may_be_done(&self) -> bool {
        matches!(self, Self::Away(Away { sent: Sent::Perhaps, .. }))
    }

    /// What a client's error means for the call that got it.
    pub(super) fn of(error: &RedisError) -> Self {
        match error.code() {
            Some(code) => told(code, error.detail().unwrap_or_default()),
            None => seen(error),
        }
    }
}

/// What a server told. All of it is told before anything is executed, unless it comes from within
/// a script.
fn told(code: &str, detail: &str) -> LinkError {
    let why = match code {
        "LOADING" => Why::Loading,
        "READONLY" => Why::ReadOnly,
        "MASTERDOWN" | "NOREPLICAS" => Why::NoMaster,
        "CLUSTERDOWN" | "TRYAGAIN" | "MOVED" | "ASK" => Why::ClusterDown,
        "BUSY" => Why::Busy,
        "OOM" => Why::Full,
        "MISCONF" => Why::Disk,
        code if code == "WRONGTYPE" || detail.contains("script:") => {
            return LinkError::Failed(refusal(code));
        }
        _ => return LinkError::Refused(refusal(code)),
    };
    let sent = if detail.contains("script:") { Sent::Perhaps } else { Sent::No };
    LinkError::away(why, sent)
}

/// What somebody has to change.
fn refusal(code: &str) -> Arc<str> {
    match code {
        "NOAUTH" => "it wants a password; name one in the store's url".into(),
        "WRONGPASS" => {
            "it does not know the user or the password; correct them in the store's url".into()
        }
        "NOPERM" => {
            "the user may not do what the store needs; allow it all commands on the store's keys \
             and channels"
                .into()
        }
        "CROSSSLOT" => "keys of different slots were asked for at once".into(),
        "NOSCRIPT" => "it forgets scripts as soon as they are loaded".into(),
        code => format!("it answered with the error {code}").into(),
    }
}

/// What was seen without a server telling anything.
fn seen(error: &RedisError) -> LinkError {
    match error.kind() {
        ErrorKind::AuthenticationFailed => LinkError::Refused(refusal("WRONGPASS")),
        ErrorKind::InvalidClientConfig => LinkError::refused("its address cannot be used"),
        ErrorKind::MasterNameNotFoundBySentinel => LinkError::away(Why::NoMaster, Sent::No),
        ErrorKind::ClusterConnectionNotFound => LinkError::away(Why::Unreachable, Sent::No),
        _ if is_not_trusted(error) => LinkError::refused(
            "its certificate is not signed by an authority that is trusted, or is not for its \
             address; name a file with its authority's certificate by `ca`",
        ),
        _ if error.is_connection_refusal() => LinkError::away(Why::Unreachable, Sent::No),
        _ if error.is_timeout() => LinkError::away(Why::Timeout, Sent::Perhaps),
        _ => LinkError::away(Why::Lost, Sent::Perhaps),
    }
}

/// Whether it is the certificate that it shows.
fn is_not_trusted(error: &RedisError) -> bool {
    let of_tls = || {
        // The client hands out what it wraps by the very pointer that it keeps.
        let kept = error.source()?.downcast_ref::<Arc<dyn Error + Send + Sync>>()?;
        kept.downcast_ref::<io::Error>()?.get_ref()?.downcast_ref::<rustls::Error>()
    };
    matches!(of_tls(), Some(rustls::Error::InvalidCertificate(_)))
}

impl fmt::Display for Away {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.why.fmt(f)
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreachable => "nothing answers at its address",
            Self::Lost => "the connection broke",
            Self::Timeout => "no answer came in time",
            Self::Loading => "it is loading its files",
            Self::ReadOnly => "it is a replica, which takes no writes",
            Self::ClusterDown => "the cluster does not serve all of its slots",
            Self::NoMaster => "no master is known",
            Self::Busy => "it runs a script that does not end",
            Self::Full => "its memory is full",
            Self::Disk => "it cannot write to its disk",
            Self::Refused(sentence) => sentence,
        })
    }
}
