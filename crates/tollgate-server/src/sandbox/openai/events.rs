//! The same answer as a stream: role first, one chunk a token, the finish, the usage where it
//! was asked for, and the terminator.

use super::{chat, request::Style};
use crate::sandbox::{answer::Answer, content, events::Events, failure::Failure};

/// Writes the chunks of one answer, one after the other.
#[derive(Debug)]
pub(super) struct ChatEvents {
    /// `data: {…"choices":[`, the same in every chunk.
    open: String,
    /// What follows the choices in every chunk but the usage's.
    close: &'static str,
    style: Style,
    choices: Vec<usize>,
    finish: &'static str,
    usage: Option<String>,
    next: Event,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    Role(usize),
    Token(usize, usize),
    Finish(usize),
    Usage,
    Done,
    End,
}

impl ChatEvents {
    /// The chunks of `answer`; with its usage at the end where `include_usage` says so.
    pub(super) fn new(style: Style, answer: &Answer, include_usage: bool) -> Self {
        let mut open = String::from("data: ");
        chat::open(&mut open, style, style.chunk_object(), answer);
        Self {
            open,
            close: if include_usage { "],\"usage\":null}\n\n" } else { "]}\n\n" },
            style,
            choices: answer.choices.clone(),
            finish: chat::finish(answer),
            usage: chat::usage(answer).filter(|_| include_usage),
            next: Event::Role(0),
        }
    }

    fn skip_what_is_not_there(&mut self) {
        if let (Event::Role(choice), Style::Completion) = (self.next, self.style) {
            self.next = Event::Token(choice, 0);
        }
        if let Event::Token(choice, place) = self.next
            && place == self.choices[choice]
        {
            self.next = Event::Finish(choice);
        }
        if self.next == Event::Usage && self.usage.is_none() {
            self.next = Event::Done;
        }
    }

    fn token(&self, out: &mut Vec<u8>, choice: usize, place: usize) {
        let word = content::token(place);
        let (before, after) = match self.style {
            Style::Chat => {
                (r#","delta":{"content":""#, r#""},"logprobs":null,"finish_reason":null}"#)
            }
            Style::Completion => (r#","text":""#, r#"","logprobs":null,"finish_reason":null}"#),
        };
        extend(out, &[&self.open, r#"{"index":"#]);
        self.index(out, choice);
        extend(out, &[before, word, after, self.close]);
    }

    fn chunk(&self, out: &mut Vec<u8>, choice: usize, rest: &str, finish: Option<&str>) {
        extend(out, &[&self.open, r#"{"index":"#]);
        self.index(out, choice);
        extend(out, &[rest, r#","logprobs":null,"finish_reason":"#]);
        match finish {
            Some(finish) => extend(out, &["\"", finish, "\"}", self.close]),
            None => extend(out, &["null}", self.close]),
        }
    }

    fn index(&self, out: &mut Vec<u8>, choice: usize) {
        if self.choices.len() == 1 {
            out.push(b'0');
        } else {
            out.extend_from_slice(choice.to_string().as_bytes());
        }
    }
}

impl Events for ChatEvents {
    fn count(&self) -> usize {
        let roles = if self.style == Style::Chat { self.choices.len() } else { 0 };
        let tokens: usize = self.choices.iter().sum();
        roles + tokens + self.choices.len() + usize::from(self.usage.is_some()) + 1
    }

    fn token_is_next(&mut self) -> bool {
        self.skip_what_is_not_there();
        matches!(self.next, Event::Token(..))
    }

    fn write_next(&mut self, out: &mut Vec<u8>) {
        self.skip_what_is_not_there();
        match self.next {
            Event::Role(choice) => {
                let delta = r#","delta":{"role":"assistant","content":"","refusal":null}"#;
                self.chunk(out, choice, delta, None);
                self.next = Event::Token(choice, 0);
            }
            Event::Token(choice, place) => {
                self.token(out, choice, place);
                self.next = Event::Token(choice, place + 1);
            }
            Event::Finish(choice) => {
                let rest = match self.style {
                    Style::Chat => r#","delta":{}"#,
                    Style::Completion => r#","text":"""#,
                };
                self.chunk(out, choice, rest, Some(self.finish));
                let more = choice + 1 < self.choices.len();
                self.next = if more { Event::Role(choice + 1) } else { Event::Usage };
            }
            Event::Usage => {
                if let Some(usage) = &self.usage {
                    extend(out, &[&self.open, r#"],"usage":"#, usage, "}\n\n"]);
                }
                self.next = Event::Done;
            }
            Event::Done => {
                extend(out, &["data: [DONE]\n\n"]);
                self.next = Event::End;
            }
            Event::End => {}
        }
    }

    fn write_error(&mut self, out: &mut Vec<u8>) {
        let error = super::error(&Failure::broken()).to_string();
        extend(out, &[r#"data: {"error":"#, &error, "}\n\n"]);
    }
}

impl Style {
    const fn chunk_object(self) -> &'static str {
        match self {
            Self::Chat => "chat.completion.chunk",
            Self::Completion => "text_completion",
        }
    }
}

fn extend(out: &mut Vec<u8>, parts: &[&str]) {
    for part in parts {
        out.extend_from_slice(part.as_bytes());
    }
}
