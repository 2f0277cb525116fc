//! Old sums of spend: by the day instead of the hour, and without the names of people.

use rusqlite::{Connection, Row, params};
use tollgate_core::Time;

use super::Retention;
use crate::store::embedded::spend::OTHERS;

const HOUR_NS: u64 = 3_600_000_000_000;

/// The sums of an hour, by provider and model.
const SUM_UP: &str = "SELECT provider, model, sum(requests), sum(input_tokens), \
    sum(output_tokens), sum(nano_usd), sum(millis), sum(overrun_nano_usd), sum(estimated) \
    FROM spend WHERE hour = ? GROUP BY provider, model";

/// Adds to the sums of a day.
const ADD: &str = "INSERT INTO spend VALUES (?1, ?2, ?2, ?2, ?2, ?3, ?4, ?2, ?2, \
        ?5, ?6, ?7, ?8, ?9, ?10, ?11) \
    ON CONFLICT DO UPDATE SET requests = requests + excluded.requests, \
        input_tokens = input_tokens + excluded.input_tokens, \
        output_tokens = output_tokens + excluded.output_tokens, \
        nano_usd = nano_usd + excluded.nano_usd, millis = millis + excluded.millis, \
        overrun_nano_usd = overrun_nano_usd + excluded.overrun_nano_usd, \
        estimated = estimated + excluded.estimated";

impl Retention {
    /// Folds the next hour of a day that ended before `before`; whether there was one.
    pub(super) fn fold(&mut self, connection: &Connection, before: Time) -> rusqlite::Result<bool> {
        let end = (before.as_nanos() / HOUR_NS / 24 * 24).cast_signed();
        let next = "SELECT min(hour) FROM spend WHERE hour >= ? AND hour < ?";
        let hour: Option<i64> =
            connection.prepare_cached(next)?.query_row([self.folded, end], |row| row.get(0))?;
        let Some(hour) = hour else { return Ok(false) };
        let read = |row: &Row<'_>| {
            let mut sums = [0_i64; 7];
            for (nth, sum) in sums.iter_mut().enumerate() {
                *sum = row.get(2 + nth)?;
            }
            Ok((row.get(0)?, row.get(1)?, sums))
        };
        let rows: Vec<(String, String, [i64; 7])> = connection
            .prepare_cached(SUM_UP)?
            .query_map([hour], read)?
            .collect::<Result<_, _>>()?;
        connection.prepare_cached("DELETE FROM spend WHERE hour = ?")?.execute([hour])?;
        let mut add = connection.prepare_cached(ADD)?;
        for (provider, model, [requests, input, output, cost, millis, overrun, estimated]) in rows {
            let day = hour / 24 * 24;
            add.execute(params![
                day, OTHERS, provider, model, requests, input, output, cost, millis, overrun,
                estimated
            ])?;
        }
        self.folded = hour + 1;
        connection
            .prepare_cached("UPDATE meta SET value = ? WHERE name = 'folded'")?
            .execute([self.folded])?;
        Ok(true)
    }
}
