//! What every store of operations has to do, whatever it keeps them in.
//!
//! Each sentence of [`Store`]'s documentation is a case here, and each store's tests run all of them over the real thing:
//! [`contract!`](crate::contract!) makes a test of each. A case has a place of its own, in which nothing is stored yet.

pub mod admission;
pub mod claims;
pub mod interleaving;
pub mod reading;

mod wants;

use std::sync::Arc;
use std::time::Duration;

use tiller_edge::operations::Store;
use tokio::time::timeout;

pub use self::wants::{
    accept, admission, claim, delivery, eventually, key, lane, operation, state, worker,
};

/// Where a store keeps things.
pub trait Place: Sync {
    /// Opens a store there. One that was opened before was closed.
    fn open(&self) -> impl Future<Output = Arc<dyn Store>> + Send;
}

/// Waits for a case, for a while.
///
/// # Panics
///
/// When it takes longer.
pub async fn bounded(case: impl Future<Output = ()>) {
    const PATIENCE: Duration = Duration::from_secs(60);
    timeout(PATIENCE, case).await.expect("it ends in time");
}

/// Closes a store and opens it again.
pub async fn reopened(place: &impl Place, store: Arc<dyn Store>) -> Arc<dyn Store> {
    store.close().await;
    drop(store);
    place.open().await
}

/// Makes a test of every case, at a place that the expression makes.
#[macro_export]
macro_rules! contract {
    ($place:expr) => {
        $crate::contract!(@ admission $place;
            what_was_admitted_is_there,
            what_was_admitted_is_there_after_a_restart,
            admitting_the_same_twice_admits_it_once,
            a_group_whose_key_is_known_is_left_out_and_the_others_are_not,
            a_key_is_known_with_what_it_led_to_after_a_restart,
            a_key_that_has_expired_is_not_known,
            a_key_is_replaced_by_who_knows_what_it_stands_for,
            of_two_at_once_with_one_key_one_is_new,
            a_newer_one_takes_the_place_of_those_that_wait,
            the_newest_of_one_admission_takes_the_place_of_the_others,
            one_that_does_not_coalesce_is_not_replaced,
            what_was_begun_is_not_replaced,
            a_delivery_is_kept_with_its_payload,
        );
        $crate::contract!(@ claims $place;
            nothing_can_be_claimed_where_nothing_is,
            a_lane_is_carried_out_in_the_order_of_acceptance,
            one_operation_of_a_lane_is_carried_out_at_a_time,
            lanes_do_not_wait_for_each_other,
            nothing_is_claimed_at_clusters_that_are_left_out,
            what_is_not_due_keeps_its_lane_waiting,
            what_is_put_off_for_much_too_long_is_due,
            what_waits_for_approval_keeps_nobody_waiting,
            what_is_settled_keeps_nobody_waiting,
            a_claim_that_is_renewed_is_kept,
            a_claim_that_is_over_can_be_taken_over,
            who_lost_a_claim_can_store_nothing,
            a_claim_without_an_heir_still_stores,
            a_fence_grows_with_every_claim,
            what_was_saved_is_there_after_a_restart_and_can_be_claimed,
            a_claim_of_before_a_restart_is_lost,
            a_finished_claim_is_over,
            what_is_put_off_by_finishing_keeps_its_place,
            children_are_there_when_their_parent_is_finished,
            a_lane_that_is_held_is_nobody_elses,
            a_hold_that_is_over_keeps_nobody_waiting,
            a_hold_is_not_had_while_an_operation_is_carried_out,
            freeing_what_somebody_else_holds_by_now_does_nothing,
        );
        $crate::contract!(@ reading $place;
            what_is_not_there_is_none,
            lists_have_the_newest_first_and_go_on_page_by_page,
            lists_are_of_what_is_asked_for,
            notices_are_listed_only_where_they_are_asked_for,
            a_change_is_stored_under_its_version,
            what_is_carried_out_cannot_be_changed,
            what_is_approved_takes_its_turn,
            what_is_resumed_takes_its_turn,
            deliveries_have_the_newest_first_and_go_on_page_by_page,
            a_sweep_forgets_what_is_settled_and_old,
            a_sweep_leaves_what_is_not_settled,
            changes_are_told,
        );
        $crate::contract!(@ interleaving $place;
            whatever_two_workers_do_nothing_is_lost_or_out_of_order,
        );
    };
    (@ $module:ident $place:expr; $($case:ident,)*) => {
        mod $module {
            #[expect(unused_imports, reason = "what a place is made of depends on who makes it")]
            use super::*;

            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    let place = $place;
                    $crate::contract::bounded($crate::contract::$module::$case(&place)).await;
                }
            )*
        }
    };
}
