//! Streams, translated event by event.

use std::fmt;

use bytes::Bytes;

use super::{
    Stamp,
    answer::{Step, Stop},
    fault::Fault,
};
use crate::{
    Counts, Ending, StreamError,
    refusal::{Native, Refusal},
    sse::{self, Block, MAX_EVENT_BYTES},
};

/// Translates a stream of events while it passes.
///
/// [`push`](Self::push) what the provider sends and pass on what that comes to; at the
/// provider's last byte, [`finish`](Self::finish). What comes out does not depend on how the
/// provider's bytes were cut. Only whole events come out, and the end only where the provider
/// told it: a stream that was cut stays cut, which [`ending`](Self::ending) tells.
///
/// At most one event of the provider's is held, of at most [`MAX_EVENT_BYTES`]; one that is
/// larger ends the stream with an error, as does whatever cannot be understood or said.
#[derive(Debug)]
pub struct StreamTranslator {
    events: sse::Reader,
    reading: Box<dyn Reading>,
    writing: Box<dyn Writing>,
    /// The words for errors.
    refusal: fn(&Refusal<'_>) -> Native,
    stamp: Stamp,
    /// The model, where the stream does not name it.
    model: String,
    is_started: bool,
    calls: u64,
    ending: Option<Ending>,
}

/// Understands the events of a dialect.
pub(super) trait Reading: fmt::Debug + Send + Sync {
    /// What an event brings, by its data.
    fn read<'a>(&mut self, data: &'a [u8], steps: &mut Vec<Step<'a>>);
}

/// Writes the events of a dialect.
pub(super) trait Writing: fmt::Debug + Send + Sync {
    fn start(&mut self, model: &str, out: &mut Vec<u8>);
    fn text(&mut self, text: &str, out: &mut Vec<u8>);
    fn call(&mut self, id: &str, name: &str, out: &mut Vec<u8>);
    /// More of the input of the call that began last.
    fn arguments(&mut self, arguments: &str, out: &mut Vec<u8>);
    fn end(&mut self, stop: Stop, usage: Option<&Counts>, out: &mut Vec<u8>);
}

impl StreamTranslator {
    pub(super) fn new(
        reading: Box<dyn Reading>,
        writing: Box<dyn Writing>,
        refusal: fn(&Refusal<'_>) -> Native,
        stamp: Stamp,
        model: String,
    ) -> Self {
        Self {
            events: sse::Reader::default(),
            reading,
            writing,
            refusal,
            stamp,
            model,
            is_started: false,
            calls: 0,
            ending: None,
        }
    }

    /// Takes the next bytes from the provider: the bytes for the caller, none or whole events.
    pub fn push(&mut self, chunk: &Bytes) -> Bytes {
        let mut out = Vec::new();
        let mut rest = chunk.clone();
        while self.ending.is_none()
            && let Some(block) = self.events.next(&mut rest)
        {
            self.take(&block, &mut out);
        }
        out.into()
    }

    /// Takes note that the provider has sent its last byte: the last bytes for the caller.
    ///
    /// Where the stream was cut there is no end among them; clients that do not look for one
    /// need an error instead ([`cut`](Self::cut)).
    pub fn finish(&mut self) -> Bytes {
        let mut out = Vec::new();
        if self.ending.is_none()
            && let Some(Block { event: Some(event), .. }) = self.events.finish()
        {
            let mut steps = Vec::new();
            self.reading.read(&event.data, &mut steps);
            // What cannot be read now was cut.
            if !steps.iter().any(|step| matches!(step, Step::Lose(_))) {
                self.tell_all(steps, &mut out);
            }
        }
        self.ending.get_or_insert(Ending::Cut);
        out.into()
    }

    /// Ends the stream with an error in the caller's dialect: the bytes to send last, none where
    /// it has ended already.
    pub fn cut(&mut self, error: &dyn StreamError) -> Bytes {
        match self.ending {
            Some(Ending::Complete | Ending::Failed) => Bytes::new(),
            Some(Ending::Cut) | None => {
                self.ending = Some(Ending::Failed);
                sse::event(error.name(), &error.body())
            }
        }
    }

    /// How the stream ended, if it has.
    pub const fn ending(&self) -> Option<Ending> {
        self.ending
    }

    fn take(&mut self, block: &Block, out: &mut Vec<u8>) {
        let is_too_large = self.events.is_within_told_block() || block.raw.len() > MAX_EVENT_BYTES;
        let mut steps = Vec::new();
        match &block.event {
            Some(event) => self.reading.read(&event.data, &mut steps),
            None if is_too_large => {
                steps.push(Step::Lose("The provider sent an event that is too large."));
            }
            None => {}
        }
        self.tell_all(steps, out);
    }

    fn tell_all(&mut self, steps: Vec<Step<'_>>, out: &mut Vec<u8>) {
        for step in steps {
            if self.ending.is_none() {
                self.tell(step, out);
            }
        }
    }

    fn tell(&mut self, step: Step<'_>, out: &mut Vec<u8>) {
        if !self.is_started && !matches!(step, Step::Fail(_) | Step::Lose(_)) {
            self.is_started = true;
            if let Step::Start { model: Some(model) } = &step
                && super::is_name(model)
            {
                (**model).clone_into(&mut self.model);
            }
            self.writing.start(&self.model, out);
        }
        match step {
            Step::Start { .. } => {}
            Step::Text(text) => self.writing.text(&text, out),
            Step::Call { id, name } => {
                let made = || format!("call_{}_{}", self.stamp.id, self.calls).into();
                self.writing.call(&id.unwrap_or_else(made), &name, out);
                self.calls += 1;
            }
            Step::Arguments(arguments) => self.writing.arguments(&arguments, out),
            Step::End { stop, usage } => {
                self.writing.end(stop, usage.as_ref(), out);
                self.ending = Some(Ending::Complete);
            }
            Step::Fail(fault) => self.fail(&fault, out),
            Step::Lose(reason) => self.fail(&Fault::of_gateway(reason), out),
        }
    }

    fn fail(&mut self, fault: &Fault<'_>, out: &mut Vec<u8>) {
        let event = fault.told(None, self.refusal).event;
        out.extend_from_slice(&sse::event(event.name, &event.body));
        self.ending = Some(Ending::Failed);
    }
}
