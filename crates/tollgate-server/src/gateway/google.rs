//! What a request may ask of Google's API beside its path and body: nothing that leaves the
//! usage out of an answer, or that makes another request of it than the one that was read.

use std::borrow::Cow;

use http::{HeaderName, Method};
use percent_encoding::percent_decode_str;

use super::{exchange::Incoming, query};

/// Headers that make another method of a request's, so that it would pass for one that costs
/// nothing, and the one that picks members of the answer.
static HEADERS: [HeaderName; 4] = [
    HeaderName::from_static("x-http-method-override"),
    HeaderName::from_static("x-http-method"),
    HeaderName::from_static("x-method-override"),
    HeaderName::from_static("x-goog-fieldmask"),
];

/// What is known of a query and passes as it came. All else is left out: parameters of the
/// system pick members of the answer, another form of it, or another method.
const NAMES: [&[u8]; 8] = [
    b"force",
    b"key",
    b"pageSize",
    b"pageToken",
    b"updateMask",
    b"uploadType",
    b"upload_id",
    b"upload_protocol",
];

/// The form of an answer, which is asked for once.
const FORM: &[u8] = b"alt";

/// Leaves what is known of a request.
pub(super) fn keep_known(incoming: &mut Incoming) {
    for name in &HEADERS {
        incoming.head.headers.remove(name);
    }
    let makes = incoming.head.method == Method::POST;
    let mut has_form = false;
    let kept = query::keeping(incoming.rest(), |pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = query::name(name);
        if *name != *FORM {
            return NAMES.contains(&&*name).then_some(Cow::Borrowed(pair));
        }
        let form = form(value, makes).filter(|_| !has_form)?;
        has_form = true;
        Some(Cow::Borrowed(form))
    });
    if let Some(kept) = kept {
        incoming.rest = Some(kept);
    }
}

/// The form that is asked for, as the meter reads it. Nothing that is made comes as a file.
fn form(value: &str, makes: bool) -> Option<&'static str> {
    let value: Cow<'_, [u8]> = percent_decode_str(value).into();
    match &*value {
        b"json" => Some("alt=json"),
        b"sse" => Some("alt=sse"),
        b"media" if !makes => Some("alt=media"),
        _ => None,
    }
}
