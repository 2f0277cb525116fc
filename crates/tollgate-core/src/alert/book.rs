//! All alerts of a process: which rules hold of which subjects.
//!
//! Subjects are bounded: those of the alerts that there are may be [`MAX_SUBJECTS`] together, and
//! one that comes when they are is counted and not watched. One whose alert is over, and could
//! fire again at once, is forgotten.

use std::collections::BTreeMap;

use compact_str::CompactString;

use super::{AlertName, Machine, Rule, Turn};
use crate::Time;

/// What is known of every alert.
#[derive(Debug, Clone, Default)]
pub struct Book {
    machines: BTreeMap<(AlertName, Subject), Machine>,
    /// What fires, as it was seen last.
    seen: BTreeMap<(AlertName, Subject), f64>,
    lost: u64,
}

/// What an alert is about, as the policy names it: a provider or a limit; empty for the whole.
pub type Subject = CompactString;

/// The value that a condition has now.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// Whose condition it is.
    pub name: AlertName,
    /// What it is about.
    pub subject: Subject,
    /// How high it is.
    pub value: f64,
}

/// An alert that fires or is over.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Which of both.
    pub turn: Turn,
    /// Which alert, and what it is about.
    pub name: AlertName,
    /// What it is about.
    pub subject: Subject,
    /// The value that it has now; nothing where nobody knows it any more.
    pub value: Option<f64>,
    /// Since when it holds, or is over.
    pub since: Time,
}

/// An alert that fires.
#[derive(Debug, Clone, PartialEq)]
pub struct Firing {
    /// Which.
    pub name: AlertName,
    /// What it is about.
    pub subject: Subject,
    /// The value that was seen last.
    pub value: f64,
    /// Since when it holds.
    pub since: Time,
}

/// Subjects that are watched, over all alerts.
pub const MAX_SUBJECTS: usize = 512;

impl Book {
    /// The conditions have these values now, and those that are not among them have none. An
    /// alert without a rule is over.
    pub fn look(&mut self, rules: &[Rule], conditions: &[Condition], now: Time) -> Vec<Event> {
        let mut values: BTreeMap<(AlertName, Subject), f64> = BTreeMap::new();
        for condition in conditions {
            let key = (condition.name, condition.subject.clone());
            let is_known = self.machines.contains_key(&key) || values.contains_key(&key);
            if !is_known {
                let Some(rule) = rule_of(rules, condition.name) else { continue };
                if !rule.reaches(condition.value) {
                    continue;
                }
                if self.machines.len() >= MAX_SUBJECTS {
                    self.lost += 1;
                    continue;
                }
                self.machines.insert(key.clone(), Machine::default());
            }
            values.insert(key, condition.value);
        }
        let mut events = Vec::new();
        self.machines.retain(|key, machine| {
            let (name, subject) = key;
            let rule = rule_of(rules, *name);
            let value = values.get(key).copied();
            let turn = match rule {
                Some(rule) => machine.step(rule, value, now),
                None => machine.firing_since().map(|_| Turn::Clear),
            };
            if let Some(turn) = turn {
                let since = machine.firing_since().filter(|_| turn == Turn::Fire).unwrap_or(now);
                events.push(Event { turn, name: *name, subject: subject.clone(), value, since });
            }
            rule.is_some_and(|rule| !machine.is_idle(rule, now))
        });
        self.seen = values;
        events
    }

    /// The alerts that fire now, those that began first first.
    pub fn firing(&self) -> Vec<Firing> {
        let mut all: Vec<_> = self
            .machines
            .iter()
            .filter_map(|(key, machine)| {
                let value = self.seen.get(key).copied().unwrap_or_default();
                let since = machine.firing_since()?;
                Some(Firing { name: key.0, subject: key.1.clone(), value, since })
            })
            .collect();
        all.sort_by_key(|firing| firing.since);
        all
    }

    /// How many subjects are watched.
    pub fn watched(&self) -> usize {
        self.machines.len()
    }

    /// How often one was not, since there were too many.
    pub const fn lost(&self) -> u64 {
        self.lost
    }
}

fn rule_of(rules: &[Rule], name: AlertName) -> Option<&Rule> {
    rules.iter().find(|rule| rule.name == name)
}
