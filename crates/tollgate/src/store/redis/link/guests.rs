//! Servers that calls were sent to and that the map does not name: masters that slots are on
//! their way to. They are kept while they are asked for, so that each call finds their lines.

use std::sync::Arc;

use parking_lot::Mutex;

use super::{keeper::Kept, settings::Address};

/// How many are kept; the one that was asked for least lately makes room.
const MOST: usize = 16;

/// For how many looks at the map a guest is kept that nobody asks for.
const LOOKS: u32 = 60;

/// The servers, the one that was asked for last at the end.
#[derive(Default)]
pub(super) struct Guests(Mutex<Vec<Guest>>);

struct Guest {
    node: Arc<Kept>,
    /// Looks at the map since it was asked for.
    idle: u32,
}

impl Guests {
    /// The server at an address; `make` makes it if it is not there.
    pub(super) fn at<E>(
        &self,
        address: &Address,
        make: impl FnOnce() -> Result<Arc<Kept>, E>,
    ) -> Result<Arc<Kept>, E> {
        let mut guests = self.0.lock();
        let known = guests.iter().position(|guest| guest.node.address() == address);
        let node = match known {
            Some(place) => guests.remove(place).node,
            None => make()?,
        };
        if guests.len() >= MOST {
            guests.remove(0);
        }
        guests.push(Guest { node: Arc::clone(&node), idle: 0 });
        Ok(node)
    }

    /// The map was looked at: those that it names now, and those that nobody asks for, go.
    pub(super) fn looked(&self, is_named: impl Fn(&Address) -> bool) {
        self.0.lock().retain_mut(|guest| {
            guest.idle += 1;
            guest.idle <= LOOKS && !is_named(guest.node.address())
        });
    }
}
