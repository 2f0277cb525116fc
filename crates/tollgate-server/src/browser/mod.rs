//! What browsers get from Tollgate itself: the kit that any page can include, and the page
//! that stands in for one when the server is full.
//!
//! Everything is in the binary and needs nothing else: no build, no package, no other host.
//! It runs under the policy of the busy page, so there is no inline script or style in it.
//!
//! `/tollgate/kit.js` is the kit's front and says how a page uses it. It covers `fetch`;
//! `XMLHttpRequest` and forms that the browser sends itself are answered like anybody else.
//! A browser that asks for a page gets [`busy_answer`].

mod files;
mod page;
#[cfg(test)]
mod tests;

pub(crate) use files::router;
#[cfg(test)]
pub(crate) use page::busy_page;
pub(crate) use page::{Busy, Ticket, Wanted, busy_answer, is_navigation};
