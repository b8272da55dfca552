// SPDX-License-Identifier: BSD-2-Clause
//! Paths. Everything that names a file takes one relative to the working directory; the file system itself knows absolute ones only.

use alloc::string::String;

/// The path as seen from a directory: unchanged if it is absolute.
pub fn join(directory: &str, path: &str) -> String {
    if path.starts_with('/') {
        return String::from(path);
    }
    let mut joined = String::with_capacity(directory.len() + 1 + path.len());
    joined.push_str(directory);
    if !joined.ends_with('/') {
        joined.push('/');
    }
    joined.push_str(path);
    joined
}

/// The path without `.`, `..` and doubled slashes, as it is written: links are not looked at. Absolute paths only go as far up as the root.
pub fn normal(path: &str) -> String {
    let mut parts: alloc::vec::Vec<&str> = alloc::vec::Vec::new();
    let absolute = path.starts_with('/');
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|p| *p != "..") => {
                parts.pop();
            }
            ".." if absolute => {}
            part => parts.push(part),
        }
    }
    let mut out = String::from(if absolute { "/" } else { "" });
    for (n, part) in parts.iter().enumerate() {
        if n > 0 {
            out.push('/');
        }
        out.push_str(part);
    }
    if out.is_empty() { String::from(".") } else { out }
}

/// The last component, as `basename` has it; `/` of the root.
pub fn base(path: &str) -> &str {
    let trimmed = path.trim_end_matches('/');
    if trimmed.is_empty() && path.starts_with('/') {
        "/"
    } else {
        trimmed.rsplit('/').next().unwrap_or(trimmed)
    }
}

/// A path as the file system wants it: absolute.
pub fn absolute(path: &str) -> String {
    join(&crate::env::current_dir(), path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_joined() {
        for (directory, path, joined) in [
            ("/", "a", "/a"),
            ("/data", "a/b", "/data/a/b"),
            ("/data/", "a", "/data/a"),
            ("/x", "/a", "/a"),
            ("/x", "", "/x/"),
        ] {
            assert_eq!(join(directory, path), joined);
        }
    }

    #[test]
    fn paths_are_made_normal() {
        for (path, wanted) in [
            ("/", "/"),
            ("", "."),
            (".", "."),
            ("//a///b/", "/a/b"),
            ("/a/./b/../c", "/a/c"),
            ("/../..", "/"),
            ("a/../..", ".."),
            ("../a", "../a"),
            ("a/..", "."),
        ] {
            assert_eq!(normal(path), wanted, "{path}");
        }
    }

    #[test]
    fn the_last_component() {
        for (path, wanted) in [("/a/b", "b"), ("b", "b"), ("/a/b/", "b"), ("/", "/"), ("", "")] {
            assert_eq!(base(path), wanted, "{path}");
        }
    }
}
