//! Another policy while the process runs: when a file of it changes, or on `SIGHUP`.
//!
//! A good policy takes the place of the old one whole; a bad one is told of and changes
//! nothing.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;
use tollgate_core::{Attributes, Policy, policy::Limit};

use serde_json::{Value, json};

use crate::{
    app::App,
    changes,
    config::{self, Locations},
    live::Live,
    roster::{By, Change, Moment},
};

/// Loads the policy again when it may have changed.
#[derive(Debug)]
pub(crate) struct Reloader {
    app: Arc<App>,
    locations: Locations,
    files: Files,
}

/// The files of a policy, watched.
///
/// The files themselves are watched, not their folder: the ledger often lies beside them,
/// and is written all the time.
#[derive(Debug)]
struct Files {
    all: Vec<PathBuf>,
    /// Those that are not there.
    missing: Vec<PathBuf>,
    changes: mpsc::Receiver<()>,
    /// Nothing where the system has no watches left.
    watcher: Option<RecommendedWatcher>,
}

/// How long files must be quiet: editors write in several steps.
const QUIET: Duration = Duration::from_millis(100);

/// How often it is looked whether a missing file is there.
const MISSING_INTERVAL: Duration = Duration::from_secs(1);

impl Reloader {
    /// Begins to watch the files of the policy.
    pub(crate) fn new(app: Arc<App>, locations: Locations) -> Self {
        let files = Files::new(locations.files());
        Self { app, locations, files }
    }

    /// Loads the policy again whenever a file of it changes or `hangup` yields.
    pub(crate) async fn run(mut self, mut hangup: impl AsyncFnMut() -> Option<()>) {
        loop {
            tokio::select! {
                () = self.files.changed() => {}
                Some(()) = hangup() => tracing::info!("SIGHUP: loading the policy again"),
            }
            // First, so that what changes from here on is seen.
            self.files.watch();
            self.reload().await;
        }
    }

    async fn reload(&self) {
        let (app, locations) = (Arc::clone(&self.app), self.locations.clone());
        // Files are read, and what is compiled may be long.
        if let Err(error) = tokio::task::spawn_blocking(move || reload(&app, &locations)).await {
            tracing::error!(%error, "loading the policy failed; the old one stays in force");
        }
    }
}

/// Loads the policy again and puts it in force if it is good; whether it was.
pub(crate) fn reload(app: &App, locations: &Locations) -> bool {
    let loaded = config::load(locations).map_err(|errors| config::rendered(&errors, false));
    let replaced =
        loaded.and_then(|config| app.replace(config).map_err(|error| format!("{error:#}")));
    let reloads = &app.reloads;
    match &replaced {
        Ok((old, new)) => {
            note(app, changes::between(&old.effective, &new.effective));
            app.gate.store().note_policy(&new.policy);
            reloads.note_good();
            tell(old, new, reloads.good());
        }
        Err(why) => {
            reloads.note_bad();
            let times = reloads.bad();
            note(app, Some((json!(null), json!({ "refused": changes::excerpt(why) }))));
            tracing::error!(times, "the policy is bad, so the old one stays in force:\n{why}");
        }
    }
    replaced.is_ok()
}

/// Writes down in the audit what a reload has changed, if it has changed anything.
fn note(app: &App, changed: Option<(Value, Value)>) {
    let Some((before, after)) = changed else { return };
    let what = if before.is_null() { "policy.refused" } else { "policy.reload" };
    let change = Change { what, subject: String::new(), before, after };
    let at = Moment::of(app.gate.clock().now().wall);
    let by = By { who: "system:reload".to_owned(), at, reason: None };
    if let Err(error) = app.roster.ask(|book| book.note(change, &by)) {
        tracing::error!(%error, "the audit does not tell of the reload");
    }
}

impl Files {
    fn new(all: Vec<PathBuf>) -> Self {
        // One change that was not looked at yet stands for all.
        let (tell, changes) = mpsc::channel(1);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| !matches!(event.kind, EventKind::Access(_))) {
                // Full means that it will be looked at anyway.
                let _ = tell.try_send(());
            }
        });
        let watcher = watcher.inspect_err(|error| {
            tracing::warn!(%error, "files are not watched: send SIGHUP to load the policy again");
        });
        let mut files = Self { all, missing: Vec::new(), changes, watcher: watcher.ok() };
        files.watch();
        files
    }

    /// Watches the files that have the names now: a file that was replaced is another file.
    fn watch(&mut self) {
        let Some(watcher) = &mut self.watcher else { return };
        self.missing.clear();
        for file in &self.all {
            // It fails for those that are not watched or are gone.
            let _ = watcher.unwatch(file);
            if watcher.watch(file, RecursiveMode::NonRecursive).is_err() && !file.exists() {
                self.missing.push(file.clone());
            }
        }
    }

    /// Returns when a file has changed, or a missing one is there, and all have been quiet
    /// for a while.
    async fn changed(&mut self) {
        let Self { missing, changes, .. } = self;
        tokio::select! {
            Some(()) = changes.recv() => {}
            () = appears(missing) => {}
        }
        while let Ok(Some(())) = tokio::time::timeout(QUIET, changes.recv()).await {}
    }
}

/// Returns when one of these files is there.
async fn appears(missing: &[PathBuf]) {
    loop {
        tokio::time::sleep(MISSING_INTERVAL).await;
        if missing.iter().any(|file| file.exists()) {
            return;
        }
    }
}

fn tell(old: &Live, new: &Live, times: u64) {
    let (before, after) = (named(&old.policy), named(&new.policy));
    let added = names(after.iter().filter(|(name, _)| !before.contains_key(*name)));
    let removed = names(before.iter().filter(|(name, _)| !after.contains_key(*name)));
    let changed = after
        .iter()
        .filter(|(name, limit)| before.get(*name).is_some_and(|old| is_other(old, limit)));
    tracing::info!(
        times,
        limits = after.len(),
        %added,
        %removed,
        changed = %names(changed),
        "another policy is in force",
    );
    for warning in &new.warnings {
        tracing::warn!("{}", warning.on_one_line());
    }
    let (old, new) = (&old.settings, &new.settings);
    if old.server != new.server || old.store != new.store || old.log != new.log {
        tracing::warn!(
            "changes of [server], [store] and [log] take effect when Tollgate is started anew"
        );
    }
}

/// Limits by name and `per`, which is what makes them the same.
fn named(policy: &Policy) -> BTreeMap<String, &Limit> {
    let name = |limit: &Limit| {
        let per: Vec<&str> = limit.per.iter().map(tollgate_core::Attribute::name).collect();
        if per.is_empty() {
            limit.name.to_string()
        } else {
            format!("{} per {}", limit.name, per.join(", "))
        }
    };
    policy.limits().iter().map(|limit| (name(limit), limit)).collect()
}

fn is_other(old: &Limit, new: &Limit) -> bool {
    let nobody = Attributes::new();
    old.describe(&nobody) != new.describe(&nobody)
        || old.when != new.when
        || old.shadow != new.shadow
        || old.warn != new.warn
        || old.status != new.status
        || old.retry_after != new.retry_after
        || old.tiers.len() != new.tiers.len()
}

fn names<'a>(limits: impl Iterator<Item = (&'a String, &'a &'a Limit)>) -> String {
    let names: Vec<&str> = limits.map(|(name, _)| name.as_str()).collect();
    if names.is_empty() { "none".to_owned() } else { names.join("; ") }
}
