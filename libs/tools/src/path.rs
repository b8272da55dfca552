// SPDX-License-Identifier: BSD-2-Clause
//! Paths as people write them, and what the last operand of `cp`, `mv` and `ln` means.

use crate::context::{Context, End, text};
use crate::system::{Error, Follow, Kind};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// A name in a directory.
pub fn join(directory: &str, name: &str) -> String {
    if directory.is_empty() || directory.ends_with('/') {
        format!("{directory}{name}")
    } else {
        format!("{directory}/{name}")
    }
}

/// The last component, without slashes behind it; of `/` it is `/`.
pub fn base(path: &str) -> &str {
    let trimmed = trim(path);
    match trimmed.rsplit_once('/') {
        Some((_, "")) | None => trimmed,
        Some((_, name)) => name,
    }
}

/// The directory that a path is in, if it says one.
pub fn parent(path: &str) -> Option<&str> {
    let (directory, _) = trim(path).rsplit_once('/')?;
    Some(if directory.is_empty() { "/" } else { trim(directory) })
}

/// Without slashes at the end.
pub fn trim(path: &str) -> &str {
    let trimmed = path.trim_end_matches('/');
    if trimmed.is_empty() && !path.is_empty() { "/" } else { trimmed }
}

/// How the target is given.
#[derive(Clone, Copy, Default)]
pub struct Target<'a> {
    /// `-t DIRECTORY`.
    pub directory: Option<&'a str>,
    /// `-T`: the last operand is no directory to put things into.
    pub exact: bool,
}

/// Pairs of what is and what shall be. The last operand is the target unless `-t` is given; several operands need a directory.
pub fn pairs<'a>(
    context: &Context<'_>,
    mut operands: Vec<&'a str>,
    target: Target<'a>,
) -> Result<Vec<(&'a str, String)>, End> {
    let directory = match target.directory {
        Some(directory) => Some(directory),
        None => {
            if operands.len() < 2 {
                return Err(End::Usage(match operands.first() {
                    None => "missing file operand".into(),
                    Some(one) => format!("missing destination file operand after '{one}'"),
                }));
            }
            let last = operands.pop().unwrap_or_default();
            let is_directory = match context.system.status(last, Follow::Yes) {
                Ok(stat) => stat.kind == Kind::Directory,
                // A name that ends with a slash can only be a directory's.
                Err(Error::NotFound) => false,
                Err(error) => return Err(End::of(last, error)),
            };
            if !is_directory || target.exact {
                return match operands.as_slice() {
                    [only] => Ok(Vec::from([(*only, last.to_string())])),
                    [..] if target.exact => Err(End::Usage(format!("extra operand '{last}'"))),
                    [..] => Err(End::Trouble(format!("{last}: {}", text(Error::NotDirectory)))),
                };
            }
            Some(last)
        }
    };
    if operands.is_empty() {
        return Err(End::Usage("missing file operand".into()));
    }
    let directory = directory.unwrap_or(".");
    Ok(operands.into_iter().map(|path| (path, join(directory, base(path)))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components() {
        for (path, last, directory) in [
            ("a", "a", None),
            ("a/", "a", None),
            ("/a", "a", Some("/")),
            ("a/b//", "b", Some("a")),
            ("a//b", "b", Some("a")),
            ("/", "/", None),
            ("//", "/", None),
            ("", "", None),
        ] {
            assert_eq!(base(path), last, "{path}");
            assert_eq!(parent(path).filter(|_| path != "/" && path != "//"), directory, "{path}");
        }
        assert_eq!(join("a", "b"), "a/b");
        assert_eq!(join("/", "b"), "/b");
    }
}
