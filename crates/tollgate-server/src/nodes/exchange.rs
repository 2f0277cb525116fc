//! What this node and the others tell each other of their rosters.
//!
//! One that cannot be told or heard keeps no other from being told or heard.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use tollgate::store::redis::{
    LinkError,
    items::{Published, Row, Since},
};
use tollgate_core::Time;

use super::{Group, ages::Ages};
use crate::{
    app::App,
    roster::{About, Adopted, Book, Item, Moment, News, RosterError, Signer, Unsigned, Untold},
};

/// How far this node has heard the others.
#[derive(Debug)]
pub(super) struct Exchange {
    /// Since when there is anything that all have in common; another instant says that it was lost.
    born: Option<i64>,
    /// The version up to which it was heard.
    heard: i64,
    /// All that there is and makes sense, while it is heard from the beginning.
    there: Option<BTreeSet<String>>,
    /// What others told and this node has not taken over, and why.
    unread: BTreeMap<String, String>,
    ages: Ages,
    signer: Signer,
}

/// Why a round was not finished; the next one goes on.
#[derive(Debug, thiserror::Error)]
enum Unfinished {
    #[error("{0}")]
    Link(#[from] LinkError),
    #[error("{0}")]
    Roster(#[from] RosterError),
}

/// What was first in the way of a round.
#[derive(Debug, Default)]
struct First(Option<Unfinished>);

/// So much of what was not taken over is remembered.
const MOST_UNREAD: usize = 1_000;

/// How often something is told or heard in one round.
const MOST_LOTS: usize = 1_000;

impl Exchange {
    pub(super) fn new(signer: Signer) -> Self {
        let (there, unread, ages) = (Some(BTreeSet::new()), BTreeMap::new(), Ages::default());
        Self { born: None, heard: 0, there, unread, ages, signer }
    }

    /// What all had in common was lost, or some of it.
    pub(super) fn lost(&mut self) {
        (self.heard, self.there) = (0, Some(BTreeSet::new()));
        self.unread.clear();
    }

    /// Hears what is new elsewhere, and tells what is new here.
    pub(super) async fn round(&mut self, app: &Arc<App>, group: &Group) {
        let mut first = First::default();
        let done = self.exchange(app, group, &mut first).await;
        first.note(done);
        match first.0 {
            // It is told elsewhere that Redis is away.
            Some(Unfinished::Link(LinkError::Away(_))) => {}
            Some(error) => group.trouble.note(error.to_string()),
            None => match self.unread.first_key_value() {
                Some((item, why)) => group.trouble.note(not_taken_over(item, why)),
                None => group.trouble.is_over(),
            },
        }
    }

    async fn exchange(
        &mut self,
        app: &Arc<App>,
        group: &Group,
        first: &mut First,
    ) -> Result<(), Unfinished> {
        for _ in 0..MOST_LOTS {
            let since = group.items.since(self.heard).await?;
            let (now, time) = (since.now, app.gate.clock().now().time);
            let is_another = self.born.is_some() && since.born != self.born;
            if is_another || since.top < self.heard {
                self.lost();
                self.born = since.born;
                continue;
            }
            self.born = since.born;
            let (is_all, last) = (since.is_all, since.last);
            self.hear(app, group, since).await?;
            self.heard = last.unwrap_or(self.heard);
            if !is_all {
                continue;
            }
            if let Some(there) = self.there.clone() {
                ask(app, move |book| book.tell_missing(&there)).await?;
                self.there = None;
            }
            return self.tell(app, group, (now, time), first).await;
        }
        Ok(())
    }

    /// Takes over what is new elsewhere.
    async fn hear(
        &mut self,
        app: &Arc<App>,
        group: &Group,
        since: Since,
    ) -> Result<(), Unfinished> {
        let (mut news, mut names) = (Vec::new(), Vec::new());
        for row in since.rows {
            match self.read(group, &row) {
                Ok(read) => {
                    if let Some(there) = &mut self.there {
                        there.insert(row.item.clone());
                    }
                    news.push(read);
                    names.push(row.item);
                }
                Err(why) => self.leave_unread(row.item, why.to_string()),
            }
        }
        if news.is_empty() {
            return Ok(());
        }
        let adopted = take_over(app, move |book| book.adopt(&news)).await?;
        for (name, adopted) in names.into_iter().zip(adopted) {
            if adopted == Adopted::Unread {
                self.leave_unread(name, "it makes no sense here".to_owned());
            } else {
                self.unread.remove(&name);
            }
        }
        Ok(())
    }

    fn leave_unread(&mut self, item: String, why: String) {
        if self.unread.len() < MOST_UNREAD {
            self.unread.insert(item, why);
        }
    }

    /// Tells the others what is new here, at `now` of the clock that all have.
    async fn tell(
        &mut self,
        app: &Arc<App>,
        group: &Group,
        (now, time): (i64, Time),
        first: &mut First,
    ) -> Result<(), Unfinished> {
        let mut skip = 0;
        for _ in 0..MOST_LOTS {
            let wall = Moment::of(app.gate.clock().now().wall);
            let lot = ask(app, move |book| book.untold(wall, skip)).await?;
            if lot.looked == 0 {
                return Ok(());
            }
            let mut told = 0;
            for one in lot.untold {
                let present = app.gate.clock().now().time;
                let since = i64::try_from(present.since(time).as_micros()).unwrap_or(i64::MAX);
                let at = self.ages.at(&one, now.saturating_add(since), present);
                match self.tell_one(app, group, &one, at).await {
                    Ok(()) => told += 1,
                    Err(away @ Unfinished::Link(LinkError::Away(_))) => return Err(away),
                    Err(error) => first.note(Err(error)),
                }
            }
            skip += lot.looked - told;
        }
        Ok(())
    }

    async fn tell_one(
        &mut self,
        app: &Arc<App>,
        group: &Group,
        untold: &Untold,
        at: i64,
    ) -> Result<(), Unfinished> {
        let item = serde_json::to_string(&untold.item).unwrap_or_default();
        let news = News {
            state: untold.state.clone(),
            change: untold.change.clone(),
            node: group.name().to_owned(),
        };
        let about = About { prefix: group.prefix(), item: &item, at };
        let value = self.signer.sign(about, &news);
        let is_gone = news.state.is_none();
        let told = untold.clone();
        match group.items.publish(&item, &value, is_gone, at).await? {
            Published::Taken => ask(app, move |book| book.told(&told, at)).await?,
            Published::Known(at, value) => {
                let row = Row { item, version: 0, at, value };
                match self.read(group, &row) {
                    Ok((_, at, news)) => {
                        let adopt =
                            move |book: &mut Book| Ok(vec![book.be_answered(&told, (at, &news))?]);
                        take_over(app, adopt).await?;
                    }
                    Err(why) => {
                        ask(app, move |book| book.give_way(&told)).await?;
                        self.leave_unread(row.item, why.to_string());
                    }
                }
            }
        }
        self.ages.told(untold);
        Ok(())
    }

    /// What another node says, if it is one and what it says makes sense.
    fn read(&self, group: &Group, row: &Row) -> Result<(Item, i64, News), Unsigned> {
        let about = About { prefix: group.prefix(), item: &row.item, at: row.at };
        let news = self.signer.open(about, &row.value)?;
        let item = serde_json::from_str(&row.item);
        let item = item.map_err(|why: serde_json::Error| Unsigned::Senseless(why.to_string()))?;
        Ok((item, row.at, news))
    }
}

fn not_taken_over(item: &str, why: &str) -> String {
    format!("what another node says of {item} is not taken over: {why}")
}

impl First {
    fn note(&mut self, done: Result<(), Unfinished>) {
        if let Err(error) = done {
            self.0.get_or_insert(error);
        }
    }
}

async fn take_over(
    app: &Arc<App>,
    take: impl FnOnce(&mut Book) -> Result<Vec<Adopted>, RosterError> + Send + 'static,
) -> Result<Vec<Adopted>, Unfinished> {
    let adopting = Arc::clone(app);
    let adopt = move || adopting.roster.take_over(take);
    let adopted = tokio::task::spawn_blocking(adopt).await.unwrap_or_else(|_| Err(stopping()))?;
    let changed = adopted.iter().filter(|one| **one == Adopted::Changed).count();
    if changed > 0 {
        app.force_circuits();
        // Told when it holds, so that whoever waits for it can rely on it.
        tracing::info!(changed, "the roster was changed by another node");
    }
    Ok(adopted)
}

/// Asks the roster aside from the workers that serve.
async fn ask<T: Send + 'static>(
    app: &Arc<App>,
    ask: impl FnOnce(&mut Book) -> Result<T, RosterError> + Send + 'static,
) -> Result<T, RosterError> {
    let app = Arc::clone(app);
    let asked = tokio::task::spawn_blocking(move || app.roster.ask(ask)).await;
    asked.unwrap_or_else(|_| Err(stopping()))
}

fn stopping() -> RosterError {
    RosterError::Unavailable("Tollgate is stopping".to_owned())
}
