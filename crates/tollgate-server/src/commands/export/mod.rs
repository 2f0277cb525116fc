//! `tollgate export`: the ledger, for spreadsheets and programs.

mod lines;

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, bail};
use indicatif::{ProgressBar, ProgressStyle};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use tollgate::store::embedded::Export;
use tollgate_core::Time;

use self::lines::{Format, Lines};
use crate::output;

/// Writes what the ledger has as CSV or JSON lines.
#[derive(Debug, clap::Args)]
pub(crate) struct ExportArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Every row: what was reserved, extended, settled, voided, expired and overrun
    Ledger(LedgerArgs),
}

/// The file may be in use by a server. It is only read; what a crash has left in its redo file is
/// written to it first.
#[derive(Debug, clap::Args)]
#[command(after_long_help = COLUMNS)]
struct LedgerArgs {
    /// The ledger's file
    #[arg(long, value_name = "FILE", default_value = "tollgate.db")]
    ledger: PathBuf,
    /// How the rows are written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Rows from then on: an instant, or a day in UTC
    #[arg(long, value_name = "TIME", value_parser = instant)]
    from: Option<Time>,
    /// Rows before then: an instant, or a day in UTC
    #[arg(long, value_name = "TIME", value_parser = instant)]
    to: Option<Time>,
    /// Where to; to the standard output if not given
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

const COLUMNS: &str = "\
Columns, and members of the JSON objects:
  seq                  the row's number, in the order of what happened
  kind                 reserve, extend, renew, settle, void, expire, overrun or end_session
  id                   the reservation's id; empty where a session was ended
  time                 when, RFC 3339 in UTC
  user, session, team, customer, tier, key, provider, model, task, tag
                       who asked and for what; empty where it was not said
  requests, input_tokens, output_tokens, milliseconds
                       whole numbers: reserved, added, charged, or used beyond the reservation
  usd                  dollars, an exact decimal; in JSON a string
  estimated            true where nobody told what was used, and where a `reserve` stands for
                       what a crash may have lost
  attributes           the operator's own and the other ones, a JSON object

What was charged is in the rows `settle`; of a reservation that nobody ended it is the row
`expire`, unless a later `settle` or `void` of its id says better. An `overrun` row says what of
the row before it had not been reserved: do not add it.

Examples:
  tollgate export ledger --out ledger.csv
  tollgate export ledger --format jsonl --from 2026-11-01 --to 2026-12-01 | jq .usd
  tollgate export ledger --ledger /var/lib/tollgate/tollgate.db --from 2026-11-25T08:00:00Z";

/// Writes what was asked for.
pub(crate) fn run(args: &ExportArgs) -> anyhow::Result<ExitCode> {
    let What::Ledger(args) = &args.what;
    let mut rows = Export::open(&args.ledger, args.from, args.to)?;
    let Some(out) = &args.out else {
        return match write(&mut rows, io::stdout().lock(), args.format, None) {
            Ok(_) => Ok(ExitCode::SUCCESS),
            // Whoever read it has read enough.
            Err(error) if is_gone(&error) => Ok(ExitCode::SUCCESS),
            Err(error) => Err(error),
        };
    };
    if out.exists() && fs::canonicalize(out)? == fs::canonicalize(&args.ledger)? {
        bail!("--out is the ledger itself: choose another file");
    }
    let mut part = OsString::from(out);
    part.push(".part");
    let part = PathBuf::from(part);
    let done = write_file(&mut rows, &part, args.format).and_then(|count| {
        fs::rename(&part, out).with_context(|| format!("{} can't be written", out.display()))?;
        Ok(count)
    });
    let count = done.inspect_err(|_| {
        // What was written of it is of no use; that it stays is no second error.
        let _ = fs::remove_file(&part);
    })?;
    output::note(format_args!("{count} rows are in {}", out.display()));
    Ok(ExitCode::SUCCESS)
}

fn write_file(rows: &mut Export, part: &Path, format: Format) -> anyhow::Result<u64> {
    let failed = || format!("{} can't be written", part.display());
    let file = File::create(part).with_context(failed)?;
    let bar = progress_bar(rows.progress().1);
    let count = write(rows, &file, format, Some(&bar)).with_context(failed)?;
    file.sync_all().with_context(failed)?;
    bar.finish_and_clear();
    Ok(count)
}

/// Writes all rows; how many they were.
fn write(
    rows: &mut Export,
    to: impl Write,
    format: Format,
    bar: Option<&ProgressBar>,
) -> anyhow::Result<u64> {
    let mut lines = Lines::new(io::BufWriter::new(to), format)?;
    let mut count = 0;
    loop {
        let lot = rows.next_rows()?;
        if lot.is_empty() {
            break;
        }
        for row in &lot {
            lines.write(row)?;
            count += 1;
        }
        if let Some(bar) = bar {
            bar.set_position(rows.progress().0);
        }
    }
    lines.finish()?;
    Ok(count)
}

fn is_gone(error: &anyhow::Error) -> bool {
    let io = error.chain().find_map(|cause| cause.downcast_ref::<io::Error>());
    io.is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

/// Shown where a terminal looks on.
fn progress_bar(rows: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} rows, {eta} left");
    ProgressBar::new(rows).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// An instant or a day.
fn instant(text: &str) -> Result<Time, String> {
    let day = || text.parse::<Date>().ok().filter(|_| !text.contains(['T', ':']));
    let at = text.parse::<Timestamp>().ok();
    let at = at.or_else(|| day()?.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp()));
    let nanos = at.and_then(|at| u64::try_from(at.as_nanosecond()).ok());
    nanos.map(Time::from_nanos).ok_or_else(|| {
        "write an instant like 2026-11-22T08:00:00Z, or a day like 2026-11-22".to_owned()
    })
}
