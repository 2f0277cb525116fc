//! Why a live session ends, and what its caller is told.

use bytes::Bytes;
use tokio_tungstenite::tungstenite::{
    self, Message,
    error::CapacityError,
    protocol::{CloseFrame, frame::coding::CloseCode},
};
use tollgate::StoreError;

use crate::{
    identity::Unauthorized,
    net::websocket::MAX_MESSAGE_BYTES,
    refusal::{CutShort, Failure, Form, What},
};

/// Why a session ends.
#[derive(Debug)]
pub(super) enum Why {
    /// Its caller has closed it, or is gone.
    Left,
    /// Its provider has closed it, with this.
    Closed(Option<CloseFrame>),
    /// Its provider is gone.
    Lost,
    /// Tollgate ends it, and says this.
    Told(Told),
}

/// What is said at the end: a message of the dialect, and how the line is closed.
#[derive(Debug)]
pub(super) struct Told {
    message: Bytes,
    code: CloseCode,
    reason: &'static str,
}

impl Why {
    /// There is no room for what its caller sends next.
    pub(super) fn spent(cut: &CutShort) -> Self {
        let message = cut.event(Form::Deepgram).body;
        Self::Told(Told { message, code: CloseCode::Policy, reason: cut.reason })
    }

    /// Nobody can say whether there is.
    pub(super) fn unknown(error: &StoreError) -> Self {
        Self::Told(Told::of(&Failure::from(error), CloseCode::Error))
    }

    /// Its caller may not go on.
    pub(super) fn unauthorized(why: Unauthorized) -> Self {
        Self::Told(Told::of(&Failure::from(why), CloseCode::Policy))
    }

    /// Only critical work goes on.
    pub(super) fn emergency(why: &Failure) -> Self {
        Self::Told(Told::of(why, CloseCode::Again))
    }

    /// Its caller sends nothing.
    pub(super) fn idle() -> Self {
        let sentence = "No audio and no message came in time: send KeepAlive while there is none.";
        Self::Told(Told::of(&Failure::new(What::TooSlow, sentence), CloseCode::Error))
    }

    /// The process is about to end.
    pub(super) fn drain() -> Self {
        let sentence = "Tollgate is about to stop, so the session ends here: connect again.";
        Self::Told(Told::of(&Failure::new(What::Overloaded, sentence), CloseCode::Restart))
    }

    /// What its caller sends cannot be read.
    pub(super) fn of(error: &tungstenite::Error) -> Self {
        use tungstenite::Error;
        let (what, sentence, code) = match error {
            Error::Capacity(CapacityError::MessageTooLong { .. }) => {
                let sentence = format!(
                    "A message is longer than {MAX_MESSAGE_BYTES} bytes: send the audio in smaller pieces."
                );
                (What::TooLarge, sentence, CloseCode::Size)
            }
            Error::Utf8(_) => {
                let sentence = "A message of text is not UTF-8: send audio as binary messages.";
                (What::InvalidRequest, sentence.to_owned(), CloseCode::Invalid)
            }
            Error::Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake)
            | Error::Io(_)
            | Error::ConnectionClosed
            | Error::AlreadyClosed => return Self::Left,
            error => {
                let sentence = format!("What was sent is no WebSocket message: {error}.");
                (What::InvalidRequest, sentence, CloseCode::Protocol)
            }
        };
        Self::Told(Told::of(&Failure::new(what, sentence), code))
    }
}

impl Told {
    fn of(failure: &Failure, code: CloseCode) -> Self {
        let message = failure.native(Form::Deepgram).event.body;
        Self { message, code, reason: failure.what.error() }
    }

    /// What is said where the provider is gone.
    pub(super) fn lost() -> Self {
        let sentence = "The provider ended the connection before the session was over.";
        Self::of(&Failure::new(What::BadGateway, sentence), CloseCode::Error)
    }

    /// The messages, in their order.
    pub(super) fn messages(self) -> [Message; 2] {
        let text = String::from_utf8_lossy(&self.message).into_owned();
        let frame = CloseFrame { code: self.code, reason: self.reason.into() };
        [Message::text(text), Message::Close(Some(frame))]
    }
}
