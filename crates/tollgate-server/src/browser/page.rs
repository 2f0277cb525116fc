//! The busy page: what a full server answers to a browser that wanted a page.
//!
//! The facts are in it as the server knows them, so it is whole without JavaScript: it loads
//! itself again now and then. With JavaScript it follows its ticket instead.

use std::{
    fmt::{self, Display, Write as _},
    time::Duration,
};

use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};

use crate::{
    headers::seconds_up,
    net::{self, Body},
};

/// What a full server knows about a browser that has to wait.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Busy<'a> {
    /// Sessions that live.
    pub(crate) active: u64,
    /// The most there may be.
    pub(crate) max: u64,
    /// What happened and what to do, in a sentence or two.
    pub(crate) message: &'a str,
    /// When it may be tried again.
    pub(crate) retry_after: Duration,
    /// The place in the queue, where there is one.
    pub(crate) ticket: Option<Ticket<'a>>,
    /// What the browser asked for.
    pub(crate) wanted: Wanted,
}

/// A place in the queue.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ticket<'a> {
    /// As it stands in `/tollgate/tickets/{ticket}`.
    pub(crate) id: &'a str,
    /// Counted from one.
    pub(crate) place: u64,
    /// How long it will take, where that can be told.
    pub(crate) estimate: Option<Duration>,
}

/// What a browser asked for, which says whether it can ask again by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// A page, by GET: it is loaded again.
    Page,
    /// The answer to a form: only the person can send that again.
    Form,
}

/// A text within HTML, also within a quoted attribute.
struct Escaped<'a>(&'a str);

/// A length of time in whole seconds, rounded up.
struct Seconds(u64);

/// What a page of ours may do: run and show what comes from the same origin, nothing inline,
/// nothing framed.
pub(super) const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; \
    style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; \
    frame-ancestors 'none'";

/// How often the page loads itself without JavaScript, in seconds: often enough for a turn,
/// and no load on a server that is full.
const REFRESH_SECONDS: std::ops::RangeInclusive<u64> = 10..=120;

/// While it waits in a queue, so that its turn does not pass by.
const REFRESH_QUEUED_SECONDS: u64 = 15;

/// The answer: 503 with the busy page, never cached. The cookie of the ticket is the
/// caller's to add.
pub(crate) fn busy_answer(busy: &Busy<'_>) -> Response<Body> {
    let mut response = Response::new(net::full(busy_page(busy)));
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    let headers = response.headers_mut();
    headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds_up(busy.retry_after)));
    let fixed: [(HeaderName, &str); 5] = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
    ];
    headers.extend(fixed.map(|(name, value)| (name, HeaderValue::from_static(value))));
    response
}

/// The page, whole, as HTML.
pub(crate) fn busy_page(busy: &Busy<'_>) -> String {
    format!(
        include_str!("assets/busy.html"),
        refresh = refresh(busy),
        retry_after = seconds_up(busy.retry_after),
        wanted = match busy.wanted {
            Wanted::Page => "page",
            Wanted::Form => "form",
        },
        ticket = busy.ticket.map(attributes).unwrap_or_default(),
        active = busy.active,
        max = busy.max,
        message = Escaped(busy.message),
        waiting = busy.ticket.map(waiting).unwrap_or_default(),
        action = match busy.wanted {
            // The address of the page itself, with its query.
            Wanted::Page => "<a href=\"\">Retry Now</a>\n",
            Wanted::Form => "<p>What you sent was not taken: go back and send it again.</p>\n",
        },
    )
}

/// Whether somebody looks at a window in which the answer will be shown, and not a script
/// that reads it.
pub(crate) fn is_navigation(headers: &HeaderMap) -> bool {
    // Every browser of today says it outright; the rest is known by what it accepts.
    if let Some(mode) = headers.get("sec-fetch-mode") {
        return mode == "navigate";
    }
    let accepted = headers.get_all(header::ACCEPT);
    let mut ranges = accepted.iter().filter_map(|value| value.to_str().ok()).flat_map(|value| {
        value.split(',').map(|range| range.split(';').next().unwrap_or_default().trim())
    });
    ranges.any(|range| range.eq_ignore_ascii_case("text/html"))
}

/// Loads the page again where no script does. What a form sent can't be sent so.
fn refresh(busy: &Busy<'_>) -> String {
    if busy.wanted == Wanted::Form {
        return String::new();
    }
    let told = seconds_up(busy.retry_after);
    let seconds = if busy.ticket.is_some() { told.min(REFRESH_QUEUED_SECONDS) } else { told };
    let seconds = seconds.clamp(*REFRESH_SECONDS.start(), *REFRESH_SECONDS.end());
    format!("<noscript><meta http-equiv=\"refresh\" content=\"{seconds}\"></noscript>\n")
}

fn attributes(ticket: Ticket<'_>) -> String {
    let mut text =
        format!(" data-ticket=\"{}\" data-place=\"{}\"", Escaped(ticket.id), ticket.place);
    if let Some(estimate) = ticket.estimate {
        // Writing into a string cannot fail.
        let _ = write!(text, " data-estimate=\"{}\"", seconds_up(estimate));
    }
    text
}

fn waiting(ticket: Ticket<'_>) -> String {
    let estimate = ticket
        .estimate
        .map_or_else(|| "not known yet".to_owned(), |it| Seconds(seconds_up(it)).to_string());
    format!(
        "<p class=\"place\">Your place in the queue: {}</p>\n\
         <p class=\"time\">Estimated wait: {estimate}</p>\n",
        ticket.place
    )
}

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            '\'' => f.write_str("&#39;"),
            _ => f.write_char(c),
        })
    }
}

impl Display for Seconds {
    /// As the kit says it (`duration` in `assets/kit/words.js`), so that the page does not
    /// change its words when the script begins.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("any moment now"),
            1 => f.write_str("1 second"),
            2..=119 => write!(f, "{} seconds", self.0),
            120..=3_599 => write!(f, "{} min {} s", self.0 / 60, self.0 % 60),
            _ => write!(f, "{} h {} min", self.0 / 3_600, self.0 / 60 % 60),
        }
    }
}
