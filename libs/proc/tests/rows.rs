// SPDX-License-Identifier: BSD-2-Clause
//! Every test that the table of requirements names is there, and every test that bears the number of a row is in the table.

#[test]
fn the_table_of_requirements_names_tests_that_exist() {
    let tests = [include_str!("processes.rs"), include_str!("model.rs")];
    let in_the_machine = include_str!("../../../user/launch-test/src/main.rs");
    let table = include_str!("../src/rows.md");
    let mut named = 0;
    for row in table.lines().filter(|l| l.starts_with("| PRS")) {
        let proven_by = row.split('|').nth(2).expect("a second column");
        for name in proven_by.split('"').skip(1).step_by(2) {
            named += 1;
            assert!(in_the_machine.contains(&format!("(\"{name}\", ")), "no case is called {name}");
        }
        for name in proven_by.split('`').skip(1).step_by(2) {
            named += 1;
            assert!(tests.iter().any(|t| t.contains(&format!("fn {name}("))), "no test is called {name}");
        }
    }
    assert!(named >= 5);
    for line in tests.iter().flat_map(|t| t.lines()).filter(|l| l.trim_start().starts_with("fn prs_")) {
        let name = line.trim_start().trim_start_matches("fn ").split('(').next().expect("a name");
        assert!(table.contains(name), "{name} is not in the table");
    }
}
