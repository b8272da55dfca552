// SPDX-License-Identifier: BSD-2-Clause
//! `cp`: copies files and directories.

use crate::ask::ask;
use crate::context::{Context, Outcome, Tool, text};
use crate::lines::block;
use crate::options::{Arg, Options, unknown};
use crate::output::write_all;
use crate::path::{Target, join, pairs, parent};
use crate::system::{Access, Error, File, Follow, Kind, Stat};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

/// The tool.
pub const TOOL: Tool = Tool {
    name: "cp",
    help: "\
usage: cp [-rpfinuvadHLPT] SOURCE TARGET
       cp [OPTION...] SOURCE... DIRECTORY   (or -t DIRECTORY SOURCE...)
Copies SOURCE to TARGET, or each SOURCE into DIRECTORY.
  -r, -R  directories with all that is in them
  -p      permissions and time of change as well     -a  as -rdp
  -f      a target that cannot be opened is removed first
  -i      asks before it overwrites    -n  overwrites nothing    -u  only what is newer or missing
  -L      follows symbolic links       -P, -d  copies them       -H  follows those among the operands
  -T      TARGET is not a directory to copy into                 -v  says what it does",
    trouble: 1,
    main,
};

#[derive(Default)]
struct How {
    recursive: bool,
    preserve: bool,
    force: bool,
    interactive: bool,
    no_clobber: bool,
    update: bool,
    verbose: bool,
    /// Symbolic links: among the operands, below them; `None`: as is usual.
    links: Option<(Follow, Follow)>,
}

fn main(context: &mut Context<'_>, args: &[&str]) -> Outcome {
    let mut how = How::default();
    let mut target = Target::default();
    let mut operands = Vec::new();
    let mut options = Options::new(args);
    while let Some(arg) = options.argument()? {
        match arg {
            Arg::Short('r' | 'R') | Arg::Long("recursive") => how.recursive = true,
            Arg::Short('p') | Arg::Long("preserve") => how.preserve = true,
            Arg::Short('a') | Arg::Long("archive") => {
                (how.recursive, how.preserve, how.links) = (true, true, Some((Follow::No, Follow::No)));
            }
            Arg::Short('f') | Arg::Long("force") => how.force = true,
            Arg::Short('i') | Arg::Long("interactive") => (how.interactive, how.no_clobber) = (true, false),
            Arg::Short('n') | Arg::Long("no-clobber") => (how.no_clobber, how.interactive) = (true, false),
            Arg::Short('u') | Arg::Long("update") => how.update = true,
            Arg::Short('v') | Arg::Long("verbose") => how.verbose = true,
            Arg::Short('L') | Arg::Long("dereference") => how.links = Some((Follow::Yes, Follow::Yes)),
            Arg::Short('P' | 'd') | Arg::Long("no-dereference") => how.links = Some((Follow::No, Follow::No)),
            Arg::Short('H') => how.links = Some((Follow::Yes, Follow::No)),
            Arg::Short('T') | Arg::Long("no-target-directory") => target.exact = true,
            Arg::Short('t') | Arg::Long("target-directory") => target.directory = Some(options.value()?),
            Arg::Positional(path) => operands.push(path),
            other => return Err(unknown(other)),
        }
    }
    let pairs = pairs(context, operands, target)?;
    // Without -r the links themselves are of no use.
    let usual = if how.recursive { Follow::No } else { Follow::Yes };
    let (top, below) = how.links.unwrap_or((usual, usual));
    let mut copier = Copier { how, below, buffer: block() };
    for (from, to) in pairs {
        copier.copy(context, from, &to, top, None)?;
    }
    Ok(())
}

struct Copier {
    how: How,
    /// For links found in directories.
    below: Follow,
    buffer: Vec<u8>,
}

impl Copier {
    /// Copies whatever `from` is. `root`: the directory that was made first, which must not be copied into itself.
    fn copy(
        &mut self,
        context: &mut Context<'_>,
        from: &str,
        to: &str,
        follow: Follow,
        root: Option<u32>,
    ) -> Outcome {
        let source = context.system.status(from, follow);
        let Some(source) = context.ok(from, source) else { return Ok(()) };
        let target = match context.system.status(to, Follow::Yes) {
            Ok(stat) => Some(stat),
            Err(Error::NotFound) => None,
            Err(error) => {
                context.fail(to, error);
                return Ok(());
            }
        };
        if source.kind == Kind::Directory {
            return self.copy_directory(context, (from, &source), (to, target), root);
        }
        if let Some(target) = target {
            if target.inode == source.inode {
                context.complain(format_args!("'{from}' and '{to}' are the same file"));
                return Ok(());
            }
            if target.kind == Kind::Directory {
                context.complain(format_args!("{to}: cannot overwrite a directory with something else"));
                return Ok(());
            }
            let newer = target.modified_us >= source.modified_us;
            if self.how.no_clobber
                || self.how.update && newer
                || self.how.interactive && !ask(context, &format!("overwrite '{to}'"))
            {
                return Ok(());
            }
        }
        let done = match source.kind {
            Kind::Link => self.copy_link(context, from, to),
            Kind::File => self.copy_file(context, from, to, &source),
            _ => {
                context.complain(format_args!("{from}: neither a file nor a directory"));
                false
            }
        };
        if done {
            if self.how.preserve && source.kind == Kind::File {
                preserve(context, to, &source);
            }
            self.say(context, from, to)?;
        }
        Ok(())
    }

