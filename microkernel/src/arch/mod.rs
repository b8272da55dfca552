// SPDX-License-Identifier: BSD-2-Clause
//! Everything that touches hardware, one folder a processor architecture.

pub mod x86_64;
