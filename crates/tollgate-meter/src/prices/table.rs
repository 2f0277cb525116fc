//! The table of known prices: one model to a line, fields separated by tabs.
//!
//! The fields are those of [`COLUMNS`]; prices are nano-dollars per million units, those of
//! calls of the provider's own tools for each, and `-` stands for what is not known. Tiers are separated by blanks, each written as
//! `ABOVE:INPUT:OUTPUT:CACHED_READ:CACHE_WRITE:CACHE_WRITE_HOUR`. Lines that begin with `#` say where the
//! table comes from.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    str::FromStr,
    sync::LazyLock,
};

use super::{Mode, Price, Tier, TokenPrices};
use crate::{Fees, Tool};

/// The names of the fields of a line, in order.
pub const COLUMNS: [&str; 17] = [
    "model",
    "provider",
    "mode",
    "input",
    "output",
    "cached_read",
    "cache_write",
    "cache_write_hour",
    "input_audio",
    "output_audio",
    "seconds",
    "max_input",
    "max_output",
    "search",
    "maps",
    "tiers",
    "reasons",
];

/// Known prices by model.
#[derive(Debug, Clone, Default)]
pub struct PriceTable {
    rows: HashMap<String, Row>,
    /// The bare names of models that may think unasked.
    thinkers: HashSet<String>,
}

/// One line of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The model, with the provider before it where the bare name belongs to another.
    pub model: String,
    /// Who sells it.
    pub provider: String,
    /// What it is made for.
    pub mode: Mode,
    /// What it costs.
    pub price: Price,
}

/// Why a table cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the price table: {why}")]
pub struct ParseTableError {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub why: ParseRowError,
}

/// Why a line is no row of the table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseRowError {
    /// It does not have a value for each column.
    #[error("it has {0} fields, but must have {n}", n = COLUMNS.len())]
    Fields(usize),
    /// A field cannot be read.
    #[error("`{0}` cannot be read: write a whole number, or `-` where none is known")]
    Field(&'static str),
    /// The model occurs on an earlier line.
    #[error("`{0}` has a line already")]
    Again(String),
}

impl PriceTable {
    /// The table that comes with this version.
    pub fn builtin() -> &'static Self {
        static BUILTIN: LazyLock<PriceTable> = LazyLock::new(|| {
            // A test reads the same text and insists that there is no error.
            PriceTable::parse(include_str!("../../data/prices.tsv")).unwrap_or_default()
        });
        &BUILTIN
    }

    /// Reads a table.
    ///
    /// # Errors
    /// At the first line that cannot be read, and at a second line for the same model.
    pub fn parse(text: &str) -> Result<Self, ParseTableError> {
        let mut rows = HashMap::new();
        for (place, line) in text.lines().enumerate() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let at = |why| ParseTableError { line: place + 1, why };
            let row: Row = line.parse().map_err(at)?;
            if let Some(twice) = rows.insert(row.model.clone(), row) {
                return Err(at(ParseRowError::Again(twice.model)));
            }
        }
        let reasoning = rows.values().filter(|row| row.price.reasons).map(|row| bare(&row.model));
        let thinkers = reasoning.filter(|name| !name.contains(ASKED)).map(str::to_owned).collect();
        Ok(Self { rows, thinkers })
    }

    /// Whether a model is known to reason unasked, whoever sells it.
    pub fn reasons(&self, model: &str) -> bool {
        self.thinkers.contains(bare(model))
    }

    /// The price of a model at a provider, by exact names: the provider's own line, else the
    /// line of the bare model. No suffix is guessed away.
    ///
    /// A model without a line has no price, which is not a price of 0.
    pub fn price(&self, provider: &str, model: &str) -> Option<&Price> {
        self.row(provider, model).map(|row| &row.price)
    }

    /// The same at the first of several sellers that has a line of its own for it.
    pub fn price_of<'a>(
        &self,
        sellers: impl IntoIterator<Item = &'a str>,
        model: &str,
    ) -> Option<&Price> {
        let own = |seller: &str| self.rows.get(&format!("{seller}/{model}"));
        let row = sellers.into_iter().find_map(own).or_else(|| self.rows.get(model));
        row.map(|row| &row.price)
    }

    /// The line that [`price`](Self::price) answers from.
    pub fn row(&self, provider: &str, model: &str) -> Option<&Row> {
        self.rows.get(&format!("{provider}/{model}")).or_else(|| self.rows.get(model))
    }

    /// How many models have a price.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether no model has a price.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

