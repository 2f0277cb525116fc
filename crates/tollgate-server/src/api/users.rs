//! What one user has used and has left.

use std::{collections::BTreeMap, time::Duration};

use axum::{Extension, Json, extract::State};
use serde::{Deserialize, Serialize};
use tollgate_core::{
    Attribute, Attributes, Now, PeriodUnit, Unit,
    policy::{Limit, Measure},
};

use super::{
    Instant, Problem, Shared,
    access::Caller,
    accounts::{self, Account},
    asked::Name,
    input::{Asking, Named},
    shown::{LimitShown, Quantity},
};
use crate::{app::App, live::Live, roster::ManagedKey};

/// What is known of the user that the policy's keys do not say.
#[derive(Debug, Clone, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Standing {
    /// The user's tier, where the policy has amounts for it.
    #[param(value_type = Option<String>)]
    tier: Option<Name>,
}

/// What a user has used and has left.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct UserStats {
    user_id: String,
    /// Requests by the length of time in which they count (`minute`, `hour`, `day`); what
    /// else the policy limits per user, by the limit's name.
    limits: BTreeMap<String, Used>,
    /// Tokens by the length of time in which they count, where they are limited.
    tokens: BTreeMap<&'static str, Used>,
    /// Dollars of the day.
    cost: Cost,
    /// Requests that run now.
    concurrent: u64,
    /// Requests that wait.
    queued: u64,
    /// Every limit that is kept per user.
    accounts: Vec<LimitShown>,
}

/// How much of a limit is used.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Used {
    pub(super) current: Quantity,
    pub(super) limit: Quantity,
    pub(super) remaining: Quantity,
    /// When more is left, if nothing else happens; null where it never is.
    reset_at: Option<Instant>,
}

/// The dollars of the day; null where no limit counts them.
#[derive(Debug, Default, Serialize, utoipa::ToSchema)]
pub(super) struct Cost {
    today: Option<Quantity>,
    limit: Option<Quantity>,
    remaining: Option<Quantity>,
}

/// The path of a user's statistics: the one that the user's own key may ask.
pub(super) const STATS: &str = "/v1/users/{id}/stats";

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// Tells what a user has used and has left.
#[utoipa::path(get, path = "/v1/users/{id}/stats", tag = "statistics",
    params(("id" = String, Path, description = "The user"), Standing), responses(
    (status = 200, description = "The user's statistics", body = UserStats),
    (status = 400, description = "The request is wrong", body = Problem),
    (status = 403, description = "The key belongs to another user", body = Problem),
    (status = 503, description = "The store cannot answer", body = Problem),
))]
pub(super) async fn stats(
    State(api): State<Shared>,
    Extension(caller): Extension<Caller>,
    Named(user): Named,
    Asking(query): Asking<Standing>,
) -> Result<Json<UserStats>, Problem> {
    if let Caller::User(own) = &caller
        && *own != user
    {
        return Err(Problem::forbidden(
            "A user's key may read that user's statistics only, not another's.",
        ));
    }
    let live = api.app.live();
    let now = api.app.gate.clock().now();
    let mut who = described(&api.app, &live, &user, now);
    if let (Caller::Operator, Some(Name(tier))) = (&caller, &query.tier) {
        who.set(Attribute::Tier, tier.as_str());
    }
    api.held.expire(now.time);
    let accounts = accounts::of_user(&api.app, &live, &user, &who, now).await?;
    Ok(Json(UserStats {
        limits: by_window(&accounts, now),
        tokens: tokens(&accounts, now),
        cost: cost(&accounts),
        concurrent: api.app.metrics.concurrent_of(&user),
        queued: api.app.metrics.queued_of(&user),
        accounts: accounts.iter().map(|(l, standing)| LimitShown::new(standing, l, now)).collect(),
        user_id: user,
    }))
}

/// The user with what its keys say of it, the policy's first.
fn described(app: &App, live: &Live, user: &str, now: Now) -> Attributes {
    let mut who = Attributes::new();
    let roster = app.roster.snapshot();
    let managed = || roster.key_of(user, now.wall).map(ManagedKey::holder);
    if let Some(holder) = live.keys.of_user(user).or_else(managed) {
        for attribute in [Attribute::Tier, Attribute::Team, Attribute::Customer] {
            if let Some(value) = holder.value(&attribute) {
                who.set(attribute, value);
            }
        }
    }
    who.set(Attribute::User, user);
    roster.grant(&mut who, &live.policy, now);
    who
}

/// Limits by the length of time in which they count requests, else by their names.
pub(super) fn by_window(accounts: &[Account<'_>], now: Now) -> BTreeMap<String, Used> {
    let mut limits = BTreeMap::new();
    for account in accounts.iter().filter(|(limit, _)| limit.unit != Unit::Usd) {
        let (limit, _) = account;
        let is_plain = limit.unit == Unit::Requests && limit.when.conditions().is_empty();
        let name = window(limit).filter(|name| is_plain && !limits.contains_key(*name));
        let name = name.unwrap_or(limit.name.as_str()).to_owned();
        limits.entry(name).or_insert_with(|| Used::new(account, now));
    }
    limits
}

/// Limits on all tokens of any model, by the length of time in which they count.
fn tokens(accounts: &[Account<'_>], now: Now) -> BTreeMap<&'static str, Used> {
    let counts = |limit: &Limit| limit.unit == Unit::Tokens && limit.when.conditions().is_empty();
    let tokens = accounts.iter().filter(|(limit, _)| counts(limit));
    tokens.filter_map(|account| Some((window(account.0)?, Used::new(account, now)))).collect()
}

/// The dollars of the day.
pub(super) fn cost(accounts: &[Account<'_>]) -> Cost {
    let is_of_day = |limit: &Limit| limit.unit == Unit::Usd && window(limit) == Some("day");
    let Some((limit, standing)) = accounts.iter().find(|(limit, _)| is_of_day(limit)) else {
        return Cost::default();
    };
    let quantity = |amount| Some(Quantity::new(limit.unit, amount));
    Cost {
        today: quantity(standing.cap.saturating_sub(standing.remaining)),
        limit: quantity(standing.cap),
        remaining: quantity(standing.remaining),
    }
}

impl Used {
    fn new((limit, standing): &Account<'_>, now: Now) -> Self {
        Self {
            current: Quantity::new(limit.unit, standing.cap.saturating_sub(standing.remaining)),
            limit: Quantity::new(limit.unit, standing.cap),
            remaining: Quantity::new(limit.unit, standing.remaining),
            reset_at: Instant::of_reset(standing, now),
        }
    }
}

/// The length of time in which a limit counts, where it has a name.
fn window(limit: &Limit) -> Option<&'static str> {
    match &limit.measure {
        Measure::Window { length, .. } => match *length {
            MINUTE => Some("minute"),
            HOUR => Some("hour"),
            DAY => Some("day"),
            _ => None,
        },
        Measure::Period { calendar, .. } if calendar.unit() == PeriodUnit::Day => Some("day"),
        _ => None,
    }
}
