//! Scripts and what they are given.

use std::sync::OnceLock;

use redis::{Cmd, RedisWrite, ToRedisArgs};

/// A script of Lua, known to servers by its hash.
#[derive(Debug)]
pub struct Script {
    name: &'static str,
    source: &'static str,
    repeatable: bool,
    hash: OnceLock<String>,
}

/// An argument of a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arg<'a> {
    /// A whole number, written in decimal.
    Int(i64),
    /// Anything else, as it is.
    Bytes(&'a [u8]),
}

impl Script {
    /// A script that is executed once for each call at most.
    pub const fn new(name: &'static str, source: &'static str) -> Self {
        Self { name, source, repeatable: false, hash: OnceLock::new() }
    }

    /// A script that does as much when it is executed twice as once: it is sent again, once and
    /// within the same timeout, when its answer was lost with the connection.
    pub const fn repeatable(mut self) -> Self {
        self.repeatable = true;
        self
    }

    /// What it is called in errors.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What it does.
    pub fn source(&self) -> &'static str {
        self.source
    }

    /// Whether twice is as good as once.
    pub fn is_repeatable(&self) -> bool {
        self.repeatable
    }

    /// By its hash, which is all that a server needs that has seen it.
    pub(super) fn by_hash<K: AsRef<[u8]>>(&self, keys: &[K], args: &[Arg<'_>]) -> Cmd {
        let hash = self.hash.get_or_init(|| redis::Script::new(self.source).get_hash().to_owned());
        command("EVALSHA", hash, keys, args)
    }

    /// In full, which also loads it.
    pub(super) fn in_full<K: AsRef<[u8]>>(&self, keys: &[K], args: &[Arg<'_>]) -> Cmd {
        command("EVAL", self.source, keys, args)
    }
}

fn command<K: AsRef<[u8]>>(verb: &str, script: &str, keys: &[K], args: &[Arg<'_>]) -> Cmd {
    let mut command = Cmd::with_capacity(3 + keys.len() + args.len(), script.len() + 512);
    command.arg(verb).arg(script).arg(keys.len());
    for key in keys {
        command.arg(key.as_ref());
    }
    for arg in args {
        command.arg(arg);
    }
    command
}

impl ToRedisArgs for Arg<'_> {
    fn write_redis_args<W: ?Sized + RedisWrite>(&self, out: &mut W) {
        match self {
            Self::Int(number) => number.write_redis_args(out),
            Self::Bytes(bytes) => out.write_arg(bytes),
        }
    }
}

impl From<i64> for Arg<'_> {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl<'a> From<&'a [u8]> for Arg<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Bytes(bytes)
    }
}

impl<'a> From<&'a str> for Arg<'a> {
    fn from(text: &'a str) -> Self {
        Self::Bytes(text.as_bytes())
    }
}
