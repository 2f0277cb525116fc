//! Invariants 1, 2, 3, 5, 6 and 9, one request after the other in virtual time.

use proptest::prelude::*;
use tokio::runtime::Builder;
use tollgate::Memory;

use crate::naive::history::{Play, Ways, policies, steps};

const MEMORY: Ways = Ways { grain: 1, in_parts: false };

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn decisions_keep_their_promises(policy in policies(MEMORY), steps in steps(MEMORY)) {
        let memory = Memory::default();
        let mut play = Play::new(&memory, MEMORY, policy);
        let runtime = Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            for step in &steps {
                play.step(step).await;
            }
        });
    }
}
