// SPDX-License-Identifier: BSD-2-Clause
//! The pager against a scripted machine: requirements by their numbers, and kills at every step.

mod copy;
mod devices;
mod get;
mod hostile;
mod kill;
mod machine;
mod put;
mod rows;
