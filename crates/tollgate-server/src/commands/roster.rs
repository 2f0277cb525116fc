//! How commands read and change the roster: by its file, whether or not a gateway runs. One
//! that does takes a change over within a second.

use std::process::ExitCode;

use serde::Serialize;
use tollgate::Clock;
use tollgate_core::policy::Config;

use crate::{
    config::{self, Locations, PolicyArgs},
    output,
    roster::{Book, By, Moment, RosterError},
};

/// Whose roster it is, and how it is shown.
#[derive(Debug, clap::Args)]
pub(crate) struct RosterArgs {
    #[command(flatten)]
    policy: PolicyArgs,
    /// Why, for the audit
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: Option<String>,
    /// Print the answer as JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// The roster, and who asks.
pub(super) struct Desk {
    pub(super) book: Book,
    pub(super) config: Config,
    pub(super) by: By,
}

const WRONG_USAGE: u8 = 2;

/// The policy that is named; nothing where it is bad, of which nothing is told here.
pub(super) fn policy_if_good(args: &RosterArgs) -> Option<Config> {
    config::load(&Locations::of_process(&args.policy)).ok()
}

/// Does something with the roster: 1 where that is not possible, 2 where it makes no sense.
pub(super) fn at_desk(
    args: &RosterArgs,
    act: impl FnOnce(Desk) -> Result<ExitCode, RosterError>,
) -> anyhow::Result<ExitCode> {
    let locations = Locations::of_process(&args.policy);
    let config = match config::load(&locations) {
        Ok(config) => config,
        Err(errors) => {
            output::note(config::rendered(&errors, false));
            return Ok(ExitCode::FAILURE);
        }
    };
    if config.settings.store.ledger().is_none() {
        anyhow::bail!(
            "this policy keeps its numbers in memory, and with them the roster: set `[store] path`, or `kind = \"embedded\"`, or ask the control plane of the running process"
        );
    }
    let name = |known: &str| locations.environment.iter().find(|(name, _)| name == known);
    let user = name("USER").or_else(|| name("LOGNAME")).map_or("unknown", |(_, user)| user);
    let at = Moment::of(Clock::system().now().wall);
    let by = By { who: format!("command:{user}"), at, reason: None };
    let done = by.because(args.reason.clone()).and_then(|by| {
        Book::open(&config.settings).and_then(|book| act(Desk { book, config, by }))
    });
    match done {
        Err(error @ RosterError::Invalid(_)) => {
            output::note(format_args!("error: {error}"));
            Ok(ExitCode::from(WRONG_USAGE))
        }
        done => Ok(done?),
    }
}

impl RosterArgs {
    /// Prints an answer as JSON, or as people read it.
    pub(super) fn tell<T: Serialize>(&self, answer: &T, people: impl FnOnce(&T)) {
        if self.json {
            // What is told has only texts, numbers and lists.
            output::line(serde_json::to_string_pretty(answer).unwrap_or_default());
        } else {
            people(answer);
        }
    }
}
