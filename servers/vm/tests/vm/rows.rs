// SPDX-License-Identifier: BSD-2-Clause
//! Every test that the table of requirements names is there, and every row it names is one of the specification's.

#[test]
fn the_table_of_requirements_names_tests_that_exist() {
    let tests = [
        include_str!("death.rs"),
        include_str!("deciding.rs"),
        include_str!("filing.rs"),
        include_str!("forking.rs"),
        include_str!("limiting.rs"),
        include_str!("mapping.rs"),
        include_str!("memory.rs"),
        include_str!("patching.rs"),
        include_str!("random.rs"),
        include_str!("random_files/mod.rs"),
        include_str!("swapping.rs"),
        include_str!("syncing.rs"),
        include_str!("trimming.rs"),
        include_str!("vnode_death.rs"),
        include_str!("writing.rs"),
    ];
    let rows = include_str!("../../src/rows.md")
        .lines()
        .filter(|l| ["| PGO", "| SWP", "| PRS"].iter().any(|s| l.starts_with(s)));
    let mut named = 0;
    for row in rows {
        let proven_by = row.split('|').nth(2).expect("a second column");
        for name in proven_by.split('`').skip(1).step_by(2) {
            named += 1;
            let function = format!("#[test]\nfn {name}()");
            assert!(tests.iter().any(|t| t.contains(&function)), "no test is called {name}");
        }
    }
    assert!(named > 20);
    // And a test that bears the number of a row is in the table.
    for line in
        tests.iter().flat_map(|t| t.lines()).filter(|l| l.starts_with("fn pgo_") || l.starts_with("fn prs_"))
    {
        let name = line.trim_start_matches("fn ").split('(').next().expect("a name");
        assert!(include_str!("../../src/rows.md").contains(name), "{name} is not in the table");
    }
}
