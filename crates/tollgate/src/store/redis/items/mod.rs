//! Things that all nodes have in common and any may change: by name, each with a value that is
//! nobody's business here.
//!
//! Of two changes of one item the later one holds, by the server's clock; of two at the same
//! instant the first that was told. Every change has a version that grows, so whoever was away asks
//! for what was changed since; who comes asks for everything.

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

/// What came of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Published {
    /// It holds.
    Taken,
    /// One does that is no earlier: when it was made, and its value.
    Known(i64, String),
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
    /// The server's clock, in microseconds.
    pub now: i64,
    /// Since when there is anything; another one says that all was lost.
    pub born: Option<i64>,
    /// The highest version.
    pub top: i64,
    /// The oldest first. What makes no sense is left out.
    pub rows: Vec<Row>,
    /// The version of the last that was looked at, if any was.
    pub last: Option<i64>,
    /// Whether these are all.
    pub is_all: bool,
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

    /// Tells all nodes how an item is as of an instant of the server's clock; `is_gone` marks one
    /// that only has to be known as gone.
    ///
    /// # Errors
    /// When Redis is away or refuses.
    pub async fn publish(
        &self,
        item: &str,
        value: &str,
        is_gone: bool,
        at: i64,
    ) -> Result<Published, LinkError> {
        let args = [
            Arg::from(item),
            Arg::from(value),
            Arg::Int(is_gone.into()),
            Arg::Int(at),
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
        [taken] if taken == "taken" => Some(Published::Taken),
        [known, at, value] if known == "known" => {
            Some(Published::Known(at.parse().ok()?, value.clone()))
        }
        _ => None,
    }
}

fn since(answer: Value) -> Option<Since> {
    let texts: Vec<String> = redis::from_redis_value(answer).ok()?;
    let (head, rest) = texts.split_at_checked(3)?;
    let rows = rest.chunks_exact(3);
    let is_all = rows.len() < usize::try_from(LOT).unwrap_or(usize::MAX);
    let last = rows.clone().last().and_then(|row| whole(&row[1]));
    let sensible = rows.filter_map(|texts| {
        let row = row(texts);
        if row.is_none() {
            tracing::error!(item = %texts[0], "what Redis has of an item makes no sense: it is passed over");
        }
        row
    });
    let rows = sensible.collect();
    let (now, born, top) = (head[0].parse().ok()?, head[1].parse().ok(), whole(&head[2])?);
    Some(Since { now, born, top, rows, last, is_all })
}

fn row(texts: &[String]) -> Option<Row> {
    let (at, value) = texts[2].split_once(' ')?;
    let (item, value) = (texts[0].clone(), value.to_owned());
    Some(Row { item, version: whole(&texts[1])?, at: at.parse().ok()?, value })
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
