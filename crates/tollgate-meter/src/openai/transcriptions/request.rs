//! The scan of a form: what it asks for, and how much audio it sends.

use bytes::Bytes;

use super::{form, stream::Words, usage};
use crate::{
    AnyRequest, Audio, Gauge, Input, PaidTools, PlainMeter, Scan, ScanError, StreamMeter,
    Tokenizer, members, stream::frames::Frames, tally::Tally,
};

/// A request that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What it asks for.
    pub scan: Scan,
    /// Whether the answer is plain text, which does not tell how long the audio was.
    is_silent: bool,
}

/// Fields that decide what is charged; of the file there must be one as well.
const NAMES: [&str; 5] = ["model", "stream", "prompt", "file", "response_format"];

/// Formats of answers that are plain text.
const TEXTS: [&[u8]; 3] = [b"text", b"srt", b"vtt"];

/// Models that are charged by duration, by the start of their names.
const BY_DURATION: &str = "whisper";

/// Milliseconds of audio to a token: ten tokens to a second.
const MILLIS_PER_TOKEN: u64 = 100;

/// Scans the body of a request, by its type.
///
/// Takes memory that does not depend on the body, and time linear in its length.
///
/// # Errors
/// Where the body is no form, or where what decides the charge is missing, is of the wrong
/// type, or could be read in two ways.
pub fn scan(content_type: &str, body: &[u8]) -> Result<Request, ScanError> {
    scanned(None, content_type, body)
}

/// Scans the body of a request whose path names the model, whatever the form says of it.
///
/// # Errors
/// As [`scan`].
pub fn scan_of(model: &str, content_type: &str, body: &[u8]) -> Result<Request, ScanError> {
    scanned(Some(model), content_type, body)
}

fn scanned(named: Option<&str>, content_type: &str, body: &[u8]) -> Result<Request, ScanError> {
    let [model, stream, prompt, file, format] = fields(content_type, body)?;
    let model = match named {
        Some(named) => named,
        None => text(model.ok_or(ScanError::NoModel)?, "model")?,
    };
    let model = members::checked_model(model.to_owned())?;
    let stream = match stream.map(|value| text(value, "stream")).transpose()? {
        None | Some("false" | "False" | "0") => false,
        Some("true" | "True" | "1") => true,
        Some(_) => return Err(ScanError::WrongType { member: "stream", wanted: "true or false" }),
    };
    let audio = Audio::of_file(file.ok_or(ScanError::Missing("file"))?, None);
    let is_by_duration = model.starts_with(BY_DURATION);
    let input = if is_by_duration {
        Input::default()
    } else {
        heard(audio).and(Input::text(prompt.map_or(0, <[u8]>::len) as u64))
    };
    let scan = Scan {
        model,
        stream: stream && !is_by_duration,
        input,
        max_output_tokens: None,
        choices: u64::from(!is_by_duration),
        audio: Some(audio),
        dearer: None,
        thinks: false,
        tools: PaidTools::default(),
    };
    let is_silent = is_by_duration && format.is_some_and(|format| TEXTS.contains(&format));
    Ok(Request { scan, is_silent })
}

/// Audio in tokens.
fn heard(audio: Audio) -> Input {
    let tokens = |millis: u64| millis.div_ceil(MILLIS_PER_TOKEN);
    let likely = tokens(audio.likely_millis);
    let bound = audio.bound_millis.map_or(likely, tokens);
    Input { bound, likely, fixed: bound, is_open: audio.bound_millis.is_none() }
}

/// The fields that decide what is charged, each at most once.
fn fields<'a>(
    content_type: &str,
    body: &'a [u8],
) -> Result<[Option<&'a [u8]>; NAMES.len()], ScanError> {
    let mut values = [None; NAMES.len()];
    form::parts(content_type, body, |part| {
        let is_it = |known: &&str| part.name.eq_ignore_ascii_case(known);
        if let Some(place) = NAMES.iter().position(is_it) {
            if values[place].is_some() || part.name != NAMES[place] {
                return Err(ScanError::Ambiguous(NAMES[place]));
            }
            values[place] = Some(part.value);
        }
        Ok(())
    })?;
    Ok(values)
}

fn text<'a>(value: &'a [u8], member: &'static str) -> Result<&'a str, ScanError> {
    let wrong = ScanError::WrongType { member, wanted: "text" };
    std::str::from_utf8(value).map_err(|_| wrong)
}

impl AnyRequest for Request {
    fn scan(&self) -> &Scan {
        &self.scan
    }

    fn scan_mut(&mut self) -> &mut Scan {
        &mut self.scan
    }

    fn plain_meter(&self) -> PlainMeter {
        let meter = PlainMeter::of(&self.scan, "usage", usage::read);
        match self.scan.audio {
            Some(audio) if self.is_silent => meter.of_text(audio.middle_millis()),
            _ => meter,
        }
    }

    fn stream_meter(&self, gauge: Gauge) -> StreamMeter {
        StreamMeter::of(Frames::sse(), Box::new(Words), Tally::new(&self.scan, gauge, true))
    }

    /// Audio has no text to count.
    fn count_input(&mut self, _body: &[u8], _tokenizer: Tokenizer) {}

    fn rename(&mut self, model: String) {
        self.scan.model = model;
    }

    /// The form has no maximum.
    fn is_clampable(&self) -> bool {
        false
    }

    fn clamped_body(&self, body: &Bytes, _most: u64) -> Bytes {
        body.clone()
    }
}
