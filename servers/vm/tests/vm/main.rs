// SPDX-License-Identifier: BSD-2-Clause
//! Tests of the `vm` server against a model of the kernel, its programs, its pager and its policy.
#![forbid(unsafe_code)]

mod conduct;
mod config;
mod death;
mod deciding;
mod filing;
mod forking;
mod kernel_state;
mod limiting;
mod managing;
mod mapping;
mod memory;
mod model;
mod parking;
mod patching;
mod random;
mod random_files;
mod rows;
mod seating;
mod swapping;
mod syncing;
mod threads;
mod tracking;
mod trimming;
mod vnode_death;
mod writing;
