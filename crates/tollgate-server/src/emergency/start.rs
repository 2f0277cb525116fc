//! How an emergency begins and ends: by a person, or by itself.

use std::sync::Arc;

use tollgate_core::policy::settings::Trigger;

use crate::{
    app::App,
    roster::{By, Emergency, Moment, RosterError},
};

/// How an emergency begins.
#[derive(Debug, Clone)]
pub(crate) struct Begin {
    /// Who begins it, when and why.
    pub(crate) by: By,
    /// When it is over; after the policy's time if not given.
    pub(crate) until: Option<Moment>,
    /// Whether cheaper models take the place of those that the policy names.
    pub(crate) downgrade: bool,
}

impl Begin {
    /// When it is over, under a policy.
    ///
    /// # Errors
    /// When the policy knows no emergencies, or none as long.
    pub(crate) fn until(
        &self,
        policy: &tollgate_core::policy::settings::Emergency,
    ) -> Result<Moment, RosterError> {
        if !policy.enabled {
            return Err(RosterError::Conflict(
                "the policy has `enabled = false` under [emergency]: change that first".to_owned(),
            ));
        }
        let until = self.until.unwrap_or_else(|| self.by.at.after(policy.lasts));
        if until > self.by.at.after(policy.longest) {
            return Err(RosterError::Invalid(format!(
                "an emergency lasts no longer than {} here, which is `longest` under [emergency]",
                crate::headers::people(policy.longest.as_secs())
            )));
        }
        if until <= self.by.at {
            return Err(RosterError::Invalid("an emergency of no time is none".to_owned()));
        }
        Ok(until)
    }
}

/// Begins an emergency, or gives the one in force another end. It is on the disk and holds for
/// the next decision when this returns.
///
/// # Errors
/// When the policy forbids it, or it cannot be kept.
pub(crate) async fn begin(app: &Arc<App>, how: Begin) -> Result<Emergency, RosterError> {
    let until = how.until(&app.live().settings.emergency)?;
    let Begin { by, downgrade, .. } = how;
    change(app, move |app| app.roster.change(|book| book.begin_emergency(until, downgrade, &by)))
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
    let downgrade = !policy.downgrade.is_empty();
    begin(app, Begin { by, until: None, downgrade }).await.map(Some)
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
