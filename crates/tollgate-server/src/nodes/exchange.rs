//! What this node and the others tell each other of their rosters.

use std::sync::Arc;

use tollgate::store::redis::{
    LinkError,
    items::{self, Published, Row},
};

use super::Group;
use crate::{
    app::App,
    roster::{Adopted, Book, Item, Moment, News, RosterError, Untold, When},
};

/// How far this node has heard the others.
#[derive(Debug, Default)]
pub(super) struct Exchange {
    /// Since when there is anything that all have in common; another instant says that it was lost.
    born: Option<i64>,
    /// The version up to which it was heard.
    heard: i64,
    /// It was lost: everything is to be told again.
    is_lost: bool,
    is_failing: bool,
}

/// Why a round was not finished; the next one goes on.
#[derive(Debug, thiserror::Error)]
enum Unfinished {
    #[error("{0}")]
    Link(#[from] LinkError),
    #[error("{0}")]
    Roster(#[from] RosterError),
}

/// How often something is told or heard in one round.
const MOST_LOTS: usize = 1_000;

impl Exchange {
    /// What all had in common was lost, or some of it.
    pub(super) const fn lost(&mut self) {
        self.is_lost = true;
    }

    /// Tells what is new here, and hears what is new elsewhere.
    pub(super) async fn round(&mut self, app: &Arc<App>, group: &Group) {
        let done = self.exchange(app, group).await;
        match &done {
            // It is told elsewhere that Redis is away.
            Ok(()) | Err(Unfinished::Link(LinkError::Away(_))) => {}
            Err(error) if !self.is_failing => {
                tracing::error!(%error, "nodes do not hear of each other's changes");
            }
            Err(_) => {}
        }
        self.is_failing =
            matches!(done, Err(error) if !matches!(error, Unfinished::Link(LinkError::Away(_))));
    }

    async fn exchange(&mut self, app: &Arc<App>, group: &Group) -> Result<(), Unfinished> {
        for _ in 0..MOST_LOTS {
            if self.is_lost {
                ask(app, Book::tell_all_again).await?;
                (self.heard, self.is_lost) = (0, false);
            }
            tell(app, group).await?;
            let since = group.items.since(self.heard).await?;
            let is_another = self.born.is_some() && since.born != self.born;
            if is_another || since.top < self.heard {
                self.born = since.born;
                self.is_lost = true;
                continue;
            }
            self.born = since.born;
            let Some(last) = since.rows.last() else { return Ok(()) };
            let heard = last.version;
            hear(app, since.rows).await?;
            self.heard = heard;
        }
        Ok(())
    }
}

/// Tells the others what is new here.
async fn tell(app: &Arc<App>, group: &Group) -> Result<(), Unfinished> {
    for _ in 0..MOST_LOTS {
        let now = Moment::of(app.gate.clock().now().wall);
        let untold = ask(app, move |book| book.untold(now)).await?;
        if untold.is_empty() {
            return Ok(());
        }
        for one in untold {
            tell_one(app, group, one).await?;
        }
    }
    Ok(())
}

async fn tell_one(app: &Arc<App>, group: &Group, untold: Untold) -> Result<(), Unfinished> {
    let item = serde_json::to_string(&untold.item).unwrap_or_default();
    let node = group.name().to_owned();
    let news = News { state: untold.state.clone(), change: untold.change.clone(), node };
    let value = serde_json::to_string(&news).unwrap_or_default();
    let when = match untold.when {
        When::Ago { micros, after } => items::When::Ago { micros, after },
        When::At(at) => items::When::At(at),
    };
    let at = match group.items.publish(&item, &value, news.state.is_none(), when).await? {
        Published::Taken(at) => at,
        Published::Newer(at, value) => {
            let row = Row { item, version: 0, at, value };
            if let Some(news) = read(&row) {
                return adopt(app, vec![news], true).await;
            }
            at
        }
    };
    Ok(ask(app, move |book| book.told(&untold, at)).await?)
}

/// Takes over what is new elsewhere.
async fn hear(app: &Arc<App>, rows: Vec<Row>) -> Result<(), Unfinished> {
    adopt(app, rows.iter().filter_map(read).collect(), false).await
}

async fn adopt(
    app: &Arc<App>,
    news: Vec<(Item, i64, News)>,
    is_answer: bool,
) -> Result<(), Unfinished> {
    let adopting = Arc::clone(app);
    let adopt = move || adopting.roster.take_over(&news, is_answer);
    let adopted = tokio::task::spawn_blocking(adopt).await.unwrap_or_else(|_| Err(stopping()))?;
    let changed = adopted.iter().filter(|one| **one == Adopted::Changed).count();
    if changed > 0 {
        app.force_circuits();
        // Told when it holds, so that whoever waits for it can rely on it.
        tracing::info!(changed, "the roster was changed by another node");
    }
    Ok(())
}

/// What another node says; nothing where that makes no sense.
fn read(row: &Row) -> Option<(Item, i64, News)> {
    let item = serde_json::from_str(&row.item);
    let read = item.and_then(|item| Ok((item, row.at, serde_json::from_str(&row.value)?)));
    read.inspect_err(|error| {
        tracing::error!(%error, "what another node says of its roster makes no sense here");
    })
    .ok()
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
