//! Whose an entry is, and which entries are to be cleared.

use std::collections::VecDeque;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use tollgate_core::{Attribute, Attributes};

/// Whose an entry is and what of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Labels {
    pub(crate) user: Option<CompactString>,
    pub(crate) model: Option<CompactString>,
    pub(crate) tag: Option<CompactString>,
}

/// Which entries are meant: those that have all that is named here; without a name, all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Selector {
    /// Entries that this user's requests made.
    #[param(value_type = Option<String>)]
    pub(crate) user: Option<CompactString>,
    /// Entries of this model.
    #[param(value_type = Option<String>)]
    pub(crate) model: Option<CompactString>,
    /// Entries of requests with this tag.
    #[param(value_type = Option<String>)]
    pub(crate) tag: Option<CompactString>,
}

/// What was cleared of late, so that nothing comes back that was under way then.
#[derive(Debug, Default)]
pub(super) struct Clearings {
    /// How often something was cleared.
    count: u64,
    /// The last ones, the newest last.
    last: VecDeque<Selector>,
}

/// How far clearing had come when something began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mark(u64);

/// Clearings that are told apart; what began before them is cleared whosever it is.
const MAX_REMEMBERED: usize = 256;

impl Labels {
    pub(crate) fn of(who: &Attributes) -> Self {
        let named = |attribute| who.value(&attribute).map(CompactString::from);
        Self {
            user: named(Attribute::User),
            model: named(Attribute::Model),
            tag: named(Attribute::Tag),
        }
    }

    /// Bytes of memory that they take.
    pub(super) fn bytes(&self) -> usize {
        let all = [&self.user, &self.model, &self.tag];
        all.iter().map(|label| label.as_ref().map_or(0, |text| text.len())).sum()
    }
}

impl Selector {
    pub(super) fn selects(&self, labels: &Labels) -> bool {
        let has = |wanted: &Option<CompactString>, label| wanted.is_none() || wanted == label;
        has(&self.user, &labels.user)
            && has(&self.model, &labels.model)
            && has(&self.tag, &labels.tag)
    }
}

impl Clearings {
    pub(super) const fn mark(&self) -> Mark {
        Mark(self.count)
    }

    pub(super) fn note(&mut self, selector: Selector) {
        self.count += 1;
        self.last.push_back(selector);
        if self.last.len() > MAX_REMEMBERED {
            self.last.pop_front();
        }
    }

    /// Whether what has these labels was cleared since then, as far as can be told.
    pub(super) fn cover(&self, labels: &Labels, since: Mark) -> bool {
        let missed = self.count - since.0;
        let remembered = self.last.len() as u64;
        missed > remembered
            || self.last.iter().rev().take(missed as usize).any(|one| one.selects(labels))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selector(user: &str) -> Selector {
        Selector { user: Some(user.into()), ..Selector::default() }
    }

    #[test]
    fn what_is_named_must_all_be_there() {
        let who = Attributes::new().with(Attribute::User, "a").with(Attribute::Model, "m");
        let labels = Labels::of(&who);
        let model = Some("m".into());
        assert!(Selector::default().selects(&labels));
        assert!(selector("a").selects(&labels) && !selector("b").selects(&labels));
        assert!(Selector { model: model.clone(), ..selector("a") }.selects(&labels));
        assert!(!Selector { model, ..selector("b") }.selects(&labels));
        assert!(!Selector { tag: Some("t".into()), ..Selector::default() }.selects(&labels));
    }

    #[test]
    fn what_was_cleared_since_stays_cleared_however_long_ago_that_is() {
        let labels = Labels { user: Some("a".into()), ..Labels::default() };
        let mut clearings = Clearings::default();
        let before = clearings.mark();
        assert!(!clearings.cover(&labels, before));
        clearings.note(selector("a"));
        let after = clearings.mark();
        assert!(clearings.cover(&labels, before) && !clearings.cover(&labels, after));
        for _ in 0..MAX_REMEMBERED {
            clearings.note(selector("b"));
        }
        assert!(clearings.cover(&labels, before), "it is forgotten, so it may have been");
        assert!(!clearings.cover(&labels, after));
        clearings.note(selector("b"));
        assert!(clearings.cover(&labels, after), "on the safe side");
        assert_eq!(clearings.last.len(), MAX_REMEMBERED);
    }
}
