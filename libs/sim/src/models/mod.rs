// SPDX-License-Identifier: BSD-2-Clause
//! What papers describe for caches that see every hit, and MIN, which sees the future. For comparison: none of these
//! can run on the machine.

mod arc;
mod car;
mod lirs;
mod list;
mod lru;
mod min;
mod s3_fifo;
mod two_q;

use crate::exact::Cache;
use crate::trace::Trace;

/// The models.
pub const NAMES: &[&str] = &["lru", "2q", "arc", "car", "lirs", "s3-fifo", "min"];

/// The model of this name as a cache of `size` pages, or `None` if there is none. `min` looks ahead in the trace.
#[must_use]
pub fn by_name(name: &str, size: u32, trace: &Trace) -> Option<Box<dyn Cache>> {
    let unique = trace.unique;
    Some(match name {
        "lru" => Box::new(lru::Lru::new(size, unique)),
        "2q" => Box::new(two_q::TwoQ::new(size, unique)),
        "arc" => Box::new(arc::Arc::new(size, unique)),
        "car" => Box::new(car::Car::new(size, unique)),
        "lirs" => Box::new(lirs::Lirs::new(size, unique)),
        "s3-fifo" => Box::new(s3_fifo::S3Fifo::new(size, unique)),
        "min" => Box::new(min::Min::new(size, trace)),
        _ => return None,
    })
}
