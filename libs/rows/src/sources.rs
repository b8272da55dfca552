// SPDX-License-Identifier: BSD-2-Clause
//! Tests and cases in source files.

use std::collections::BTreeSet;
use std::path::Path;
use std::{fs, io};

/// The tests and the machine's cases of some source files.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    tests: BTreeSet<String>,
    cases: BTreeSet<String>,
}

impl Sources {
    /// All that lie under a folder, but for what is built there.
    ///
    /// # Errors
    /// A folder or a file that cannot be read.
    pub fn under(folder: &Path) -> io::Result<Sources> {
        let mut sources = Sources::default();
        sources.walk(folder)?;
        Ok(sources)
    }

    fn walk(&mut self, folder: &Path) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                let built = path.join("CACHEDIR.TAG").exists();
                let hidden = path.file_name().is_some_and(|n| n.as_encoded_bytes().starts_with(b"."));
                if !built && !hidden {
                    self.walk(&path)?;
                }
            } else if path.extension().is_some_and(|e| e == "rs") {
                self.read(&fs::read_to_string(&path)?);
            }
        }
        Ok(())
    }

    /// Adds what a source file has.
    pub fn read(&mut self, text: &str) {
        let mut lines = text.lines().map(str::trim).peekable();
        while let Some(line) = lines.next() {
            if line == "#[test]" {
                let function = lines.find(|l| !l.starts_with("#["));
                let name = function.and_then(|l| l.strip_prefix("fn ")?.split('(').next());
                self.tests.extend(name.map(str::to_owned));
            }
            self.cases.extend(case(line).map(str::to_owned));
        }
    }

    /// Whether there is a test on the host with this name.
    #[must_use]
    pub fn has_test(&self, name: &str) -> bool {
        self.tests.contains(name)
    }

    /// Whether there is a case in the machine with this name.
    #[must_use]
    pub fn has_case(&self, name: &str) -> bool {
        self.cases.contains(name)
    }

    /// The tests on the host.
    pub fn tests(&self) -> impl Iterator<Item = &str> {
        self.tests.iter().map(String::as_str)
    }
}

/// The name of the case that a line lists: a name and a function in parentheses, or a field `name`.
fn case(line: &str) -> Option<&str> {
    let listed = line.strip_prefix("(\"").and_then(|l| l.split_once("\", "));
    let listed = listed.filter(|(_, function)| function.ends_with("),") || function.ends_with(")];"));
    let field = || line.split_once("name: \"").and_then(|(_, l)| l.split_once("\","));
    let alone = || line.strip_prefix("&[(\"").and_then(|l| l.split_once("\", "));
    listed.or_else(alone).or_else(field).map(|(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_and_cases_are_found_and_nothing_else() {
        let mut sources = Sources::default();
        sources.read("#[test]\nfn one() {}\nfn two() {}\n    #[test]\n    #[ignore]\n    fn three(\n");
        sources.read("    (\"a case\", module::function),\n    Case { name: \"limit\", ..CASE },\n    name: \"other\",\nsay(\"no\", 1);");
        assert_eq!(sources.tests().collect::<Vec<_>>(), ["one", "three"]);
        for (name, is) in [("a case", true), ("limit", true), ("other", true), ("no", false), ("one", false)]
        {
            assert_eq!(sources.has_case(name), is, "{name}");
        }
    }
}
