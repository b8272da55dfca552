// SPDX-License-Identifier: BSD-2-Clause
//! Placeholder, replaced by the first landing of this crate.
#![no_std]
