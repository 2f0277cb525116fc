//! The fields that the IETF is about to agree on (draft-ietf-httpapi-ratelimit-headers):
//! `RateLimit-Policy` says which limits there are, `RateLimit` what is left of each. Both are
//! lists of structured fields, by the names of the limits. Read too are what earlier drafts
//! had: one list of words, and before it three fields with a number each.
//!
//! Of several limits on one unit the one counts of which the least is left, and among equals
//! the one that takes longest to come back. A field that is malformed says nothing, as the
//! draft has it, and so does a limit that counts what no request is known to use.

#[cfg(test)]
mod tests;

use std::time::Duration;

use sfv::{BareItem, Dictionary, Item, List, ListEntry, Parser};
use tollgate_core::Unit;

use super::{MAX_WAIT, Quota, Signals};

/// What the fields of one answer said.
#[derive(Debug, Default)]
pub(super) struct Fields {
    policies: Vec<Policy>,
    left: Vec<Left>,
    /// What has no name, in earlier drafts; it counts requests.
    nameless: Quota,
}

/// A limit.
#[derive(Debug)]
struct Policy {
    name: String,
    /// Nothing where no request is known to use it.
    unit: Option<Unit>,
    limit: u64,
    window: Option<Duration>,
}

/// Where a limit stands.
#[derive(Debug)]
struct Left {
    name: String,
    remaining: u64,
    reset_after: Option<Duration>,
}

/// The longest value that is read, in bytes.
const MAX_VALUE_BYTES: usize = 4 << 10;

/// The most limits that are remembered of one answer.
const MAX_LIMITS: usize = 32;

impl Fields {
    /// Reads a field by what its name has behind `ratelimit`.
    pub(super) fn field(&mut self, rest: &str, value: &str) {
        if value.len() > MAX_VALUE_BYTES {
            return;
        }
        match rest {
            "-policy" => self.policies.extend(list(value, Policy::of)),
            "" => match list(value, Left::of) {
                left if left.is_empty() => self.words(value),
                left => self.left.extend(left),
            },
            // A list of windows may follow the first number.
            "-limit" => self.nameless.limit = first_number(value),
            "-remaining" => self.nameless.remaining = first_number(value),
            "-reset" => self.nameless.reset_after = first_number(value).and_then(seconds),
            _ => {}
        }
        self.policies.truncate(MAX_LIMITS);
        self.left.truncate(MAX_LIMITS);
    }

    /// `limit=100, remaining=50, reset=30`.
    fn words(&mut self, value: &str) {
        let Ok(words) = Parser::new(value).parse::<Dictionary>() else { return };
        let number = |word| match words.get(word) {
            Some(ListEntry::Item(item)) => natural(&item.bare_item),
            _ => None,
        };
        self.nameless = Quota {
            limit: number("limit"),
            remaining: number("remaining"),
            reset_after: number("reset").and_then(seconds),
        };
    }

    /// Adds what they tell to what the provider's own headers do: of both, the stricter counts.
    pub(super) fn finish(&self, signals: &mut Signals) {
        signals.requests = stricter(signals.requests, self.nameless);
        for left in &self.left {
            let policy = self.policies.iter().find(|policy| policy.name == left.name);
            let unit = match policy {
                Some(policy) => policy.unit,
                None => Some(Unit::Requests).filter(|_| self.policies.is_empty()),
            };
            let quota = match unit {
                Some(Unit::Requests) => &mut signals.requests,
                Some(Unit::Tokens) => &mut signals.tokens,
                Some(Unit::InputTokens) => &mut signals.input_tokens,
                Some(Unit::OutputTokens) => &mut signals.output_tokens,
                _ => continue,
            };
            *quota = stricter(*quota, left.quota(policy));
        }
    }
}

impl Policy {
    fn of(name: &str, item: &Item) -> Option<Self> {
        let unit = match item.params.get("qu").map(BareItem::as_string) {
            None => Some(Unit::Requests),
            Some(unit) => unit.and_then(|unit| unit_of(unit.as_str())),
        };
        let limit = natural(item.params.get("q")?)?;
        let window = item.params.get("w").and_then(natural).and_then(seconds);
        Some(Self { name: name.to_owned(), unit, limit, window })
    }
}

impl Left {
    fn of(name: &str, item: &Item) -> Option<Self> {
        let remaining = natural(item.params.get("r")?)?;
        let reset_after = item.params.get("t").and_then(natural).and_then(seconds);
        Some(Self { name: name.to_owned(), remaining, reset_after })
    }

    fn quota(&self, policy: Option<&Policy>) -> Quota {
        let window = policy.and_then(|policy| policy.window);
        Quota {
            limit: policy.map(|policy| policy.limit),
            remaining: Some(self.remaining),
            // All of it is there again a window later at the latest.
            reset_after: self.reset_after.or(window),
        }
    }
}

/// What is counted, where a request is known to use it. The draft registers requests; tokens
/// are as Tollgate itself writes them.
fn unit_of(name: &str) -> Option<Unit> {
    match name {
        "requests" | "request" => Some(Unit::Requests),
        "tokens" => Some(Unit::Tokens),
        "input-tokens" => Some(Unit::InputTokens),
        "output-tokens" => Some(Unit::OutputTokens),
        _ => None,
    }
}

/// The members of a list that are strings and mean something; of a malformed list, none.
fn list<T>(value: &str, of: impl Fn(&str, &Item) -> Option<T>) -> Vec<T> {
    let entries = Parser::new(value).parse::<List>().unwrap_or_default();
    let members = entries.iter().filter_map(|entry| match entry {
        ListEntry::Item(item) => of(item.bare_item.as_string()?.as_str(), item),
        ListEntry::InnerList(_) => None,
    });
    members.take(MAX_LIMITS).collect()
}

fn first_number(value: &str) -> Option<u64> {
    match Parser::new(value).parse::<List>().ok()?.first()? {
        ListEntry::Item(item) => natural(&item.bare_item),
        ListEntry::InnerList(_) => None,
    }
}

fn natural(item: &BareItem) -> Option<u64> {
    u64::try_from(item.as_integer()?).ok()
}

/// A wait that is no longer than is believed.
fn seconds(seconds: u64) -> Option<Duration> {
    Some(Duration::from_secs(seconds)).filter(|wait| *wait <= MAX_WAIT)
}

fn stricter(known: Quota, told: Quota) -> Quota {
    let Some(remaining) = told.remaining else { return known };
    let is_known = known.remaining.is_some_and(|least| {
        least < remaining || least == remaining && known.reset_after >= told.reset_after
    });
    if is_known { known } else { told }
}
