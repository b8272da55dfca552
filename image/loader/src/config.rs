// SPDX-License-Identifier: BSD-2-Clause
//! `limine.conf`: the subset of Limine's configuration that Ebb's image uses. What Limine knows and this does not is
//! either without effect here (menu options) or refused with its line number, never guessed.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// A file to load and the string that its user knows it by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// Path on the boot volume, absolute, with `/`.
    pub path: String,
    /// The module's string; empty when the configuration names none.
    pub string: String,
}

/// The entry that is booted: the first one of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// The entry's name.
    pub name: String,
    /// Path of the kernel on the boot volume; empty when the entry names none.
    pub path: String,
    /// The kernel's command line.
    pub cmdline: String,
    /// Modules, in the order of the file.
    pub modules: Vec<Module>,
}

impl Entry {
    /// Whether a word of the command line is exactly `word`.
    #[must_use]
    pub fn has(&self, word: &str) -> bool {
        self.cmdline.split_ascii_whitespace().any(|w| w == word)
    }

    /// The number that the command line's last word `key=` has.
    #[must_use]
    pub fn number(&self, key: &str) -> Option<u64> {
        let value = |w: &str| w.strip_prefix(key)?.strip_prefix('=')?.parse().ok();
        self.cmdline.split_ascii_whitespace().rev().find_map(value)
    }
}

/// Reads the first entry of a configuration.
///
/// # Errors
/// One line that says what is wrong and where: a line that is no option, a path that is not on the boot volume, a
/// protocol other than `limine`, or no entry at all.
pub fn parse(text: &str) -> Result<Entry, String> {
    let mut entry: Option<Entry> = None;
    for (number, line) in text.lines().enumerate().map(|(i, l)| (i + 1, l.trim())) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line.strip_prefix('/') {
            if entry.is_some() {
                break; // only the first entry is ever booted
            }
            entry = Some(Entry {
                name: name.trim_start_matches(['/', '+']).trim().to_string(),
                ..Entry::default()
            });
            continue;
        }
        let (key, value) = line
            .split_once(':')
            .ok_or_else(|| format!("limine.conf:{number}: neither '/entry' nor 'option: value'"))?;
        let value = value.trim();
        let Some(entry) = entry.as_mut() else {
            continue; // global options steer the menu, which this loader does not have
        };
        option(entry, &key.trim().to_ascii_lowercase(), value)
            .map_err(|e| format!("limine.conf:{number}: {e}"))?;
    }
    entry.ok_or_else(|| "limine.conf: no '/entry' in it".to_string())
}

fn option(entry: &mut Entry, key: &str, value: &str) -> Result<(), String> {
    match key {
        "protocol" if value.eq_ignore_ascii_case("limine") => {}
        "protocol" => return Err(format!("protocol '{value}' is not served, only 'limine'")),
        "path" | "kernel_path" => entry.path = boot_path(value)?,
        "cmdline" | "kernel_cmdline" => entry.cmdline = value.to_string(),
        "module_path" => entry.modules.push(Module { path: boot_path(value)?, string: String::new() }),
        "module_cmdline" | "module_string" => {
            let module =
                entry.modules.last_mut().ok_or_else(|| format!("'{key}' before any 'module_path'"))?;
            module.string = value.to_string();
        }
        "comment" | "resolution" | "textmode" | "kaslr" => {}
        _ => return Err(format!("option '{key}' is not served")),
    }
    Ok(())
}

/// `boot():/path` names a file of the volume that the loader came from; nothing else is served.
fn boot_path(value: &str) -> Result<String, String> {
    let path =
        value.strip_prefix("boot():").ok_or_else(|| format!("'{value}' does not begin with 'boot():'"))?;
    if !path.starts_with('/') || path.contains(['#', '$']) {
        return Err(format!("'{value}' is not 'boot():/' and a plain path (no hash, no macro)"));
    }
    Ok(path.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "# Ebb\ntimeout: 0\nserial: yes\n\n/Ebb\n    protocol: limine\n    path: boot():/boot/kernel\n    \
                        cmdline: mem=67108864 log=com2 exit=qemu\n    module_path: boot():/boot/init\n    \
                        MODULE_CMDLINE: init\n    module_path: boot():/boot/vm\n    module_string: vm\n/Other\n  \
                        path: hdd(1):/x\n";

    #[test]
    fn reads_the_first_entry() {
        let e = parse(GOOD).unwrap();
        assert_eq!(e.name, "Ebb");
        assert_eq!(e.path, "/boot/kernel");
        assert!(e.has("exit=qemu") && !e.has("exit"));
        assert_eq!((e.number("mem"), e.number("exit"), e.number("align")), (Some(67_108_864), None, None));
        assert_eq!(
            e.modules,
            [
                Module { path: "/boot/init".into(), string: "init".into() },
                Module { path: "/boot/vm".into(), string: "vm".into() }
            ]
        );
    }

    #[test]
    fn a_cmdline_keeps_its_colons() {
        assert_eq!(parse("/x\ncmdline: a:b c: d").unwrap().cmdline, "a:b c: d");
    }

    #[test]
    fn says_the_line_of_what_it_cannot_serve() {
        for (text, part) in [
            ("", "no '/entry'"),
            ("/x\nnonsense", "limine.conf:2:"),
            ("/x\nprotocol: linux", "'linux'"),
            ("/x\npath: hdd(1:1):/k", "boot():"),
            ("/x\npath: boot():/k#abcd", "no hash"),
            ("/x\nmodule_string: a", "before any"),
            ("/x\n\nsurprise: 1", "limine.conf:3: option 'surprise'"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(part), "{text:?} gave {error:?}");
        }
    }
}