impl FromStr for Row {
    type Err = ParseRowError;

    fn from_str(line: &str) -> Result<Self, ParseRowError> {
        let mut fields = line.split('\t');
        let row: [&str; COLUMNS.len()] = std::array::from_fn(|_| fields.next().unwrap_or(""));
        let count = line.split('\t').count();
        if count != COLUMNS.len() {
            return Err(ParseRowError::Fields(count));
        }
        let number =
            |column: usize| known(row[column]).ok_or(ParseRowError::Field(COLUMNS[column]));
        let price = |column: usize| number(column)?.ok_or(ParseRowError::Field(COLUMNS[column]));
        let mut fees = Fees::default();
        (fees[Tool::Search], fees[Tool::Maps]) = (number(13)?, number(14)?);
        let tiers = row[15].split(' ').filter(|tier| *tier != "-").map(tier);
        Ok(Self {
            model: row[0].to_owned(),
            provider: row[1].to_owned(),
            mode: Mode::named(row[2]).ok_or(ParseRowError::Field(COLUMNS[2]))?,
            price: Price {
                tokens: TokenPrices {
                    input: price(3)?,
                    output: price(4)?,
                    cached_read: number(5)?,
                    cache_write: number(6)?,
                    cache_write_hour: number(7)?,
                },
                input_audio: number(8)?,
                output_audio: number(9)?,
                seconds: number(10)?,
                request: 0,
                max_input_tokens: number(11)?,
                max_output_tokens: number(12)?,
                fees,
                tiers: tiers.collect::<Option<_>>().ok_or(ParseRowError::Field(COLUMNS[15]))?,
                reasons: flag(row[16]).ok_or(ParseRowError::Field(COLUMNS[16]))?,
            },
        })
    }
}

/// Models that reason only where a request asks them to, which it says itself.
const ASKED: &str = "claude";

/// The name without where it is sold.
fn bare(model: &str) -> &str {
    model.rsplit('/').next().unwrap_or(model)
}

/// What is so, or is not known to be.
fn flag(field: &str) -> Option<bool> {
    match field {
        YES => Some(true),
        "-" => Some(false),
        _ => None,
    }
}

const YES: &str = "yes";

/// A number that may be unknown.
#[allow(clippy::option_option, reason = "unreadable, unknown and known are three answers")]
fn known(field: &str) -> Option<Option<u64>> {
    if field == "-" { Some(None) } else { field.parse().ok().map(Some) }
}

fn tier(text: &str) -> Option<Tier> {
    let mut fields = text.split(':').map(known);
    let mut next = || fields.next().flatten();
    let (above, input, output) = (next()??, next()??, next()??);
    let (cached_read, cache_write, cache_write_hour) = (next()?, next()?, next()?);
    let tokens = TokenPrices { input, output, cached_read, cache_write, cache_write_hour };
    fields.next().is_none().then_some(Tier { above, tokens })
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { model, provider, mode, price } = self;
        let TokenPrices { input, output, cached_read, cache_write, cache_write_hour } =
            price.tokens;
        write!(f, "{model}\t{provider}\t{}\t{input}\t{output}", mode.name())?;
        for number in [
            cached_read,
            cache_write,
            cache_write_hour,
            price.input_audio,
            price.output_audio,
            price.seconds,
            price.max_input_tokens,
            price.max_output_tokens,
            price.fees[Tool::Search],
            price.fees[Tool::Maps],
        ] {
            write!(f, "\t{}", Known(number))?;
        }
        f.write_str("\t")?;
        if price.tiers.is_empty() {
            f.write_str("-")?;
        }
        for (place, Tier { above, tokens }) in price.tiers.iter().enumerate() {
            let TokenPrices { input, output, cached_read, cache_write, cache_write_hour } = tokens;
            let blank = if place == 0 { "" } else { " " };
            write!(f, "{blank}{above}:{input}:{output}")?;
            write!(f, ":{}:{}", Known(*cached_read), Known(*cache_write))?;
            write!(f, ":{}", Known(*cache_write_hour))?;
        }
        write!(f, "\t{}", if price.reasons { YES } else { "-" })
    }
}

struct Known(Option<u64>);

impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(number) => number.fmt(f),
            None => f.write_str("-"),
        }
    }
}
