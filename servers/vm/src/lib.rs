// SPDX-License-Identifier: BSD-2-Clause
//! `vm`: address spaces, objects, pages. Mechanism, and the truth: which frame holds which page of which object, dirty, busy, wired.
//!
//! | file | what |
//! |---|---|
//! | `vm` | the state; what happens between two messages |
//! | `page`, `frames` | `vm_page`; the free list and its gate |
//! | `object`, `map`, `space`, `segment` | `vm_object`, `vm_map`, programs, shared memory |
//! | `fault`, `file_fault`, `shadow` | from an address to a mapping; pages of files; copy-on-write |
//! | `patch` | a debugger's writes |
//! | `fork`, `collapse`, `release` | `fork`; chains of objects become shorter; what is given back |
//! | `parking` | programs swapped out whole |
//! | `manage`, `keep` | who may do what with which space; what goes with a space |
//! | `waiting` | what cannot go on yet |
//! | `memory`, `wire` | `mmap` and its kin; `mlock` |
//! | `policy`, `clumsy`, `oom` | carrying out decisions; doing without; when nothing is left |
//! | `limit`, `charge`, `trim` | what a program may have; what its mappings count as; unmapping what is more |
//! | `channel`, `pager`, `completion`, `launder` | the pagers: rings, requests, answers, writing pages |
//! | `swap`, `vnode` | the swap pager's devices; the vnode pager's files |
//! | `file`, `transfer`, `resize`, `sync` | open files; `read` and `write`; `ftruncate`; `fsync`, `msync` and the syncer |
//! | `audit`, `audit_chains`, `tunables`, `meter` | seeing |
//! | `serve`, `machine` | clients and the kernel |
//!
//! Below `vm` (see `ebb_proto::levels`) are the pagers and disks; it never waits for one of them, nor for a policy, nor for `init`.
//!
//! # How this differs from the design's letter
//! Faults are not `async fn`s but records that are tried again from the start ([`waiting`]): nothing is allocated for one on the page-out path, and nothing that was
//! remembered can be out of date. Decisions of a policy are vectored calls, not ring entries ([`policy`]).
//!
#![doc = include_str!("rows.md")]
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod audit;
mod audit_chains;
pub mod channel;
pub mod charge;
pub mod clumsy;
pub mod collapse;
pub mod completion;
mod conduct;
pub mod fault;
pub mod file;
pub mod file_fault;
pub mod fork;
pub mod frames;
pub mod keep;
pub mod launder;
pub mod limit;
pub mod machine;
pub mod manage;
pub mod map;
pub mod memory;
pub mod meter;
pub mod object;
pub mod oom;
pub mod page;
pub mod pager;
pub mod parking;
pub mod patch;
pub mod policy;
pub mod release;
pub mod resize;
pub mod seat;
pub mod segment;
pub mod serve;
pub mod shadow;
pub mod space;
pub mod swap;
pub mod sync;
pub mod thread;
pub mod transfer;
pub mod trim;
pub mod tunables;
pub mod vm;
pub mod vnode;
pub mod waiting;
pub mod wire;
pub mod written;
