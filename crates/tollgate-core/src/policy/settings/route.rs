//! What an application's paths are: which work they do, and what they mean to sessions.

use std::time::Duration;

use http::Method;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Methods;
use crate::policy::values::{PathPattern, Size, Span, Word, span};

/// The routes of an application, in the order in which they are tried.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Routes(Vec<Route>);

/// What is so of requests for a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// The path, after the provider's name where it is not mounted at `/`, and as it was sent:
    /// nothing is decoded or tidied up. `*` stands for any run of characters, `/` too.
    pub path: PathPattern,
    /// The method or methods; any if not given.
    #[serde(default, skip_serializing_if = "Methods::are_any")]
    pub method: Methods,
    /// The attribute `route` of its requests; the path if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<Word>,
    /// The attribute `task` of its requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<Word>,
    /// What its requests do to sessions.
    #[serde(default, skip_serializing_if = "SessionUse::is_touch")]
    pub session: SessionUse,
    /// The bound of a request's body in bytes; the provider's if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_body: Option<Size>,
    /// After how long a request is told that it should end.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "span::optional")]
    #[schemars(with = "Option<Span>")]
    pub soft_time_limit: Option<Duration>,
    /// After how long a request is cut, and its permit released.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "span::optional")]
    #[schemars(with = "Option<Span>")]
    pub hard_time_limit: Option<Duration>,
}

/// What a request does to sessions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SessionUse {
    /// It needs a session, and begins one where there is none.
    Register,
    /// It keeps a session alive that there is, and begins none.
    #[default]
    Touch,
    /// It ends the session that there is, once it has passed.
    End,
    /// Nothing.
    Ignore,
}

impl Routes {
    /// The first route of a request, by its method and its path without the query.
    ///
    /// A request that no route is for is one of [`SessionUse::Touch`] with nothing of its own.
    /// Paths are compared as [`PathPattern`] says, so an application that takes several
    /// spellings for the same page needs a pattern that matches them all.
    pub fn find(&self, method: &Method, path: &str) -> Option<&Route> {
        self.0.iter().find(|route| route.method.allow(method) && route.path.matches(path))
    }

    /// All of them, in the order in which they are tried.
    pub fn all(&self) -> &[Route] {
        &self.0
    }

    pub(super) const fn are_none(&self) -> bool {
        self.0.is_empty()
    }
}

impl Route {
    /// Whether it is for every request that `other` is for.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        self.method.cover(&other.method) && self.path.covers(&other.path)
    }
}

impl SessionUse {
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "the shape that serde asks for")]
    const fn is_touch(&self) -> bool {
        matches!(self, Self::Touch)
    }
}
