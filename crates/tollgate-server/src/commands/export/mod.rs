//! `tollgate export`: the ledger, the audit and the metrics, for spreadsheets and programs.

mod audit;
mod ledger;
mod lines;
mod metrics;

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
use tollgate_core::Time;

use self::lines::{Format, Lines, Row};
use crate::output;

/// Writes what the ledger has as CSV or JSON lines, or the metrics as JSON.
#[derive(Debug, clap::Args)]
pub(crate) struct ExportArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Who changed what, when, why, and how it was before and after
    Audit(audit::AuditArgs),
    /// Every row: what was reserved, extended, settled, voided, expired and overrun
    Ledger(ledger::LedgerArgs),
    /// What a running process has counted since its start
    Metrics(metrics::MetricsArgs),
}

/// Which rows, and how and where they are written.
#[derive(Debug, clap::Args)]
struct ChosenArgs {
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

/// Rows that are written one after the other.
trait Rows {
    type Row: Row;

    /// The next of them, of which some may be passed over; nothing at the end.
    fn next_rows(&mut self) -> anyhow::Result<Option<Vec<Self::Row>>>;

    /// How many are done, and how many there are.
    fn progress(&self) -> (u64, u64);
}

/// Writes what was asked for.
pub(crate) fn run(args: &ExportArgs) -> anyhow::Result<ExitCode> {
    match &args.what {
        What::Audit(args) => audit::run(args),
        What::Ledger(args) => ledger::run(args),
        What::Metrics(args) => metrics::run(args),
    }
}

/// Writes all rows to a file, or to the standard output where none is named.
fn to_end(
    mut rows: impl Rows,
    ledger: &Path,
    format: Format,
    out: Option<&Path>,
) -> anyhow::Result<ExitCode> {
    let Some(out) = out else {
        return match write(&mut rows, io::stdout().lock(), format, None) {
            Ok(_) => Ok(ExitCode::SUCCESS),
            // Whoever read it has read enough.
            Err(error) if is_gone(&error) => Ok(ExitCode::SUCCESS),
            Err(error) => Err(error),
        };
    };
    if out.exists() && fs::canonicalize(out)? == fs::canonicalize(ledger)? {
        bail!("--out is the ledger itself: choose another file");
    }
    let mut part = OsString::from(out);
    part.push(".part");
    let part = PathBuf::from(part);
    let done = write_file(&mut rows, &part, format).and_then(|count| {
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

fn write_file(rows: &mut impl Rows, part: &Path, format: Format) -> anyhow::Result<u64> {
    let failed = || format!("{} can't be written", part.display());
    let file = File::create(part).with_context(failed)?;
    let bar = progress_bar(rows.progress().1);
    let count = write(rows, &file, format, Some(&bar)).with_context(failed)?;
    file.sync_all().with_context(failed)?;
    bar.finish_and_clear();
    Ok(count)
}

/// Writes all rows; how many they were.
fn write<R: Rows>(
    rows: &mut R,
    to: impl Write,
    format: Format,
    bar: Option<&ProgressBar>,
) -> anyhow::Result<u64> {
    let mut lines = Lines::new::<R::Row>(io::BufWriter::new(to), format)?;
    let mut count = 0;
    while let Some(lot) = rows.next_rows()? {
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
