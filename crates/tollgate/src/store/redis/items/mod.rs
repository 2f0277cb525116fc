//! Things that all nodes have in common and any may change: by name, each with a value that is
//! nobody's business here.
//!
//! Of two changes of one item the later one holds, by the server's clock. Every change has a version
//! that grows, so whoever was away asks for what was changed since; who comes asks for everything.

#[cfg(test)]
mod tests;

use redis::Value;

use super::{
    Link, LinkError,
    link::{Arg, Script, Subscription},
};

/// What all nodes have in common, under one name.
#[derive(Debug, Clone)]
pub struct Items {
    link: Link,
    keys: [String; 3],
    channel: String,
}

/// When something was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// So many microseconds ago, and no earlier than a microsecond after that instant.
    Ago {
        /// How many.
        micros: i64,
        /// Later than this, by the server's clock.
        after: i64,
    },
    /// At that instant of the server's clock.
    At(i64),
}

/// What came of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Published {
    /// It holds, as of that instant of the server.
    Taken(i64),
    /// A later one does: when it was made, and its value.
    Newer(i64, String),
}

/// Something that was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its name.
    pub item: String,
    /// The version of its last change.
    pub version: i64,
    /// When that was, in microseconds of the server's clock.
    pub at: i64,
    /// How it is.
    pub value: String,
}

/// What was changed since some version.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Since {
    /// Since when there is anything; another one says that all was lost.
    pub born: Option<i64>,
    /// The highest version.
    pub top: i64,
    /// The oldest first; not all where there are many.
    pub rows: Vec<Row>,
}

static PUBLISH: Script = Script::new("publish", include_str!("publish.lua")).repeatable();
static SINCE: Script = Script::new("since", include_str!("since.lua")).repeatable();

/// The tag of what is not of any account.
const TAG: u16 = 0;

/// How much is asked for at once.
pub const LOT: i64 = 256;

/// How long it is known that something is gone.
const REMEMBERED_MICROS: i64 = 90 * 86_400 * 1_000_000;

impl Items {
    /// Those of that name.
    pub fn new(link: Link, name: &str) -> Self {
        let prefix = format!("{}:{{{TAG}}}:{name}", link.settings().prefix);
        let keys = [prefix.clone(), format!("{prefix}:versions"), format!("{prefix}:gone")];
        Self { channel: format!("{}:{name}", link.settings().prefix), link, keys }
    }

    /// Tells all nodes how an item is; `is_gone` marks one that only has to be known as gone.
    ///
    /// # Errors
    /// When Redis is away or refuses.
    pub async fn publish(
        &self,
        item: &str,
        value: &str,
        is_gone: bool,
        when: When,
    ) -> Result<Published, LinkError> {
        let (ago, instant) = match when {
            When::Ago { micros, after } => (micros.max(0), after),
            When::At(at) => (-1, at),
        };
        let args = [
            Arg::from(item),
            Arg::from(value),
            Arg::Int(is_gone.into()),
            Arg::Int(ago),
            Arg::Int(instant),
            Arg::from(self.channel.as_str()),
            Arg::Int(REMEMBERED_MICROS),
        ];
        let answer = self.link.run(&PUBLISH, TAG, &self.keys, &args).await?;
        published(answer).ok_or_else(senseless)
    }

    /// What was changed after a version, [`LOT`] of them at most.
    ///
    /// # Errors
    /// When Redis is away or refuses.
    pub async fn since(&self, version: i64) -> Result<Since, LinkError> {
        let args = [Arg::Int(version), Arg::Int(LOT)];
        let answer = self.link.run(&SINCE, TAG, &self.keys[..2], &args).await?;
        since(answer).ok_or_else(senseless)
    }

    /// Is woken when something was changed, at whichever node.
    pub fn news(&self) -> Subscription {
        self.link.subscribe(&[&self.channel])
    }
}

fn published(answer: Value) -> Option<Published> {
    let texts: Vec<String> = redis::from_redis_value(answer).ok()?;
    match texts.as_slice() {
        [taken, at] if taken == "taken" => Some(Published::Taken(at.parse().ok()?)),
        [newer, at, value] if newer == "newer" => {
            Some(Published::Newer(at.parse().ok()?, value.clone()))
        }
        _ => None,
    }
}

fn since(answer: Value) -> Option<Since> {
    let texts: Vec<String> = redis::from_redis_value(answer).ok()?;
    let (head, rest) = texts.split_at_checked(2)?;
    let rows = rest.chunks_exact(3).map(|row| {
        let (at, value) = row[2].split_once(' ')?;
        let (item, value) = (row[0].clone(), value.to_owned());
        Some(Row { item, version: whole(&row[1])?, at: at.parse().ok()?, value })
    });
    let rows = rows.collect::<Option<_>>()?;
    Some(Since { born: head[0].parse().ok(), top: whole(&head[1])?, rows })
}

/// A score, as the server writes it.
fn whole(score: &str) -> Option<i64> {
    score.parse().ok().or_else(|| {
        let number: f64 = score.parse().ok()?;
        #[allow(clippy::cast_possible_truncation, reason = "scores are whole and below 2^53")]
        (number.abs() < 9e15).then_some(number as i64)
    })
}

fn senseless() -> LinkError {
    LinkError::Refused("it answers something else than its script does".into())
}
