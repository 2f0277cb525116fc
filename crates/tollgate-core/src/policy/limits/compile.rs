//! From entries to limits, with what is wrong about each.

use std::{collections::BTreeMap, time::Duration};

use compact_str::CompactString;
use jiff::tz::TimeZone;

use super::{
    entry::LimitEntry,
    forms::Zone,
    measure::{Said, shape},
    queue::QueueForm,
    sync::why_exact,
};
use crate::{
    Attribute, LimitId, PeriodUnit, Unit, Warn,
    policy::{
        Limit, Measure, Pattern, PolicyError, Queue, Tighten, When, kept,
        settings::SyncMode,
        suggest::nearest,
        tree::{Node, Secrets, Step, read},
        values::Span,
    },
};

/// What is wrong, and what is probably not meant.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) errors: Vec<PolicyError>,
    pub(crate) warnings: Vec<PolicyError>,
}

/// More limits than this make a decision slow.
const MAX_LIMITS: usize = 64;

/// The most attributes that one limit is kept per.
const MAX_PER: usize = 8;

/// What `Retry-After` says where nothing better is known.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Compiles every limit of a policy.
pub(crate) fn compile(root: &Node, secrets: Secrets<'_>, findings: &mut Findings) -> Vec<Limit> {
    let Some(entries) = root.child("limits") else { return Vec::new() };
    if entries.list().len() > MAX_LIMITS {
        let message = format!("there are more than {MAX_LIMITS} limits");
        findings.errors.push(PolicyError::new(message).at(root.key_origin("limits")));
        return Vec::new();
    }
    let places = 0..entries.list().len();
    let compiled =
        places.filter_map(|place| Some((place, compile_one(root, place, secrets, findings)?)));
    let compiled: Vec<(usize, Limit)> = compiled.collect();
    for (place, limit) in &compiled {
        if let Some(tighten) = &limit.tighten {
            check_budget(root, *place, tighten, &compiled, findings);
        }
    }
    compiled.into_iter().map(|(_, limit)| limit).collect()
}

/// A limit can only follow the money of a budget that there is, and that has a pace.
fn check_budget(
    root: &Node,
    place: usize,
    tighten: &Tighten,
    all: &[(usize, Limit)],
    findings: &mut Findings,
) {
    let budget = all.iter().map(|(_, limit)| limit).find(|limit| limit.id == tighten.budget_id());
    let why = match budget {
        None => "there is no limit of that name that is kept for all together",
        Some(budget) if budget.unit != Unit::Usd => "it counts no money",
        Some(Limit { measure: Measure::Period { calendar, .. }, .. })
            if calendar.unit() != PeriodUnit::Total =>
        {
            return;
        }
        Some(_) => "it has no calendar period, and so no pace",
    };
    let path =
        [Step::Key("limits".to_owned()), Step::Index(place), Step::Key("tighten".to_owned())];
    let origin = root.at(&path).map_or(&root.origin, |node| node.value_origin("budget"));
    let message = format!("`{}.budget`: {why}: `{}`", root.describe(&path), tighten.budget);
    findings.errors.push(PolicyError::new(message).at(origin));
}

fn compile_one(
    root: &Node,
    place: usize,
    secrets: Secrets<'_>,
    findings: &mut Findings,
) -> Option<Limit> {
    let path = [Step::Key("limits".to_owned()), Step::Index(place)];
    let node = root.at(&path)?;
    let entry: LimitEntry = read(root, &path, secrets, &mut findings.errors)?;
    let mut one = One { root, path: &path, node, secrets, findings };
    let enabled = entry.enabled;
    let limit = one.limit(entry);
    limit.filter(|_| enabled)
}

/// One entry on its way.
struct One<'a> {
    root: &'a Node,
    path: &'a [Step],
    node: &'a Node,
    secrets: Secrets<'a>,
    findings: &'a mut Findings,
}

