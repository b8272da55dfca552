// SPDX-License-Identifier: BSD-2-Clause
//! The pager of files as a state machine: it serves names ([`ebb_proto::fs`]) and pages ([`ebb_proto::pager`], "The pager of files") from an ext4 file system.
//!
//! The file system itself is the crate `rsext4`, which works one operation after the other. Here is what makes a pager of it:
//!
//! | file | what |
//! |---|---|
//! | `world` | what the pager needs of its surroundings |
//! | `channel`, `requests` | the disk: requests for `vm`'s pages, which nobody waits for, and the file system's own |
//! | `disk` | disk and clock as the crate wants them |
//! | `store` | the mounted file system: commits, and what remains when the disk fails |
//! | `extents` | where pages are on the disk |
//! | `held` | files that `vm` has |
//! | `unlinked` | files without a name that are in use |
//! | `path` | from paths to inodes |
//! | `pager` | the entries of `vm`'s ring, one after the other; who is answered when |
//! | `batch` | neighbouring entries |
//! | `pages` | Get, Put and PutBytes |
//! | `control` | the other operations |
//! | `ahead` | blocks ahead of files that grow |
//! | `cut` | making files shorter, and empty |
//! | `open`, `names` | the calls |
//! | `errors` | what errors mean to whom |
//!
//! # Who decides about a page's way to the disk
//! | page | way |
//! |---|---|
//! | its block was written before, it lies wholly before the end, the crate does not keep its bytes | from or to `vm`'s frame, asynchronously |
//! | never written, the last one, or one whose bytes the crate may keep | through the crate, by its bytes |
//!
//! # What survives what
//! What was answered survives the death of the pager: changes of the file system are answered after its journal is committed. What [`Fsync`](ebb_proto::pager::Op::Fsync) answered
//! survives the death of the machine. (A commit flushes the disk, so everything but plain Put does.)
//!
//! # Images
//! `mke2fs -t ext4 -b 4096 -J size=4 -O ^orphan_file,^metadata_csum_seed,^resize_inode,^dir_index -E lazy_itable_init=0`: blocks have to be as large as pages; `orphan_file` is
//! not known to the crate, and it counts the blocks of an indexed directory wrong; the size of the journal bounds what the crate keeps in memory.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod ahead;
mod anchor;
mod batch;
pub mod channel;
mod control;
mod cut;
pub mod disk;
mod errors;
mod extents;
mod held;
mod names;
mod open;
pub mod pager;
mod pages;
mod path;
pub mod requests;
mod store;
#[cfg(test)]
mod tests;
mod unlinked;
pub mod world;

pub use channel::Geometry;
pub use pager::{Setup, VnodePager};
pub use world::{PAGE, World};
