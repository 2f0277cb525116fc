//! An answer as a row of the cache's file.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use compact_str::CompactString;
use http::HeaderValue;
use rusqlite::{Row, Transaction, params};
use tollgate_core::{Amounts, NanoUsd, Now, Time};

use super::{
    Kept, Key,
    labels::{Labels, Mark, Selector},
};

/// Bytes that a row takes beside its body, about.
const ROW_BYTES: u64 = 384;

/// Writes an answer in the place of the one that was there; its bytes.
pub(super) fn write(tx: &Transaction<'_>, key: &Key, kept: &Arc<Kept>) -> rusqlite::Result<u64> {
    let Labels { user, model, tag } = &kept.labels;
    let [user, model, tag] = [user, model, tag].map(Option::as_deref);
    let expires = kept.wall.after(kept.expires.since(kept.since));
    tx.prepare_cached(
        "INSERT OR REPLACE INTO answers (key, user, model, tag, content_type, body,
         input_tokens, output_tokens, nanos, made, expires)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )?
    .execute(params![
        &key.0[..],
        user,
        model,
        tag,
        kept.content_type.as_ref().map(HeaderValue::as_bytes),
        &kept.body[..],
        signed(kept.usage.input_tokens),
        signed(kept.usage.output_tokens),
        signed(kept.usage.cost.0),
        signed(kept.wall.as_nanos()),
        signed(expires.as_nanos()),
    ])?;
    Ok(kept.body.len() as u64 + ROW_BYTES)
}

/// Takes away what is meant.
pub(super) fn clear(tx: &Transaction<'_>, selector: &Selector) -> rusqlite::Result<()> {
    let Selector { user, model, tag } = selector;
    let [user, model, tag] = [user, model, tag].map(Option::as_deref);
    tx.execute(
        "DELETE FROM answers WHERE (?1 IS NULL OR user = ?1) AND (?2 IS NULL OR model = ?2)
         AND (?3 IS NULL OR tag = ?3)",
        params![user, model, tag],
    )?;
    Ok(())
}

/// Takes away what has been over for so long.
pub(super) fn expire(tx: &Transaction<'_>, now: Now, stale: Duration) -> rusqlite::Result<()> {
    let gone = signed(now.wall.before(stale).as_nanos());
    tx.execute("DELETE FROM answers WHERE expires <= ?1", [gone])?;
    Ok(())
}

/// Takes away the oldest until there is no more than this; the bytes that are left.
pub(super) fn bound(tx: &Transaction<'_>, max_bytes: u64) -> rusqlite::Result<u64> {
    let (each, most) = (signed(ROW_BYTES), signed(max_bytes));
    tx.execute(
        "DELETE FROM answers WHERE place <= (SELECT max(place) FROM (
             SELECT place, sum(length(body) + ?1) OVER (ORDER BY place DESC) AS newer
             FROM answers) WHERE newer > ?2)",
        [each, most],
    )?;
    let left = "SELECT coalesce(sum(length(body) + ?1), 0) FROM answers";
    tx.query_row(left, [each], |row| row.get::<_, i64>(0)).map(unsigned)
}

/// All answers, the newest last, as they stand by this process's clock.
pub(super) fn all(
    tx: &Transaction<'_>,
    now: Now,
    begun: Mark,
    stale: Duration,
) -> rusqlite::Result<Vec<(Key, Kept)>> {
    let mut select = tx.prepare(
        "SELECT key, user, model, tag, content_type, body, input_tokens, output_tokens, nanos,
         made, expires FROM answers ORDER BY place",
    )?;
    let rows = select.query_map([], |row| read(row, now, begun, stale))?;
    rows.collect()
}

fn read(row: &Row<'_>, now: Now, begun: Mark, stale: Duration) -> rusqlite::Result<(Key, Kept)> {
    let label = |column| row.get(column).map(|text: Option<String>| text.map(CompactString::from));
    let count = |column| row.get(column).map(unsigned);
    let (made, expires) = (Time::from_nanos(count(9)?), Time::from_nanos(count(10)?));
    // Where the wall was set back meanwhile, it lasts no longer than it was made to.
    let left = |end: Time| end.since(now.wall).min(end.since(made));
    let content_type: Option<Vec<u8>> = row.get(4)?;
    let kept = Kept {
        content_type: content_type.and_then(|value| HeaderValue::from_bytes(&value).ok()),
        body: Bytes::from(row.get::<_, Vec<u8>>(5)?.into_boxed_slice()),
        usage: Amounts {
            input_tokens: count(6)?,
            output_tokens: count(7)?,
            cost: NanoUsd(count(8)?),
            ..Amounts::ONE_REQUEST
        },
        since: now.time.before(now.wall.since(made)),
        wall: made,
        expires: now.time.after(left(expires)),
        gone: now.time.after(left(expires.after(stale))),
        labels: Labels { user: label(1)?, model: label(2)?, tag: label(3)? },
        begun,
    };
    Ok((Key(row.get(0)?), kept))
}

/// As SQLite has numbers; nothing that is kept comes near the end of them.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
