// SPDX-License-Identifier: BSD-2-Clause
//! Tests of the swapper against a model of the machine.
#![forbid(unsafe_code)]

mod holding;
mod incoming;
mod model;
mod outgoing;
mod random;
mod rows;
mod sampling;
