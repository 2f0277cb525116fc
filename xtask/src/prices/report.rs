//! What the conversion has to say: what was left out and why, what was dropped or changed.

use std::collections::BTreeMap;

use crate::report::line;

/// How many names are listed at most for each remark.
const LISTED: usize = 6;

/// Remarks on models, by what they say.
#[derive(Debug)]
pub(super) struct Report {
    models: usize,
    rows: usize,
    /// Why models have no line.
    left_out: BTreeMap<&'static str, Vec<String>>,
    /// What is remarkable about models that have a line.
    kept: BTreeMap<&'static str, Vec<String>>,
}

impl Report {
    pub(super) const fn new(models: usize) -> Self {
        Self { models, rows: 0, left_out: BTreeMap::new(), kept: BTreeMap::new() }
    }

    pub(super) const fn count_row(&mut self) {
        self.rows += 1;
    }

    pub(super) fn leave_out(&mut self, model: &str, why: &'static str) {
        self.left_out.entry(why).or_default().push(model.to_owned());
    }

    pub(super) fn keep(&mut self, model: &str, remark: &'static str) {
        let models = self.kept.entry(remark).or_default();
        if models.last().is_none_or(|last| last != model) {
            models.push(model.to_owned());
        }
    }

    pub(super) fn print(&self) {
        line(format_args!("{} models in the source, {} with a price", self.models, self.rows));
        line("left out of the table, and so without a price:");
        print(&self.left_out);
        line("in the table:");
        print(&self.kept);
    }
}

fn print(remarks: &BTreeMap<&'static str, Vec<String>>) {
    for (remark, models) in remarks {
        let names = models[..models.len().min(LISTED)].join(", ");
        let more = if models.len() > LISTED { ", …" } else { "" };
        line(format_args!("{:>6}  {remark}: {names}{more}", models.len()));
    }
}
