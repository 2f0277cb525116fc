//! The scan of a request: its query, and how much audio it sends.

use bytes::Bytes;

use super::{live::Extras, usage};
use crate::{
    AnyRequest, Audio, Gauge, Input, PaidTools, PlainMeter, Scan, ScanError, StreamMeter,
    Tokenizer,
    audio::{self, Samples, Wav},
    members,
    sse::Event,
    stream::{Events, Fate, frames::Frames},
    tally::Tally,
};

/// What the query asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The model.
    pub model: String,
    /// Whether each channel is transcribed, and charged, by itself.
    pub by_channel: bool,
    /// What the query says about samples without a head of their own.
    pub(super) samples: Option<Samples>,
    /// What takes the longest for its bytes of all that it may be, where it is coded.
    pub(super) slowest: Samples,
    /// How many channels it says there are.
    pub(super) channels: Option<u64>,
    /// What it asks for beside the model that costs something live.
    pub(super) extras: Extras,
}

/// A request that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What it asks for.
    pub scan: Scan,
    by_channel: bool,
}

/// Parameters that decide what is charged.
const NAMES: [&str; 6] =
    ["model", "multichannel", "callback", "encoding", "sample_rate", "channels"];

/// The most channels of audio.
const MAX_CHANNELS: u64 = 20;

/// How many channels there are where nothing says so, but each is to be transcribed.
const ASSUMED_CHANNELS: u64 = 2;

/// A meter of events that never come: answers are in one piece.
#[derive(Debug)]
struct NoEvents;

/// What a request asks for: how much audio it sends, by its type and its bytes.
///
/// # Errors
/// Where the name of the model cannot be one.
pub fn scan(
    target: &Target,
    content_type: Option<&str>,
    body: &[u8],
) -> Result<Request, ScanError> {
    let audio = if content_type.is_some_and(is_json) {
        Audio::unseen()
    } else if body.trim_ascii_start().starts_with(b"{") {
        // A link, or samples of which the first is as large.
        Audio::of_file(body, target.samples).or_unseen()
    } else {
        Audio::of_file(body, target.samples)
    };
    scanned(target, audio, channels(target.channels, body))
}

/// What a live session asks for to begin with: so many milliseconds of audio.
///
/// # Errors
/// Where the name of the model cannot be one.
pub fn scan_live(target: &Target, first_millis: u64) -> Result<Request, ScanError> {
    let first = Audio { likely_millis: first_millis, bound_millis: Some(first_millis) };
    scanned(target, first, channels(target.channels, b""))
}

fn scanned(target: &Target, audio: Audio, channels: u64) -> Result<Request, ScanError> {
    let scan = Scan {
        model: members::checked_model(target.model.clone())?,
        stream: false,
        input: Input::default(),
        max_output_tokens: None,
        choices: 0,
        audio: Some(audio.times(if target.by_channel { channels } else { 1 })),
        dearer: None,
        thinks: false,
        tools: PaidTools::default(),
    };
    Ok(Request { scan, by_channel: target.by_channel })
}

/// How many channels there may be: as the query says or the file, whichever are more.
pub(super) fn channels(said: Option<u64>, file: &[u8]) -> u64 {
    let own = match Wav::of(file) {
        Some(Wav { channels, .. }) => channels,
        None if audio::is_contained(file) || said.is_none() => ASSUMED_CHANNELS,
        None => 1,
    };
    own.max(said.unwrap_or(1)).clamp(1, MAX_CHANNELS)
}

