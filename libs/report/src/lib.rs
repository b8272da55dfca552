// SPDX-License-Identifier: BSD-2-Clause
//! What programs print. A listing is described once, and printed as an aligned table for a person or as one line of JSON for a
//! program; a value is one line of JSON.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod json;
mod table;

pub use json::Value;
pub use table::{Column, Listing};
