//! The kit's files. A browser may keep one, but asks each time whether it is still the same,
//! so a page never runs a kit of two versions for longer than one load.

use axum::{
    Router,
    response::{IntoResponse, Response},
    routing::get,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

/// A file that everybody may read.
#[derive(Debug, Clone, Copy)]
pub(super) struct File {
    /// Where it is on the data plane.
    pub(super) path: &'static str,
    pub(super) text: &'static str,
}

/// A file and what tells this version of it from every other.
#[derive(Debug, Clone)]
struct Tagged {
    file: File,
    etag: HeaderValue,
}

/// Every file of the kit.
pub(super) const FILES: [File; 15] = [
    file("/tollgate/kit.js", include_str!("assets/kit.js")),
    file("/tollgate/busy.css", include_str!("assets/busy.css")),
    file("/tollgate/busy.js", include_str!("assets/busy.js")),
    file("/tollgate/kit/countdown.js", include_str!("assets/kit/countdown.js")),
    file("/tollgate/kit/dialog.js", include_str!("assets/kit/dialog.js")),
    file("/tollgate/kit/dom.js", include_str!("assets/kit/dom.js")),
    file("/tollgate/kit/element.js", include_str!("assets/kit/element.js")),
    file("/tollgate/kit/facts.js", include_str!("assets/kit/facts.js")),
    file("/tollgate/kit/notices.js", include_str!("assets/kit/notices.js")),
    file("/tollgate/kit/replay.js", include_str!("assets/kit/replay.js")),
    file("/tollgate/kit/room.js", include_str!("assets/kit/room.js")),
    file("/tollgate/kit/styles.js", include_str!("assets/kit/styles.js")),
    file("/tollgate/kit/turn.js", include_str!("assets/kit/turn.js")),
    file("/tollgate/kit/waiting.js", include_str!("assets/kit/waiting.js")),
    file("/tollgate/kit/words.js", include_str!("assets/kit/words.js")),
];

/// Hexadecimal digits of a version's tag.
const ETAG_DIGITS: usize = 32;

/// What serves the kit's files, by GET and HEAD.
pub(crate) fn router() -> Router {
    FILES.into_iter().fold(Router::new(), |router, file| {
        let tagged = Tagged::new(file);
        router.route(file.path, get(async move |headers: HeaderMap| tagged.answer(&headers)))
    })
}

const fn file(path: &'static str, text: &'static str) -> File {
    File { path, text }
}

impl File {
    fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(if self.path.ends_with(".css") {
            "text/css; charset=utf-8"
        } else {
            "text/javascript; charset=utf-8"
        })
    }
}

impl Tagged {
    fn new(file: File) -> Self {
        let hash = blake3::hash(file.text.as_bytes()).to_hex();
        let etag = format!("\"{}\"", &hash[..ETAG_DIGITS]);
        // Without a tag the file is sent whole each time.
        let etag = HeaderValue::try_from(etag).unwrap_or_else(|_| HeaderValue::from_static("\"\""));
        Self { file, etag }
    }

    fn answer(&self, headers: &HeaderMap) -> Response {
        let kept: [(HeaderName, HeaderValue); 2] = [
            (header::ETAG, self.etag.clone()),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        ];
        if self.is_known(headers) {
            return (StatusCode::NOT_MODIFIED, kept).into_response();
        }
        let about: [(HeaderName, HeaderValue); 2] = [
            (header::CONTENT_TYPE, self.file.content_type()),
            (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        ];
        (kept, about, self.file.text).into_response()
    }

    /// Whether the browser has this very version. A proxy that compresses makes tags weak.
    fn is_known(&self, headers: &HeaderMap) -> bool {
        headers
            .get_all(header::IF_NONE_MATCH)
            .iter()
            .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
            .map(<[u8]>::trim_ascii)
            .map(|tag| tag.strip_prefix(b"W/").unwrap_or(tag))
            .any(|tag| tag == b"*" || tag == self.etag.as_bytes())
    }
}
