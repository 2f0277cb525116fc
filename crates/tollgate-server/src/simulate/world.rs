//! One gateway in virtual time, with what runs beside its requests.

use std::{sync::Arc, time::Duration};

use http_body_util::BodyExt as _;
use tokio::task::JoinSet;
use tollgate::Clock;
use tollgate_core::{Policy, Time, policy::Config};

use super::{
    asking::{Ask, Asking},
    outcome::{Ending, Outcome},
    scene::{Crowding, Scene, Variation},
};
use crate::{
    app::{App, Stage},
    dials, gateway,
    load::Dice,
    replay::Tokens,
};

/// One gateway in virtual time. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct World {
    pub(super) app: Arc<App>,
    pub(super) asking: Arc<Asking>,
    began: Time,
    answer: crate::load::Think,
    seed: u64,
    deadline_ms: Option<u64>,
}

/// When it begins: on a Monday at midnight UTC, 5 January 2026, so that days and weeks are whole.
const START: Time = Time::from_millis(1_767_571_200_000);

/// How often expired reservations are looked for, as a serving process does.
const EXPIRY_INTERVAL: Duration = Duration::from_secs(1);

impl World {
    /// A world of this policy, or of the part of it that a variation has; it lives as long as the
    /// runtime whose time is virtual.
    ///
    /// # Errors
    /// When nothing can be asked under that policy.
    pub(super) fn new(
        mut config: Config,
        scene: &Scene,
        variation: Variation,
    ) -> anyhow::Result<Self> {
        let settings = &mut config.settings;
        // The users are ours.
        settings.identity.trust_headers = true;
        let sandbox = &mut settings.sandbox;
        sandbox.enabled = true;
        let of_scene = (scene.requests_per_minute, scene.tokens_per_minute);
        sandbox.requests_per_minute = of_scene.0.unwrap_or(sandbox.requests_per_minute);
        sandbox.tokens_per_minute = of_scene.1.unwrap_or(sandbox.tokens_per_minute);
        if variation == Variation::Unlimited {
            (sandbox.requests_per_minute, sandbox.tokens_per_minute) = (0, 0);
            config.policy = Policy::default();
        }
        if !variation.falls_back() {
            settings.models.values_mut().for_each(|named| named.models.truncate(1));
        }
        let asking = Asking::of(settings, scene.model.as_deref(), longest(scene));
        let asking = Arc::new(asking.map_err(anyhow::Error::msg)?);
        let clock = Clock::of_runtime(START);
        let app = Arc::new(App::simulated(config, clock, scene.seed)?);
        app.enter(Stage::Serving);
        let patience = if variation.waits() { scene.patience } else { Some(Duration::ZERO) };
        let deadline_ms = patience.map(|most| u64::try_from(most.as_millis()).unwrap_or(u64::MAX));
        Ok(Self { app, asking, began: START, answer: scene.answer, seed: scene.seed, deadline_ms })
    }

    /// What a serving process does beside its requests, as far as decisions depend on it.
    pub(super) fn beside(&self) -> JoinSet<()> {
        let mut beside = JoinSet::new();
        let app = Arc::clone(&self.app);
        beside.spawn(async move {
            loop {
                tokio::time::sleep(EXPIRY_INTERVAL).await;
                // The store is in memory and answers always.
                let _ = app.gate.expire().await;
            }
        });
        beside.spawn(dials::attend(Arc::clone(&self.app)));
        let app = Arc::clone(&self.app);
        beside.spawn(async move { app.renewals.run(&app.gate).await });
        beside
    }

    /// Sends the request of that number and waits for its end.
    pub(super) async fn ask(&self, user: u32, number: u64, tokens: Tokens) -> Outcome {
        // Streams of the dice from the end on are those of answers, so that none is a user's.
        let mut dice = Dice::of_stream(self.seed, u64::MAX - number);
        let millis = u32::try_from(self.answer.next(&mut dice).as_millis()).unwrap_or(u32::MAX);
        let request = self.asking.request(Ask { user, number, tokens, millis }, self.deadline_ms);
        let asked = self.passed();
        let (head, body) = gateway::answer(Arc::clone(&self.app), request).await.into_parts();
        let is_whole = body.collect().await.is_ok();
        let ending = Ending::of(&head, is_whole, &self.asking.model);
        let at_once = self.app.metrics.concurrent() + 1;
        Outcome { user, tokens, asked, ended: self.passed(), ending, at_once }
    }

    /// How long it has been going on.
    pub(super) fn passed(&self) -> Duration {
        self.app.gate.clock().now().time.since(self.began)
    }
}

/// The longest prompt of a scene, in tokens.
fn longest(scene: &Scene) -> u64 {
    match &scene.crowding {
        Crowding::Users { size, .. } => size.0.input,
        Crowding::Trace(trace) => {
            let inputs = trace.rows().iter().map(|row| u64::from(row.input_tokens));
            inputs.max().unwrap_or_default().max(1)
        }
    }
}
