// SPDX-License-Identifier: BSD-2-Clause
//! The commands that the texts for people tell them to type: they are tried as they stand there.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::compile::Built;
use crate::run::Folder;

/// Where it is told how to write a program.
const PROGRAMS: &str = "docs/programs.md";

/// A person writes a program, builds it, runs it on a file and looks at the answer.
///
/// # Errors
/// A command that failed, or an answer that is not the one in the text.
pub fn programs(_: &Built) -> Result<()> {
    let text = fs::read_to_string(crate::root().join(PROGRAMS)).context(PROGRAMS)?;
    let folder = Folder::new(false)?;
    let here = folder.path().join("ebb");
    fs::create_dir(&here)?;
    let script = blocks(&text).concat();
    let done = Command::new("sh")
        .args(["-e", "-c", &as_it_runs_here(&script)])
        .env("XTASK", std::env::current_exe()?)
        // What the workspace has built already need not be built again.
        .env("CARGO_TARGET_DIR", crate::target_dir())
        .current_dir(&here)
        .output()
        .context("sh does not start")?;
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    let all = || format!("{PROGRAMS}: {}\n{said}{}", done.status, String::from_utf8_lossy(&done.stderr));
    ensure!(done.status.success(), all());
    // What the last command prints stands behind it.
    let promised = script.trim_end().rsplit_once("# ").map(|(_, answer)| answer).context("no answer")?;
    ensure!(said.lines().last() == Some(promised), "{promised:?} is promised\n{}", all());
    Ok(())
}

/// The commands between "```sh" and "```", a text for each block.
fn blocks(text: &str) -> Vec<String> {
    let mut blocks: Vec<String> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        match (line.trim(), inside) {
            ("```sh", false) => {
                inside = true;
                blocks.push(String::new());
            }
            ("```", true) => inside = false,
            (_, true) => {
                if let Some(block) = blocks.last_mut() {
                    block.push_str(line);
                    block.push('\n');
                }
            }
            _ => {}
        }
    }
    blocks
}

/// The script, with this program in the place of the one that Cargo would build and start.
fn as_it_runs_here(script: &str) -> String {
    script.replace("cargo xtask", "\"$XTASK\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Cli;
    use clap::Parser;

    /// Words of a shell's line: quotes hold them together, a comment ends them.
    fn words(line: &str) -> Vec<String> {
        let mut words: Vec<String> = Vec::new();
        let (mut word, mut quote, mut any) = (String::new(), None, false);
        for c in line.chars() {
            match (c, quote) {
                ('\'' | '"', None) => (quote, any) = (Some(c), true),
                (c, Some(q)) if c == q => quote = None,
                ('#', None) if !any => break,
                (' ', None) => {
                    if any {
                        words.push(std::mem::take(&mut word));
                    }
                    any = false;
                }
                (c, _) => {
                    word.push(c);
                    any = true;
                }
            }
        }
        if any {
            words.push(word);
        }
        words
    }

    #[test]
    fn every_command_in_the_texts_can_be_typed() {
        let mut files = vec![crate::root().join("README.md")];
        files.extend(fs::read_dir(crate::root().join("docs")).unwrap().map(|f| f.unwrap().path()));
        let mut tried = 0;
        for file in &files {
            let text = fs::read_to_string(file).unwrap();
            for line in text.lines().filter_map(|l| l.trim().strip_prefix("cargo xtask ")) {
                let words = words(line);
                // "..." stands for what one likes.
                let typed = words.iter().map(String::as_str).filter(|w| *w != "...");
                if let Err(error) = Cli::try_parse_from(std::iter::once("xtask").chain(typed))
                    && error.use_stderr()
                {
                    panic!("{}: cargo xtask {line}\n{error}", file.display());
                }
                tried += 1;
            }
        }
        assert!(tried >= 10, "only {tried} commands were found");
    }

    #[test]
    fn commands_are_found_in_their_blocks() {
        assert_eq!(blocks("a\n```sh\nb\nc\n```\nd\n```\ne\n```\n```sh\nf\n```\n"), ["b\nc\n", "f\n"]);
        assert_eq!(words("a 'b c'  \"d#\" '' # e"), ["a", "b c", "d#", ""]);
        assert_eq!(as_it_runs_here("cargo xtask run"), "\"$XTASK\" run");
        assert!(crate::root().join(PROGRAMS).is_file());
    }
}
