// SPDX-License-Identifier: BSD-2-Clause
//! `stat`: attributes of files.

use crate::context::{Context, End, Outcome, Tool};
use crate::date::Date;
use crate::mode::letters;
use crate::options::{Arg, Options, unknown};
use crate::system::{Follow, Kind, Stat};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// The tool.
pub const TOOL: Tool = Tool {
    name: "stat",
    help: "\
usage: stat [-L] [-c FORMAT] FILE...
Shows the attributes of each FILE.
  -L         follows symbolic links
  -c FORMAT  only this, for each a line: %n name, %N with the target of a link, %s bytes, %b blocks of %B bytes, %F kind,
             %a permissions in octal, %A in letters, %h links, %i inode, %Y time of the last change in seconds, %y in words, %% a percent sign",
    trouble: 1,
    main,
};

fn main(context: &mut Context<'_>, args: &[&str]) -> Outcome {
    let (mut follow, mut format) = (Follow::No, None);
    let mut operands = Vec::new();
    let mut options = Options::new(args);
    while let Some(arg) = options.argument()? {
        match arg {
            Arg::Short('L') | Arg::Long("dereference") => follow = Follow::Yes,
            Arg::Short('c') | Arg::Long("format") => format = Some(options.value()?),
            Arg::Positional(path) => operands.push(path),
            other => return Err(unknown(other)),
        }
    }
    if operands.is_empty() {
        return Err(End::Usage("missing operand".into()));
    }
    for path in operands {
        let stat = context.system.status(path, follow);
        let Some(stat) = context.ok(path, stat) else { continue };
        let link = if stat.kind == Kind::Link { context.system.read_link(path).ok() } else { None };
        match format {
            Some(format) => {
                let line = formatted(format, path, &stat, link.as_deref());
                writeln!(context.out, "{line}")?;
            }
            None => {
                let arrow = link.map_or(String::new(), |target| format!(" -> {target}"));
                writeln!(context.out, "  File: {path}{arrow}")?;
                writeln!(
                    context.out,
                    "  Size: {:<10}\tBlocks: {:<10} {}\nInode: {:<11} Links: {}\nAccess: ({:04o}/{})\nModify: {}",
                    stat.size,
                    stat.blocks,
                    kind(&stat),
                    stat.inode,
                    stat.links,
                    stat.mode,
                    letters(stat.kind, stat.mode),
                    Date::of_us(stat.modified_us),
                )?;
            }
        }
    }
    Ok(())
}

fn kind(stat: &Stat) -> &'static str {
    match stat.kind {
        Kind::File if stat.size == 0 => "regular empty file",
        Kind::File => "regular file",
        Kind::Directory => "directory",
        Kind::Link => "symbolic link",
        Kind::Other => "special file",
    }
}

fn formatted(format: &str, path: &str, stat: &Stat, link: Option<&str>) -> String {
    let mut out = String::new();
    let mut characters = format.chars();
    while let Some(character) = characters.next() {
        if character != '%' {
            out.push(character);
            continue;
        }
        match characters.next() {
            Some('n') => out.push_str(path),
            Some('N') => {
                out.push_str(&format!("'{path}'"));
                link.iter().for_each(|target| out.push_str(&format!(" -> '{target}'")));
            }
            Some('s') => out.push_str(&stat.size.to_string()),
            Some('b') => out.push_str(&stat.blocks.to_string()),
            Some('B') => out.push_str("512"),
            Some('F') => out.push_str(kind(stat)),
            Some('a') => out.push_str(&format!("{:o}", stat.mode)),
            Some('A') => out.push_str(&letters(stat.kind, stat.mode)),
            Some('h') => out.push_str(&stat.links.to_string()),
            Some('i') => out.push_str(&stat.inode.to_string()),
            Some('Y') => out.push_str(&(stat.modified_us / 1_000_000).to_string()),
            Some('y') => out.push_str(&Date::of_us(stat.modified_us).to_string()),
            Some('%') | None => out.push('%'),
            Some(_) => out.push('?'),
        }
    }
    out
}
