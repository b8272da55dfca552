// SPDX-License-Identifier: BSD-2-Clause
//! The cases, in one list.

mod death;
mod devices;
mod exceptions;
mod faults;
mod frameops;
mod handles;
mod holding;
mod hostile;
mod ipc;
mod mapping;
mod model;
mod notifications;
mod objects;
mod parking;
mod schedule;

use crate::assistant::Rig;
pub use notifications::bound;

/// A case: its name and its function.
pub type Case = (&'static str, fn(&mut Rig));

/// All cases.
pub const ALL: &[Case] = &[
    ("system calls keep registers, unknown ones fail", handles::numbers),
    ("handles: copies, rights, badges", handles::copies),
    ("handles: stale ones are dead", handles::stale),
    ("handles: the table grows", handles::growth),
    ("ipc: words", ipc::words),
    ("ipc: bytes", ipc::bytes),
    ("ipc: handles", ipc::handles),
    ("ipc: refused messages", ipc::refused),
    ("ipc: answers out of order", ipc::out_of_order),
    ("ipc: no slot for the reply", ipc::no_slot),
    ("ipc: not waiting", ipc::not_waiting),
    ("death: of the receiver", death::receiver),
    ("death: of the caller", death::of_caller),
    ("death: in the middle of a call", death::in_the_middle),
    ("death: of the endpoint", death::endpoint),
    ("death: of the reply handle", death::reply),
    ("death: stopped threads", death::stopped),
    ("notifications: bits", notifications::bits),
    ("notifications: before messages", notifications::before_messages),
    ("notifications: timers", notifications::timers),
    ("schedule: a signal preempts", schedule::preemption),
    ("schedule: quantum", schedule::quantum),
    ("schedule: yield", schedule::yields),
    ("schedule: priorities in calls", schedule::calls),
    ("parking: a thread goes and comes back", parking::round_trip),
    ("parking: only who waits for bits alone", parking::refused),
    ("parking: one kick, never lost", parking::kicks),
    ("parking: registers", parking::registers),
    ("holding: a thread waits for its turn and loses nothing", holding::bits),
    ("holding: in calls", holding::calls),
    ("holding: before it starts, at its end, of oneself", holding::edges),
    ("faults: served by another task", faults::served),
    ("faults: permissions", faults::permissions),
    ("faults: refused", faults::refused),
    ("faults: a vector of mappings", faults::vector),
    ("exceptions: each kind", exceptions::kinds),
    ("exceptions: nobody to tell", exceptions::nobody),
    ("mapping: enter, extract, protect, remove", mapping::basics),
    ("mapping: refused", mapping::refused),
    ("mapping: tables and collection", mapping::tables),
    ("mapping: reading another task", mapping::reading),
    ("mapping: devices", mapping::devices),
    ("frames: three mappings of one", frameops::shared),
    ("frames: modified is never lost", frameops::modified),
    ("frames: write permission", frameops::remove_write),
    ("frames: zero and copy", frameops::contents),
    ("frames: memory that is left out", frameops::left_out),
    ("objects: donations are checked", objects::donations),
    ("objects: a large task goes in steps", objects::large),
    ("objects: nobody destroys itself", objects::itself),
    ("devices: ports and interrupts", devices::ports_and_interrupts),
    ("model: random mappings against a table", model::random),
    ("hostile: random system calls", hostile::random),
];
