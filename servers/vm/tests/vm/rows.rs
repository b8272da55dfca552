// SPDX-License-Identifier: BSD-2-Clause
//! Every test that the table of requirements names is there, and every test that bears the number of a row is in the table.

use ebb_rows::{Sources, wrong};
use std::path::Path;

#[test]
fn the_table_of_requirements_names_tests_that_exist() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let all = Sources::under(&here.join("../..")).expect("the sources can be read");
    let own = Sources::under(&here.join("tests")).expect("the tests can be read");
    assert!(own.tests().count() > 150);
    let wrong = wrong(include_str!("../../src/rows.md"), &all, &own);
    assert!(wrong.is_empty(), "{wrong:#?}");
}
