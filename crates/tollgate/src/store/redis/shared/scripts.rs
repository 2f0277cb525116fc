//! The scripts. Each says in its head what it is given and what it answers.

use crate::store::redis::link::Script;

pub(super) static HOLD: Script = Script::new("hold", include_str!("../scripts/hold.lua"));
pub(super) static FINISH: Script = Script::new("finish", include_str!("../scripts/finish.lua"));
pub(super) static LOOK: Script =
    Script::new("look", include_str!("../scripts/look.lua")).repeatable();
pub(super) static RENEW: Script =
    Script::new("renew", include_str!("../scripts/renew.lua")).repeatable();
pub(super) static DUE: Script = Script::new("due", include_str!("../scripts/due.lua")).repeatable();
pub(super) static REPLACE: Script = Script::new("replace", include_str!("../scripts/replace.lua"));
pub(super) static REPUBLISH: Script =
    Script::new("republish", include_str!("../scripts/republish.lua")).repeatable();
pub(super) static LEASE: Script = Script::new("lease", include_str!("../scripts/lease.lua"));
