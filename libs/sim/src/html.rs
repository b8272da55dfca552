// SPDX-License-Identifier: BSD-2-Clause
//! A report in one file.

use crate::run::Point;

/// The report.
#[must_use]
pub fn page(points: &[Point]) -> String {
    crate::report::table(points)
}
