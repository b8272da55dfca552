// SPDX-License-Identifier: BSD-2-Clause
use ebb_policy::NAMES;
#[test]
fn placeholder() {
    assert_eq!(NAMES.len(), 2);
}
