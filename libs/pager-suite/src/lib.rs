// SPDX-License-Identifier: BSD-2-Clause
//! What every swap pager must do, as tests that any of them can be put through.
//!
//! A [`Host`] is what is around a pager: `vm`'s side of real rings, disks whose requests are finished in any order and that fail where they are told to, durable segments, frames. A [`Maker`] makes
//! instances of the pager, first ones and later ones. Each case is a conversation that follows `ebb_proto::pager`'s contract; whatever is said against it, even what no case looks for (an answer that nobody waits
//! for, a second one, one with another page's frame), is a [`Complaint`].
//!
//! | case | contract |
//! |---|---|
//! | [`basic`] | Get, Put, Free, Copy, Audit (SWP-W12, SWP-092, SWP-104 to SWP-109, SWP-164) |
//! | [`devices`] | Prepare, SwapOn, SwapOff (SWP-180 to SWP-206, SWP-W06, SWP-W31) |
//! | [`faults`] | failing disks, full ones, entries that make no sense (SWP-128, SWP-W13, SWP-W14, SWP-W20) |
//! | [`succession`] | death, adoption, Retire, Resume, AddMemory |
//! | [`random`] | all of it in random order against a naive model, with deaths |
//!
//! That the suite can fail is tested with a pager with faults to choose from.
#![forbid(unsafe_code)]

pub mod basic;
pub mod contents;
pub mod devices;
pub mod faults;
pub mod host;
pub mod random;
pub mod succession;

pub use host::{Host, Instance, Maker};

/// What a pager did wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Complaint(pub String);

/// What a case comes to.
pub type Verdict<T = ()> = Result<T, Complaint>;

/// A complaint, unless it is so.
pub fn expect(so: bool, what: impl FnOnce() -> String) -> Verdict {
    if so { Ok(()) } else { Err(Complaint(what())) }
}

/// A case.
pub type Case = fn(&dyn Maker) -> Verdict;

/// All cases but the random ones, by name.
pub const CASES: &[(&str, Case)] = &[
    ("swp_108_a_page_that_was_never_put", basic::swp_108_a_page_that_was_never_put),
    ("swp_104_what_was_put_comes_back", basic::swp_104_what_was_put_comes_back),
    ("swp_107_neighbours_are_right_or_fail", basic::swp_107_neighbours_are_right_or_fail),
    ("a_put_replaces_the_copy", basic::a_put_replaces_the_copy),
    ("swp_164_free", basic::swp_164_free),
    ("swp_092_copy", basic::swp_092_copy),
    ("audit_counts_slots", basic::audit_counts_slots),
    ("free_during_io", basic::free_during_io),
    ("swp_180_who_is_refused", devices::swp_180_who_is_refused),
    ("swp_198_swapoff", devices::swp_198_swapoff),
    ("swp_w29_swapoff_undone", devices::swp_w29_swapoff_undone),
    ("swp_128_full", faults::swp_128_full),
    ("swp_w12_failed_writes_keep_the_old_copy", faults::swp_w12_failed_writes_keep_the_old_copy),
    ("swp_w14_failed_reads_are_told", faults::swp_w14_failed_reads_are_told),
    ("swp_w20_nonsense_is_answered", faults::swp_w20_nonsense_is_answered),
    ("any_order_of_the_disks", faults::any_order_of_the_disks),
    ("everything_answered_outlives_the_pager", succession::everything_answered_outlives_the_pager),
    ("a_sealed_pager_has_ended_everything", succession::a_sealed_pager_has_ended_everything),
    ("what_was_in_flight_is_put_again", succession::what_was_in_flight_is_put_again),
    ("retire_leaves_all_to_a_plain_pager", succession::retire_leaves_all_to_a_plain_pager),
    ("a_retired_pager_serves_on", succession::a_retired_pager_serves_on),
    ("a_death_while_retiring_loses_nothing", succession::a_death_while_retiring_loses_nothing),
    ("a_plain_pagers_devices_are_adopted", succession::a_plain_pagers_devices_are_adopted),
    ("retire_says_what_it_cannot_do", succession::retire_says_what_it_cannot_do),
];
