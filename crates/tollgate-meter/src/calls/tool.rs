//! A provider's own tools that are charged by the call, and an amount for each of them.

use std::ops::{Index, IndexMut};

use tollgate_core::NanoUsd;

/// A tool of the provider's that is charged by the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// Searches the web.
    Search,
    /// Searches files that the provider keeps.
    FileSearch,
    /// Runs code: charged for each container that it runs in, however often.
    CodeInterpreter,
    /// Finds places on a map.
    Maps,
    /// Whatever tools something brings that the provider has kept: charged for each request,
    /// unless what its answer tells costs more.
    Kept,
}

/// Something for each tool.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PerTool<T>([T; Tool::ALL.len()]);

/// How often each tool is called.
pub type Calls = PerTool<u64>;

/// What a call of each costs in nano-dollars, where that is known.
pub type Fees = PerTool<Option<u64>>;

impl Tool {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Search, Self::FileSearch, Self::CodeInterpreter, Self::Maps, Self::Kept];

    /// The name of its price in a policy.
    pub const fn entry(self) -> &'static str {
        match self {
            Self::Search => "search",
            Self::FileSearch => "file_search",
            Self::CodeInterpreter => "code_interpreter",
            Self::Maps => "maps",
            Self::Kept => "kept_tools",
        }
    }
}

impl<T> Index<Tool> for PerTool<T> {
    type Output = T;

    fn index(&self, tool: Tool) -> &T {
        &self.0[tool as usize]
    }
}

impl<T> IndexMut<Tool> for PerTool<T> {
    fn index_mut(&mut self, tool: Tool) -> &mut T {
        &mut self.0[tool as usize]
    }
}

impl<T> PerTool<T> {
    /// What this is for each tool.
    pub fn of(of: impl FnMut(Tool) -> T) -> Self {
        Self(Tool::ALL.map(of))
    }
}

impl Calls {
    /// No calls.
    pub const NONE: Self = Self([0; Tool::ALL.len()]);

    /// The larger number of each.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self::of(|tool| self[tool].max(other[tool]))
    }

    /// Each, but so many at most.
    #[must_use]
    pub fn at_most(self, most: u64) -> Self {
        Self::of(|tool| self[tool].min(most))
    }
}

impl Fees {
    /// What all of these cost at most.
    pub fn held(&self, calls: &Calls) -> NanoUsd {
        NanoUsd(self.told(calls).saturating_add(self.each(calls, Tool::Kept)))
    }

    /// What these cost once they are told. Tools of what is kept are told like any others, as far
    /// as they are told at all.
    pub fn charged(&self, calls: &Calls) -> NanoUsd {
        NanoUsd(self.told(calls).max(self.each(calls, Tool::Kept)))
    }

    fn told(&self, calls: &Calls) -> u64 {
        let told = Tool::ALL.into_iter().filter(|tool| *tool != Tool::Kept);
        told.fold(0, |sum, tool| sum.saturating_add(self.each(calls, tool)))
    }

    fn each(&self, calls: &Calls, tool: Tool) -> u64 {
        calls[tool].saturating_mul(self[tool].unwrap_or(0))
    }
}
