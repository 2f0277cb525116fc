//! How full the memory of a server is.

/// How much memory a server uses of what it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// In bytes.
    pub used: u64,
    /// In bytes: its limit, or all that its machine has where none is set.
    pub most: u64,
}

impl Memory {
    /// By what a server says of itself: its limit is 0 where it has none.
    pub(super) fn of(used: Option<u64>, limit: Option<u64>, machine: Option<u64>) -> Option<Self> {
        let most = limit.filter(|limit| *limit > 0).or(machine).filter(|most| *most > 0)?;
        Some(Self { used: used?, most })
    }

    /// The share that is used.
    pub fn share(self) -> f64 {
        self.used as f64 / self.most as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_without_a_limit_may_use_what_its_machine_has() {
        let of = |limit, machine| Memory::of(Some(50), limit, machine).map(|it| it.most);
        assert_eq!(of(Some(100), Some(1_000)), Some(100));
        assert_eq!(of(Some(0), Some(1_000)), Some(1_000));
        assert_eq!(of(None, Some(0)), None);
        assert_eq!(Memory::of(None, Some(100), None), None);
        assert_eq!(Memory { used: 25, most: 100 }.share(), 0.25);
    }
}
