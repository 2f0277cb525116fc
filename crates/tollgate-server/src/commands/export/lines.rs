//! Rows as lines of CSV or of JSON.

use std::io::{self, Write};

/// How rows are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// A header and a line for each row, quoted as RFC 4180 says
    #[default]
    Csv,
    /// A JSON object for each row, a line each
    Jsonl,
}

/// A row that can be written in each of the formats.
pub(super) trait Row {
    /// The header, which is there without rows too.
    const HEADER: &[&str];

    fn write_csv<W: Write>(&self, csv: &mut csv::Writer<W>) -> io::Result<()>;

    /// Without the end of its line.
    fn write_json<W: Write>(&self, to: &mut W) -> io::Result<()>;
}

/// Writes rows in one of the formats.
pub(super) enum Lines<W: Write> {
    Csv(Box<csv::Writer<W>>),
    Jsonl(W),
}

impl<W: Write> Lines<W> {
    pub(super) fn new<R: Row>(to: W, format: Format) -> io::Result<Self> {
        match format {
            Format::Csv => {
                let mut csv = csv::WriterBuilder::new().has_headers(false).from_writer(to);
                csv.write_record(R::HEADER).map_err(io::Error::from)?;
                Ok(Self::Csv(Box::new(csv)))
            }
            Format::Jsonl => Ok(Self::Jsonl(to)),
        }
    }

    pub(super) fn write(&mut self, row: &impl Row) -> io::Result<()> {
        match self {
            Self::Csv(csv) => row.write_csv(csv),
            Self::Jsonl(to) => {
                row.write_json(to)?;
                to.write_all(b"\n")
            }
        }
    }

    pub(super) fn finish(self) -> io::Result<()> {
        match self {
            Self::Csv(mut csv) => csv.flush(),
            Self::Jsonl(mut to) => to.flush(),
        }
    }
}
