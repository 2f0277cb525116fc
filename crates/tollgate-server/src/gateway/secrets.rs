//! What of a request no provider of models is to see: cookies, which are the gateway's own, and
//! Tollgate's keys, wherever they stand.

use std::borrow::Cow;

use http::header::COOKIE;
use percent_encoding::percent_decode_str;

use super::{exchange::Incoming, query};
use crate::identity;

/// Takes it out.
pub(super) fn strip(incoming: &mut Incoming) {
    let headers = &mut incoming.head.headers;
    headers.remove(COOKIE);
    identity::strip_every_key(headers);
    let kept = query::keeping(incoming.rest(), |pair| {
        let read: Cow<'_, [u8]> = percent_decode_str(pair).into();
        (!identity::bears_key(&read)).then_some(Cow::Borrowed(pair))
    });
    if let Some(kept) = kept {
        incoming.rest = Some(kept);
    }
}
