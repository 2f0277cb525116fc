//! How an emergency begins and ends: by a person, or by itself.

use std::sync::Arc;

use tollgate_core::policy::settings::{self, Trigger};

use crate::{
    app::App,
    roster::{By, Emergency, Moment, RosterError, Siren},
};

/// How an emergency begins.
#[derive(Debug, Clone)]
pub(crate) struct Begin {
    /// Who begins it, when and why.
    pub(crate) by: By,
    /// When it is over; after the policy's time if not given.
    pub(crate) until: Option<Moment>,
    /// Whether cheaper models take the place of those that the policy names; as before in one
    /// that is in force, if not given.
    pub(crate) downgrade: Option<bool>,
}

impl Begin {
    /// What it is after what the roster says, under a policy.
    ///
    /// # Errors
    /// When the policy knows no emergencies, or none as long.
    pub(crate) fn after(
        &self,
        before: &Siren,
        policy: &settings::Emergency,
    ) -> Result<Emergency, RosterError> {
        if !policy.enabled {
            return Err(RosterError::Conflict(
                "the policy has `enabled = false` under [emergency]: change that first".to_owned(),
            ));
        }
        let before = match before {
            Siren::On(before) => Some(before),
            _ => None,
        };
        let since_at = before.map_or(self.by.at, |before| before.since_at);
        let until_at = self.until.unwrap_or_else(|| self.by.at.after(policy.lasts));
        if until_at > since_at.after(policy.longest) {
            let longest = crate::headers::people(policy.longest.as_secs());
            let began = before.map_or_else(String::new, |before| {
                format!(": the one in force began at {}, so end it or let it end", before.since_at)
            });
            return Err(RosterError::Invalid(format!(
                "an emergency lasts no longer than {longest} here, which is `longest` under [emergency]{began}"
            )));
        }
        if until_at <= self.by.at {
            return Err(RosterError::Invalid("an emergency of no time is none".to_owned()));
        }
        let downgrade = self.downgrade.or(before.map(|before| before.downgrade));
        Ok(Emergency {
            since_at,
            until_at,
            who: self.by.who.clone(),
            reason: self.by.reason.clone(),
            downgrade: downgrade.unwrap_or_default(),
        })
    }

    /// The same, unless there is one, or somebody has ended one so lately that it would be begun
    /// against them.
    ///
    /// # Errors
    /// A conflict where it is not to begin.
    fn after_calm(
        &self,
        before: &Siren,
        policy: &settings::Emergency,
    ) -> Result<Emergency, RosterError> {
        let is_in_the_way = match before {
            Siren::On(_) => true,
            Siren::Off(ended) => ended.after(policy.cool_down) > self.by.at,
            Siren::Silent | Siren::Expired => false,
        };
        if is_in_the_way {
            let why = "there is an emergency, or somebody has just ended one";
            return Err(RosterError::Conflict(why.to_owned()));
        }
        self.after(before, policy)
    }
}

/// Begins an emergency, or gives the one in force another end. It is on the disk and holds for
/// the next decision when this returns.
///
/// # Errors
/// When the policy forbids it, or it cannot be kept.
pub(crate) async fn begin(app: &Arc<App>, how: Begin) -> Result<Emergency, RosterError> {
    change(app, move |app| {
        let live = app.live();
        let begin = |before: &Siren| how.after(before, &live.settings.emergency);
        app.roster.change(|book| book.begin_emergency(&how.by, begin))
    })
    .await
}

/// Ends the emergency that is in force; what it was.
///
/// # Errors
/// When there is none, or that cannot be kept.
pub(crate) async fn end(app: &Arc<App>, by: By) -> Result<Emergency, RosterError> {
    change(app, move |app| app.roster.change(|book| book.end_emergency(&by))).await
}

/// Begins an emergency for something that the policy names, unless there is one, or somebody has
/// ended one so lately that it would be begun against them.
///
/// # Errors
/// When it cannot be kept.
pub(crate) async fn begin_by_itself(
    app: &Arc<App>,
    trigger: Trigger,
    why: &str,
) -> Result<Option<Emergency>, RosterError> {
    let policy = &app.live().settings.emergency;
    let at = Moment::of(app.gate.clock().now().wall);
    let board = app.roster.emergency();
    let is_calm = board.ended_at().is_some_and(|ended| ended.after(policy.cool_down) > at);
    if !policy.enabled
        || !policy.start_on.contains(&trigger)
        || is_calm
        || super::now(app).is_some()
    {
        return Ok(None);
    }
    let mut reason = format!("{}: {why}", trigger.name());
    reason.retain(|c| !c.is_control());
    reason.truncate(reason.floor_char_boundary(400));
    let by = By { who: "system:alerts".to_owned(), at, reason: Some(reason) };
    let downgrade = Some(!policy.downgrade.is_empty());
    let how = Begin { by, until: None, downgrade };
    let begun = change(app, move |app| {
        let live = app.live();
        // By the file: another process may have begun or ended one that is not seen here yet.
        let begin = |before: &Siren| how.after_calm(before, &live.settings.emergency);
        app.roster.change(|book| book.begin_emergency(&how.by, begin))
    });
    match begun.await {
        Err(RosterError::Conflict(_)) => Ok(None),
        begun => begun.map(Some),
    }
}

/// Changes the roster aside from the workers that serve.
async fn change<T: Send + 'static>(
    app: &Arc<App>,
    make: impl FnOnce(&App) -> Result<T, RosterError> + Send + 'static,
) -> Result<T, RosterError> {
    let app = Arc::clone(app);
    let made = tokio::task::spawn_blocking(move || make(&app)).await;
    made.unwrap_or_else(|_| Err(RosterError::Unavailable("Tollgate is stopping".to_owned())))
}
