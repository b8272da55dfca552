// SPDX-License-Identifier: BSD-2-Clause
//! Tests on the host.

mod cut;
mod errors;
mod files;
mod machine;
mod rig;
mod story;
