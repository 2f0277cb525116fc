//! How much a limiter allows, with the names by which services have always set it up.

use std::{str::FromStr, time::Duration};

use serde::Serialize;
use tollgate_core::{
    Attribute, Policy, Unit,
    policy::{Limit, Measure, Queue},
    queue::{Overflow, Rules},
};

/// How much a limiter allows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Limits {
    /// Everything passes where it is off.
    pub enabled: bool,
    /// Requests of one user at once.
    pub max_concurrent_per_user: u64,
    /// Requests of one user that wait.
    pub max_queue_size_per_user: usize,
    /// Requests at once in all.
    pub max_concurrent_global: u64,
    /// Requests that wait in all.
    pub max_queue_size_global: usize,
    /// What is told where no instant can be promised.
    pub retry_after: Duration,
    /// How long a request waits.
    pub queue_timeout: Duration,
    /// What an arrival at a full queue does.
    #[serde(serialize_with = "named")]
    pub overload_policy: Overflow,
}

/// A variable that does not say what it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}=`{value}`: {wanted}")]
pub struct ParseLimitsError {
    name: &'static str,
    value: String,
    wanted: &'static str,
}

const NUMBER: &str = "write a whole number, like 10";
const SECONDS: &str = "write seconds, like 30.0";

impl Default for Limits {
    fn default() -> Self {
        Self {
            enabled: true,
            max_concurrent_per_user: 3,
            max_queue_size_per_user: 10,
            max_concurrent_global: 100,
            max_queue_size_global: 500,
            retry_after: Duration::from_secs(5),
            queue_timeout: Duration::from_secs(30),
            overload_policy: Overflow::DropNewest,
        }
    }
}

impl Limits {
    /// The defaults, but for what the environment's `LIMITS_…` variables say.
    ///
    /// # Errors
    /// When one of them makes no sense.
    pub fn from_env() -> Result<Self, ParseLimitsError> {
        Self::from_vars(|name| std::env::var(name).ok())
    }

    /// The same, with variables from elsewhere.
    ///
    /// # Errors
    /// When one of them makes no sense.
    pub fn from_vars(
        variable: impl Fn(&'static str) -> Option<String>,
    ) -> Result<Self, ParseLimitsError> {
        let mut limits = Self::default();
        let var = &variable;
        set(var, "LIMITS_ENABLED", "write true or false", &mut limits.enabled, boolean)?;
        let (own, own_queue) =
            (&mut limits.max_concurrent_per_user, &mut limits.max_queue_size_per_user);
        set(var, "LIMITS_MAX_CONCURRENT_PER_USER", NUMBER, own, parsed)?;
        set(var, "LIMITS_MAX_QUEUE_SIZE_PER_USER", NUMBER, own_queue, parsed)?;
        let (all, all_queue) =
            (&mut limits.max_concurrent_global, &mut limits.max_queue_size_global);
        set(var, "LIMITS_MAX_CONCURRENT_GLOBAL", NUMBER, all, parsed)?;
        set(var, "LIMITS_MAX_QUEUE_SIZE_GLOBAL", NUMBER, all_queue, parsed)?;
        set(var, "LIMITS_RETRY_AFTER_SECONDS", SECONDS, &mut limits.retry_after, seconds)?;
        set(var, "LIMITS_QUEUE_TIMEOUT_SECONDS", SECONDS, &mut limits.queue_timeout, seconds)?;
        let policies = "write drop_newest, drop_oldest or block";
        set(var, "LIMITS_OVERLOAD_POLICY", policies, &mut limits.overload_policy, overflow)?;
        Ok(limits)
    }

    /// The policy that they are.
    pub(super) fn policy(&self) -> Policy {
        let user = self.slots(
            "user-slots",
            &[Attribute::User],
            self.max_concurrent_per_user,
            self.max_queue_size_per_user,
        );
        let all =
            self.slots("all-slots", &[], self.max_concurrent_global, self.max_queue_size_global);
        // Two names that differ always make a policy.
        Policy::new(vec![user, all]).unwrap_or_default()
    }

    fn slots(&self, name: &str, per: &[Attribute], cap: u64, size: usize) -> Limit {
        let rules = Rules {
            size,
            per_tenant: None,
            timeout: self.queue_timeout,
            overflow: self.overload_policy,
            bypass: None,
            ageing: self.queue_timeout / 3,
        };
        let queue = Queue {
            rules,
            tenant: Attribute::User,
            weights: Vec::new(),
            timeout_status: 408,
            claim: Duration::from_secs(60),
            for_holds: false,
        };
        let slots = Limit::new(name, per, Unit::Requests, Measure::Concurrency { cap });
        Limit { queue: (size > 0).then_some(queue), retry_after: self.retry_after, ..slots }
    }
}

fn set<T>(
    variable: &impl Fn(&'static str) -> Option<String>,
    name: &'static str,
    wanted: &'static str,
    place: &mut T,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<(), ParseLimitsError> {
    let Some(value) = variable(name) else { return Ok(()) };
    *place = read(value.trim()).ok_or(ParseLimitsError { name, value, wanted })?;
    Ok(())
}

fn parsed<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

fn boolean(text: &str) -> Option<bool> {
    text.to_ascii_lowercase().parse().ok()
}

fn seconds(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.parse().ok()?).ok()
}

const NAMES: [(&str, Overflow); 3] = [
    ("drop_newest", Overflow::DropNewest),
    ("drop_oldest", Overflow::DropOldest),
    ("block", Overflow::Block),
];

fn overflow(text: &str) -> Option<Overflow> {
    NAMES.into_iter().find(|(name, _)| *name == text).map(|(_, overflow)| overflow)
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the shape that serde asks for")]
fn named<S: serde::Serializer>(overflow: &Overflow, serializer: S) -> Result<S::Ok, S::Error> {
    let name = NAMES.into_iter().find(|(_, known)| known == overflow).map_or("", |(name, _)| name);
    serializer.serialize_str(name)
}