impl Target {
    /// What a query asks for; nothing where the path is not metered.
    ///
    /// # Errors
    /// Where no model is named, or a parameter that decides the charge occurs twice; and
    /// where the transcript is to be sent elsewhere, so that its answer does not tell its
    /// use.
    pub fn of(path: &str, query: Option<&str>) -> Result<Option<Self>, ScanError> {
        if !path.trim_end_matches('/').ends_with("/listen") {
            return Ok(None);
        }
        let values = parameters(query.unwrap_or_default())?;
        let [model, multichannel, callback, encoding, sample_rate, channels] = values;
        if callback.is_some_and(|url| !url.is_empty()) {
            return Err(ScanError::Unmetered("callback"));
        }
        let channels = channels.and_then(|count| count.parse().ok());
        Ok(Some(Self {
            model: model.filter(|name| !name.is_empty()).ok_or(ScanError::NoModelInQuery)?,
            by_channel: multichannel.is_some_and(|flag| flag != "false"),
            samples: samples(encoding.as_deref(), sample_rate.as_deref(), channels),
            slowest: slowest(encoding.as_deref()),
            channels,
            extras: Extras::of(query.unwrap_or_default()),
        }))
    }
}

/// The values of the parameters, decoded, each at most once.
fn parameters(query: &str) -> Result<[Option<String>; NAMES.len()], ScanError> {
    let mut values = [const { None }; NAMES.len()];
    for (name, value) in pairs(query) {
        let Some(place) = NAMES.iter().position(|known| name.eq_ignore_ascii_case(known)) else {
            continue;
        };
        if values[place].is_some() || name != NAMES[place] {
            return Err(ScanError::AmbiguousQuery(NAMES[place]));
        }
        values[place] = Some(value);
    }
    Ok(values)
}

/// The parameters of a query, decoded.
pub(super) fn pairs(query: &str) -> impl Iterator<Item = (String, String)> {
    query.split('&').map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(name), decoded(value))
    })
}

fn decoded(text: &str) -> String {
    let text = text.replace('+', " ");
    percent_encoding::percent_decode_str(&text).decode_utf8_lossy().into_owned()
}

/// Samples of an encoding whose size is fixed.
fn samples(encoding: Option<&str>, rate: Option<&str>, channels: Option<u64>) -> Option<Samples> {
    let bytes = match encoding? {
        "linear16" => 2,
        "linear32" => 4,
        "mulaw" | "alaw" => 1,
        _ => return None,
    };
    let rate: u64 = rate?.parse().ok().filter(|rate| *rate > 0)?;
    let channels = channels.unwrap_or(1).clamp(1, MAX_CHANNELS);
    Some(Samples { bytes_per_second: rate.min(Samples::MAX_RATE) * bytes * channels })
}

/// What is coded at the lowest rate of a code: no less than that of any, unless it is one of
/// those for speech alone that take less.
fn slowest(encoding: Option<&str>) -> Samples {
    match encoding {
        // 4.75 kbit/s.
        Some("amr-nb") => Samples { bytes_per_second: 593 },
        // 2.15 kbit/s.
        Some("speex") => Samples { bytes_per_second: 268 },
        _ => Samples::SLOWEST,
    }
}

fn is_json(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/json")
}

impl AnyRequest for Request {
    fn scan(&self) -> &Scan {
        &self.scan
    }

    fn scan_mut(&mut self) -> &mut Scan {
        &mut self.scan
    }

    fn plain_meter(&self) -> PlainMeter {
        let read = if self.by_channel { usage::read_channels } else { usage::read };
        PlainMeter::of(&self.scan, "metadata", read)
    }

    fn stream_meter(&self, gauge: Gauge) -> StreamMeter {
        StreamMeter::of(Frames::sse(), Box::new(NoEvents), Tally::new(&self.scan, gauge, false))
    }

    /// Audio has no text to count.
    fn count_input(&mut self, _body: &[u8], _tokenizer: Tokenizer) {}

    fn rename(&mut self, model: String) {
        self.scan.model = model;
    }

    /// Nothing is made that a maximum would bound.
    fn is_clampable(&self) -> bool {
        false
    }

    fn clamped_body(&self, body: &Bytes, _most: u64) -> Bytes {
        body.clone()
    }
}

impl Events for NoEvents {
    fn read(&mut self, _event: &Event, _tally: &mut Tally) -> Fate {
        Fate::Pass
    }
}
