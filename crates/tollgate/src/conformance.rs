//! The suite that every store passes.
//!
//! Each case is a function that is given an empty store and plays a short story to it in
//! virtual time; it panics where the store breaks a promise. The macro
//! [`conformance!`](crate::conformance!) makes a test of each:
//!
//! ```
//! # use tollgate::Memory;
//! async fn make() -> (Memory, ()) {
//!     (Memory::default(), ())
//! }
//! tollgate::conformance!(make);
//! # fn main() {}
//! ```
//!
//! What comes with the store, as the folder that its file is in, is kept until the case
//! has ended.

mod booth;
mod crowd;
mod ids;
mod limits;
mod periods;
mod sessions;
mod warnings;

pub use booth::{Booth, NOON};
pub use crowd::*;
pub use ids::*;
pub use limits::*;
pub use periods::*;
pub use sessions::*;
pub use warnings::*;

/// Makes a test of every case for the stores that `$make()` makes: an async function that
/// answers with an empty store and whatever must live as long as it.
///
/// Where what a store needs takes long to begin, `in turn $begin, $make` makes one test of all:
/// `$begin()` begins it, and `$make` makes an empty store of a reference to it.
#[macro_export]
macro_rules! conformance {
    ($make:expr) => {
        $crate::conformance!(@cases each ($make));
    };
    (in turn $begin:expr, $make:expr) => {
        $crate::conformance!(@cases in_turn ($begin, $make));
    };
    (@cases $how:ident $with:tt) => {
        $crate::conformance!(@$how $with,
            every_kind_admits_up_to_its_cap
            the_promised_instant_is_exact
            an_order_is_granted_whole_or_not_at_all
            a_refusal_leaves_no_trace
            what_can_never_be_admitted_is_said_so
            the_longest_obstacle_is_named
            a_shadow_limit_counts_but_never_refuses
            tiers_have_amounts_of_their_own
            a_check_takes_nothing
            what_was_not_used_is_given_back
            an_overrun_is_charged_and_told
            a_lowered_limit_revokes_nothing
            a_clock_that_lags_gets_no_more
            a_kept_id_is_granted_once
            an_id_settles_once
            a_voided_id_has_taken_nothing
            an_unknown_id_is_unknown
            an_extension_is_granted_whole_or_not_at_all
            parcels_are_used_up_in_their_order
            an_ended_reservation_can_t_go_on
            an_expired_reservation_counts_until_it_is_settled_late
            a_renewed_reservation_lives_on
            a_session_takes_one_slot_until_it_is_idle
            a_session_can_end_before_its_time
            a_session_can_be_looked_at
            a_period_ends_at_its_boundary
            a_total_never_begins_anew
            a_wall_clock_set_back_resets_nobody_twice
            a_wall_clock_set_back_does_not_shorten_a_window
            a_soft_budget_warns_and_never_refuses
            a_crowd_crosses_each_threshold_once
            a_budget_for_ten_admits_ten_of_a_crowd
            a_crowd_leaves_no_slot_taken
        );
    };
    (@each ($make:expr), $($case:ident)*) => {
        $(
            #[tokio::test]
            async fn $case() {
                let (store, _kept) = $make().await;
                $crate::conformance::$case(store).await;
            }
        )*
    };
    (@in_turn ($begin:expr, $make:expr), $($case:ident)*) => {
        #[tokio::test]
        async fn every_case_in_turn() {
            let lasting = $begin().await;
            $(
                println!("{}", stringify!($case));
                let store = $make(&lasting).await;
                Box::pin($crate::conformance::$case(store)).await;
            )*
        }
    };
}