    fn say(&self, context: &mut Context<'_>, from: &str, to: &str) -> Outcome {
        if self.how.verbose { writeln!(context.out, "'{from}' -> '{to}'") } else { Ok(()) }
    }

    fn copy_link(&self, context: &mut Context<'_>, from: &str, to: &str) -> bool {
        let target = context.system.read_link(from);
        let Some(target) = context.ok(from, target) else { return false };
        let mut made = context.system.make_link(&target, to);
        if made == Err(Error::Exists) {
            made = context.system.remove(to).and_then(|()| context.system.make_link(&target, to));
        }
        context.ok(to, made).is_some()
    }

    fn copy_file(&mut self, context: &mut Context<'_>, from: &str, to: &str, source: &Stat) -> bool {
        let input = context.system.open(from, Access::READ, 0);
        let Some(mut input) = context.ok(from, input) else { return false };
        let mode = source.mode & 0o777;
        let mut output = context.system.open(to, Access::ANEW, mode);
        if self.how.force && matches!(output, Err(Error::Access | Error::NotPermitted)) {
            output = context.system.remove(to).and_then(|()| context.system.open(to, Access::ANEW, mode));
        }
        let Some(output) = context.ok(to, output) else { return false };
        match self.contents(input.as_mut(), output) {
            Ok(()) => true,
            Err(Side::Source(error)) => {
                context.complain(format_args!("error reading '{from}': {}", text(error)));
                false
            }
            Err(Side::Target(error)) => {
                context.complain(format_args!("error writing '{to}': {}", text(error)));
                false
            }
        }
    }

    fn contents(&mut self, input: &mut dyn File, mut output: Box<dyn File>) -> Result<(), Side> {
        loop {
            let n = input.read(&mut self.buffer).map_err(Side::Source)?.min(self.buffer.len());
            if n == 0 {
                break;
            }
            write_all(output.as_mut(), &self.buffer[..n]).map_err(Side::Target)?;
        }
        output.close().map_err(Side::Target)
    }

    fn copy_directory(
        &mut self,
        context: &mut Context<'_>,
        (from, source): (&str, &Stat),
        (to, target): (&str, Option<Stat>),
        root: Option<u32>,
    ) -> Outcome {
        if !self.how.recursive {
            context.complain(format_args!("-r not specified; omitting directory '{from}'"));
            return Ok(());
        }
        if root == Some(source.inode)
            || root.is_none() && is_below(context, to, source.inode)
            || target.is_some_and(|t| t.inode == source.inode)
        {
            context.complain(format_args!("cannot copy a directory, '{from}', into itself, '{to}'"));
            return Ok(());
        }
        match target {
            Some(target) if target.kind != Kind::Directory => {
                context.complain(format_args!("{to}: cannot overwrite a file with the directory '{from}'"));
                return Ok(());
            }
            Some(_) => {}
            None => {
                // Its contents must be put into it even if its owner may not write it.
                let made = context.system.make_directory(to, source.mode & 0o777 | 0o700);
                if context.ok(to, made).is_none() {
                    return Ok(());
                }
                self.say(context, from, to)?;
            }
        }
        let root = match root {
            Some(root) => Some(root),
            None => context.system.status(to, Follow::Yes).ok().map(|s| s.inode),
        };
        let entries = context.system.list(from);
        for entry in context.ok(from, entries).unwrap_or_default() {
            self.copy(context, &join(from, &entry.name), &join(to, &entry.name), self.below, root)?;
        }
        if self.how.preserve {
            preserve(context, to, source);
        } else if target.is_none() && source.mode & 0o700 != 0o700 {
            let set = context.system.set_mode(to, source.mode & 0o777);
            context.ok(to, set);
        }
        Ok(())
    }
}

/// Whether a name lies in this directory or in one below it.
fn is_below(context: &Context<'_>, path: &str, directory: u32) -> bool {
    let mut at = parent(path).unwrap_or(".").to_string();
    let mut last = None;
    // Up to the root, which is its own parent.
    while let Ok(stat) = context.system.status(&at, Follow::Yes)
        && last != Some(stat.inode)
    {
        if stat.inode == directory {
            return true;
        }
        last = Some(stat.inode);
        at = join(&at, "..");
    }
    false
}

/// Which side failed.
enum Side {
    Source(Error),
    Target(Error),
}

fn preserve(context: &mut Context<'_>, path: &str, source: &Stat) {
    let set = context
        .system
        .set_mode(path, source.mode)
        .and_then(|()| context.system.set_modified(path, source.modified_us));
    context.ok(path, set);
}
