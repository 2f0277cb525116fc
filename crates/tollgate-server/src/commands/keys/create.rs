//! `tollgate keys create`: a new key, its text shown once.

use std::process::ExitCode;

use super::show;
use crate::{
    commands::roster::{RosterArgs, at_desk},
    roster::{Budget, Draft, Moment, RosterError, Terms},
};

#[derive(Debug, clap::Args)]
pub(super) struct CreateArgs {
    /// Its public name, which stands in logs and statistics; one is made up if not given
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// The user of its requests; without one the key is a user of its own
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// The team of its requests
    #[arg(long, value_name = "NAME")]
    team: Option<String>,
    /// The customer of its requests
    #[arg(long, value_name = "NAME")]
    customer: Option<String>,
    /// The tag of its requests
    #[arg(long, value_name = "NAME")]
    tag: Option<String>,
    /// The tier of its requests
    #[arg(long, value_name = "NAME")]
    tier: Option<String>,
    /// An attribute of your own; may be given again
    #[arg(long = "attribute", value_name = "NAME=VALUE", value_parser = pair)]
    attributes: Vec<(String, String)>,
    /// A model it may be used for, such as gpt-*; may be given again
    #[arg(long = "model", value_name = "PATTERN")]
    models: Vec<String>,
    /// A provider it may be used for; may be given again
    #[arg(long = "provider", value_name = "NAME")]
    providers: Vec<String>,
    /// What it may spend: dollars per day, week, month or in total; one of each
    #[arg(long = "budget", value_name = "AMOUNT/PERIOD")]
    budgets: Vec<Budget>,
    /// Until when it works: a day, an instant, or a length of time like 90d
    #[arg(long, value_name = "TIME")]
    expires: Option<String>,
    #[command(flatten)]
    roster: RosterArgs,
}

/// Makes a key.
pub(super) fn run(args: &CreateArgs) -> anyhow::Result<ExitCode> {
    at_desk(&args.roster, |mut desk| {
        let draft = args.draft(desk.by.at)?;
        draft.check(&desk.config.settings)?;
        let made = desk.book.create(draft, &desk.by)?;
        show::tell_once(&args.roster, made);
        Ok(ExitCode::SUCCESS)
    })
}

impl CreateArgs {
    fn draft(&self, now: Moment) -> Result<Draft, RosterError> {
        let expires = self.expires.as_deref().map(|text| Moment::until(text, now)).transpose();
        let terms = Terms {
            user: self.user.clone(),
            team: self.team.clone(),
            customer: self.customer.clone(),
            tag: self.tag.clone(),
            tier: self.tier.clone(),
            attributes: self.attributes.iter().cloned().collect(),
            models: self.models.clone(),
            providers: self.providers.clone(),
            budgets: self.budgets.clone(),
        };
        Ok(Draft { id: self.id.clone(), terms, expires: expires.map_err(RosterError::Invalid)? })
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}
