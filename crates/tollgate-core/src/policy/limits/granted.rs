//! Another amount for one caller, in the form in which the limit itself is written.

use std::time::Duration;

use crate::{
    Attribute,
    policy::{
        Limit, Measure,
        values::{Decimal, Every, Rate},
    },
};

/// Attributes by which an account is a caller's own, from the narrowest on.
const OWN: [Attribute; 4] = [Attribute::Session, Attribute::Key, Attribute::User, Attribute::Team];

impl Limit {
    /// What this limit allows a caller to whom `written` is granted: `100/minute` where the
    /// limit counts per minute, `100/minute burst 20` for a bucket, `5` where it counts what
    /// is held at once.
    ///
    /// # Errors
    /// A sentence, when the amount has another shape than the limit, or the limit is kept
    /// for many callers together.
    pub fn granted(&self, written: &str) -> Result<Measure, String> {
        if !self.per.iter().any(|attribute| OWN.contains(attribute)) {
            return Err(format!(
                "`{}` is kept for all callers together, so it can't be another for one of them",
                self.name
            ));
        }
        match &self.measure {
            Measure::Concurrency { .. } => Ok(Measure::Concurrency { cap: self.slots(written)? }),
            Measure::Sessions { idle, .. } => {
                Ok(Measure::Sessions { cap: self.slots(written)?, idle: *idle })
            }
            Measure::Window { length, .. } => {
                let cap = self.rate(written, |every| every.length() == Some(*length))?;
                Ok(Measure::Window { length: *length, cap })
            }
            Measure::Period { calendar, .. } => {
                let cap = self.rate(written, |every| every.period() == Some(calendar.unit()))?;
                Ok(Measure::Period { calendar: calendar.clone(), cap })
            }
            Measure::Bucket { .. } => self.bucket(written),
        }
    }

    fn slots(&self, written: &str) -> Result<u64, String> {
        let amount: Decimal = written.trim().parse().map_err(|_| self.misfit(written))?;
        amount.count(self.unit)
    }

    fn rate(&self, written: &str, fits: impl Fn(Every) -> bool) -> Result<u64, String> {
        let rate: Rate = written.parse().map_err(|why| format!("{why}; {}", self.as_written()))?;
        if !fits(rate.every) {
            return Err(self.misfit(written));
        }
        rate.amount.count(self.unit)
    }

    /// Refilled at the rate, over whatever time it is written for.
    fn bucket(&self, written: &str) -> Result<Measure, String> {
        let (rate, burst) = match written.split_once("burst") {
            Some((rate, burst)) => (rate.trim(), Some(burst.trim())),
            None => (written.trim(), None),
        };
        let Rate { amount, every } =
            rate.parse().map_err(|why| format!("{why}; {}", self.as_written()))?;
        let (rate, per) = (amount.count(self.unit)?, every.length());
        let per: Duration = per.ok_or_else(|| self.misfit(written))?;
        if rate == 0 {
            return Err(
                "a bucket that is never refilled is of no use: write a rate above 0".to_owned()
            );
        }
        let burst = match burst {
            Some(burst) => burst.parse::<Decimal>()?.count(self.unit)?,
            None => rate,
        };
        Ok(Measure::Bucket { rate, per, burst })
    }

    fn misfit(&self, written: &str) -> String {
        format!("`{}` does not fit: {}", crate::policy::values::excerpt(written), self.as_written())
    }

    fn as_written(&self) -> String {
        let nobody = crate::Attributes::new();
        let allows = self.describe(&nobody);
        let form = match &self.measure {
            Measure::Concurrency { .. } | Measure::Sessions { .. } => "a number such as 5",
            Measure::Bucket { .. } => "a rate such as 100/minute, or 100/minute burst 20",
            Measure::Window { .. } | Measure::Period { .. } => {
                "an amount per the same length of time, such as 100/minute"
            }
        };
        format!("`{}` allows {allows}, so write {form}", self.name)
    }
}
