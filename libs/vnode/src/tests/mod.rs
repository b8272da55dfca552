// SPDX-License-Identifier: BSD-2-Clause
//! Tests on the host.

mod files;
mod machine;
mod rig;