impl One<'_> {
    fn limit(&mut self, mut entry: LimitEntry) -> Option<Limit> {
        let said = self.said(&mut entry);
        let per = self.per(&entry);
        let zone = self.zone(&entry);
        self.warn(&entry);
        let (key, said) = said?;
        let measure = said.measure(&zone).map_err(|why| self.wrong_value(key, &why)).ok()?;
        let by_calendar = matches!(&measure, Measure::Period { calendar, .. } if calendar.unit() != PeriodUnit::Total);
        if entry.timezone.is_some() && !by_calendar {
            let why = "a time zone is for calendar periods, and this limit has none";
            self.wrong_value("timezone", why);
        }
        let tiers = self.tiers(key, &said, &measure, &zone)?;
        let minimum = self.minimum(&entry, &said, &measure);
        let keeps = match entry.minimum {
            Some(_) => Some(minimum).filter(|_| !matches!(measure, Measure::Sessions { .. })),
            None => kept::by_default(said.unit(), &measure),
        };
        if entry.sync == SyncMode::Leased
            && let Some(why) = why_exact(&measure, entry.shadow)
        {
            self.wrong_value("sync", &why);
        }
        let warn = entry.warnings(&measure).unwrap_or_else(|(key, why)| {
            self.wrong_value(key, &why);
            Warn::NEVER
        });
        let never_refuses = match (entry.shadow, entry.soft) {
            (true, _) => Some("a limit in shadow"),
            (_, true) => Some("a soft budget"),
            _ => None,
        };
        let queue = if entry.queue.is_some() {
            self.queue(entry.queue.take(), never_refuses, &measure)
        } else {
            let is_budget = said.unit() != Unit::Requests && never_refuses.is_none();
            (is_budget && matches!(measure, Measure::Period { .. })).then(Queue::for_holds)
        };
        let name = CompactString::from(entry.name.0);
        Some(Limit {
            id: LimitId::new(&name, &per),
            name,
            when: When::new(
                entry
                    .when
                    .into_iter()
                    .map(|(attribute, texts)| {
                        let patterns = texts.0.into_iter().map(Pattern::new).collect();
                        (Attribute::named(&attribute.0), patterns)
                    })
                    .collect(),
            ),
            per,
            unit: said.unit(),
            measure,
            tiers,
            shadow: entry.shadow,
            warn,
            retry_after: entry.retry_after.map_or(RETRY_AFTER, |Span(after)| after),
            status: entry.status.map(|status| status.0),
            queue,
            minimum,
            tighten: entry.tighten,
            keeps,
            sync: entry.sync,
            on_store_failure: entry.on_store_failure,
        })
    }

    /// The one thing that it counts.
    fn said(&mut self, entry: &mut LimitEntry) -> Option<(&'static str, Said)> {
        let mut said = entry.take_said();
        if said.len() > 1 {
            let keys: Vec<&str> = said.iter().map(|(key, _)| *key).collect();
            let last = keys.last().copied().unwrap_or_default();
            let message =
                format!("limit `{}` counts several things: {}", entry.name, keys.join(" and "));
            let error = PolicyError::new(message).at(self.node.key_origin(last));
            self.findings.errors.push(error.help("write a limit of its own for each"));
        } else if said.is_empty() {
            let message = format!("limit `{}` does not say what it counts", entry.name);
            let help = "give it one of requests, tokens, input_tokens, output_tokens, usd, seconds, bucket, concurrency, sessions";
            let error = PolicyError::new(message).at(&self.node.origin).help(help);
            self.findings.errors.push(error.incomplete());
        }
        if said.len() == 1 { said.pop() } else { None }
    }

    fn per(&mut self, entry: &LimitEntry) -> Vec<Attribute> {
        let mut per: Vec<Attribute> = Vec::new();
        for name in &entry.per {
            let attribute = Attribute::named(&name.0);
            if per.contains(&attribute) {
                self.wrong_value("per", &format!("`{name}` is there twice"));
            } else {
                per.push(attribute);
            }
        }
        if per.len() > MAX_PER {
            self.wrong_value("per", &format!("a limit is kept per at most {MAX_PER} attributes"));
        }
        per
    }

    fn zone(&self, entry: &LimitEntry) -> TimeZone {
        entry.timezone.as_ref().map_or(TimeZone::UTC, |Zone(zone)| zone.clone())
    }

    fn tiers(
        &mut self,
        key: &'static str,
        said: &Said,
        general: &Measure,
        zone: &TimeZone,
    ) -> Option<Vec<(CompactString, Measure)>> {
        let unit = said.unit();
        let said: BTreeMap<String, Said> = match said {
            Said::Amount(..) => self.read_tiers(|amount| Said::Amount(unit, amount))?,
            Said::Bucket(_) => self.read_tiers(Said::Bucket)?,
            Said::Concurrency(_) => self.read_tiers(Said::Concurrency)?,
            Said::Sessions(_) => self.read_tiers(Said::Sessions)?,
        };
        let mut tiers = Vec::new();
        for (tier, said) in said {
            let measure = said.measure(zone).and_then(|measure| {
                if shape(&measure) == shape(general) && said.unit() == unit {
                    Ok(measure)
                } else {
                    Err(format!("a tier changes how much, not what is counted or how often: write it as {key} is written"))
                }
            });
            match measure {
                Ok(measure) => tiers.push((tier.into(), measure)),
                Err(why) => {
                    let node = self.node.child("tiers").unwrap_or(self.node);
                    let message = format!("`{}.tiers.{tier}`: {why}", self.name());
                    let error = PolicyError::new(message).at(node.value_origin(&tier));
                    self.findings.errors.push(error);
                }
            }
        }
        Some(tiers)
    }

    fn read_tiers<T: serde::de::DeserializeOwned>(
        &mut self,
        said: impl Fn(T) -> Said,
    ) -> Option<BTreeMap<String, Said>> {
        if self.node.child("tiers").is_none() {
            return Some(BTreeMap::new());
        }
        let path = [self.path, &[Step::Key("tiers".to_owned())]].concat();
        let tiers: BTreeMap<String, T> =
            read(self.root, &path, self.secrets, &mut self.findings.errors)?;
        Some(tiers.into_iter().map(|(tier, form)| (tier, said(form))).collect())
    }

    fn minimum(&mut self, entry: &LimitEntry, said: &Said, measure: &Measure) -> u64 {
        let Some(minimum) = entry.minimum else { return measure.least() };
        match minimum.count(said.unit()) {
            Err(why) => self.wrong_value("minimum", &why),
            Ok(minimum) if minimum > measure.cap() => {
                self.wrong_value("minimum", "it is more than the limit itself allows");
            }
            Ok(minimum) => return minimum,
        }
        measure.least()
    }

    fn queue(
        &mut self,
        form: Option<QueueForm>,
        never_refuses: Option<&str>,
        measure: &Measure,
    ) -> Option<Queue> {
        let node = self.node.child("queue")?;
        let queue = match form?.queue(measure) {
            Ok(queue) => queue?,
            Err((key, why)) => {
                let message = format!("`{}.queue.{key}`: {why}", self.name());
                self.findings.errors.push(PolicyError::new(message).at(node.value_origin(key)));
                return None;
            }
        };
        if let Some(what) = never_refuses {
            let message = format!("{what} never refuses, so nobody waits for it");
            let warning = PolicyError::warning(message).at(self.node.key_origin("queue"));
            self.findings.warnings.push(warning);
        }
        if queue.rules.per_tenant.is_some_and(|most| most > queue.rules.size) {
            let message = "one tenant may have more places than the whole queue has";
            let warning = PolicyError::warning(message).at(node.value_origin("per_tenant"));
            self.findings.warnings.push(warning);
        }
        Some(queue)
    }

    fn warn(&mut self, entry: &LimitEntry) {
        let tenant = entry.queue.as_ref().and_then(|queue| queue.tenant.as_ref());
        let named = entry.per.iter().map(|name| (name, "per"));
        let named = named.chain(tenant.map(|name| (name, "queue")));
        for (name, key) in named.chain(entry.when.keys().map(|name| (name, "when"))) {
            let known: Vec<&str> = Attribute::known_names().collect();
            if known.contains(&name.0.as_str()) {
                continue;
            }
            if let Some(meant) = nearest(&name.0, known) {
                let message = format!("`{name}` is taken for an attribute of your own");
                let warning = PolicyError::warning(message).at(self.node.value_origin(key));
                self.findings.warnings.push(warning.help(format!("did you mean `{meant}`?")));
            }
        }
    }

    fn name(&self) -> String {
        self.root.describe(self.path)
    }

    fn wrong_value(&mut self, key: &str, why: &str) {
        let message = format!("`{}.{key}`: {why}", self.name());
        self.findings.errors.push(PolicyError::new(message).at(self.node.value_origin(key)));
    }
}
