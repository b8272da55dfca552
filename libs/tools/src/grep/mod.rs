// SPDX-License-Identifier: BSD-2-Clause
//! `grep`: lines that match a pattern.

mod matcher;
mod pattern;
mod search;

use crate::context::{Context, End, Outcome, Tool, text};
use crate::lines::Lines;
use crate::number::digits;
use crate::options::{Arg, Options, unknown};
use crate::path::{base, join};
use crate::system::{Access, Error, Follow, Kind};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use matcher::{Extent, Matcher};
use pattern::Syntax;
use search::{Found, Search};

/// The tool.
pub const TOOL: Tool = Tool {
    name: "grep",
    help: "\
usage: grep [OPTION...] PATTERN [FILE...]
       grep [OPTION...] -e PATTERN... -f FILE... [FILE...]
Writes the lines that match any PATTERN. No FILE, or -: standard input (with -r: this directory).
  -E  extended regular expressions   -G  basic ones (as usual)   -F  the text itself
  -e PATTERN  may be given often     -f FILE  patterns, one a line
  -i  small and capital letters are equal    -w  whole words    -x  whole lines    -v  lines that do not match
  -c  how many   -l  names of files with matches   -L  without   -q  nothing: only the status counts
  -o  only what matches   -n  with line numbers   -b  with byte offsets   -H  with names   -h  without
  -m N  at most N lines of a file   -A N, -B N, -C N, -N  so many lines after, before, around
  -r  directories with all that is in them (-R: following links)   --include GLOB, --exclude GLOB  only, not such names
  -s  nothing of files that cannot be read   -a  binary files are text   -z  lines end with a zero byte
Status: 0 if a line was found, 1 if not, 2 trouble.",
    trouble: 2,
    main,
};

/// What is written of a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Show {
    Lines,
    Matches,
    Count,
    Names,
    NamesWithout,
    Nothing,
}

struct How<'a> {
    syntax: Syntax,
    extent: Extent,
    fold: bool,
    invert: bool,
    show: Show,
    numbers: bool,
    offsets: bool,
    names: Option<bool>,
    most: u64,
    before: u64,
    after: u64,
    recursive: Option<Follow>,
    silent: bool,
    text: bool,
    zero: bool,
    include: Vec<&'a str>,
    exclude: Vec<&'a str>,
}

const NOT_FOUND: u8 = 1;

fn main(context: &mut Context<'_>, args: &[&str]) -> Outcome {
    let mut how = How {
        syntax: Syntax::Basic,
        extent: Extent::Part,
        fold: false,
        invert: false,
        show: Show::Lines,
        numbers: false,
        offsets: false,
        names: None,
        most: u64::MAX,
        before: 0,
        after: 0,
        recursive: None,
        silent: false,
        text: false,
        zero: false,
        include: Vec::new(),
        exclude: Vec::new(),
    };
    let mut patterns: Option<Vec<Vec<u8>>> = None;
    let mut operands = Vec::new();
    let mut context_lines = String::new();
    let mut options = Options::new(args);
    while let Some(arg) = options.argument()? {
        match arg {
            Arg::Short('e') | Arg::Long("regexp") => add(&mut patterns, options.value()?.as_bytes()),
            Arg::Short('f') | Arg::Long("file") => {
                let path = options.value()?;
                let bytes = read_patterns(context, path).map_err(|error| End::of(path, error))?;
                // A file without a line has no pattern, not an empty one.
                patterns.get_or_insert_default();
                if !bytes.is_empty() {
                    add(&mut patterns, bytes.strip_suffix(b"\n").unwrap_or(&bytes));
                }
            }
            Arg::Short(digit @ '0'..='9') => {
                context_lines.push(digit);
                let n = number(&context_lines)?;
                (how.before, how.after) = (n, n);
            }
            Arg::Short('A') | Arg::Long("after-context") => how.after = number(options.value()?)?,
            Arg::Short('B') | Arg::Long("before-context") => how.before = number(options.value()?)?,
            Arg::Short('C') | Arg::Long("context") => {
                let n = number(options.value()?)?;
                (how.before, how.after) = (n, n);
            }
            Arg::Short('m') | Arg::Long("max-count") => how.most = number(options.value()?)?,
            Arg::Long("include") => how.include.push(options.value()?),
            Arg::Long("exclude") => how.exclude.push(options.value()?),
            Arg::Long("color" | "colour") => _ = options.attached(),
            Arg::Positional(operand) => operands.push(operand),
            other => flag(&mut how, other)?,
        }
    }
    let mut operands = operands.as_slice();
    let Some(patterns) = patterns.or_else(|| {
        let (first, rest) = operands.split_first()?;
        operands = rest;
        Some(first.as_bytes().split(|b| *b == b'\n').map(<[u8]>::to_vec).collect())
    }) else {
        return Err(End::Usage("a pattern is needed".into()));
    };
    let patterns: Vec<&[u8]> = patterns.iter().map(Vec::as_slice).collect();
    let matcher = Matcher::new(&patterns, how.syntax, how.fold, how.extent, how.show == Show::Matches)
        .map_err(End::Trouble)?;
    let mut work = Work {
        named: how.names.unwrap_or(operands.len() > 1 || how.recursive.is_some()),
        search: Search::new(matcher),
        how,
        found: false,
    };
    for operand in operands {
        work.operand(context, operand)?;
    }
    if operands.is_empty() {
        match work.how.recursive {
            Some(_) => work.directory(context, "")?,
            None => work.operand(context, "-")?,
        }
    }
    if work.found && work.how.show == Show::Nothing {
        // Also if some file could not be read.
        return Err(End::Status(0));
    }
    if !work.found {
        context.raise(NOT_FOUND);
    }
    Ok(())
}

/// Options that only switch something.
fn flag(how: &mut How<'_>, arg: Arg<'_>) -> Outcome {
    match arg {
        Arg::Short('E') | Arg::Long("extended-regexp") => how.syntax = Syntax::Extended,
        Arg::Short('F') | Arg::Long("fixed-strings") => how.syntax = Syntax::Fixed,
        Arg::Short('G') | Arg::Long("basic-regexp") => how.syntax = Syntax::Basic,
        Arg::Short('i' | 'y') | Arg::Long("ignore-case") => how.fold = true,
        Arg::Short('w') | Arg::Long("word-regexp") if how.extent == Extent::Line => {}
        Arg::Short('w') | Arg::Long("word-regexp") => how.extent = Extent::Words,
        Arg::Short('x') | Arg::Long("line-regexp") => how.extent = Extent::Line,
        Arg::Short('v') | Arg::Long("invert-match") => how.invert = true,
        Arg::Short('q') | Arg::Long("quiet" | "silent") => how.show = Show::Nothing,
        Arg::Short('c') | Arg::Long("count") => prefer(&mut how.show, Show::Count),
        Arg::Short('l') | Arg::Long("files-with-matches") => prefer(&mut how.show, Show::Names),
        Arg::Short('L') | Arg::Long("files-without-match") => prefer(&mut how.show, Show::NamesWithout),
        Arg::Short('o') | Arg::Long("only-matching") => prefer(&mut how.show, Show::Matches),
        Arg::Short('n') | Arg::Long("line-number") => how.numbers = true,
        Arg::Short('b') | Arg::Long("byte-offset") => how.offsets = true,
        Arg::Short('H') | Arg::Long("with-filename") => how.names = Some(true),
        Arg::Short('h') | Arg::Long("no-filename") => how.names = Some(false),
        Arg::Short('r') | Arg::Long("recursive") => how.recursive = Some(Follow::No),
        Arg::Short('R') | Arg::Long("dereference-recursive") => how.recursive = Some(Follow::Yes),
        Arg::Short('s') | Arg::Long("no-messages") => how.silent = true,
        Arg::Short('a') | Arg::Long("text") => how.text = true,
        Arg::Short('z') | Arg::Long("null-data") => how.zero = true,
        Arg::Short('U') | Arg::Long("binary" | "line-buffered") => {}
        other => return Err(unknown(other)),
    }
    Ok(())
}

/// Names win over counts, counts over matches, silence over all.
fn prefer(show: &mut Show, new: Show) {
    let rank = |show: Show| match show {
        Show::Lines => 0,
        Show::Matches => 1,
        Show::Count => 2,
        Show::Names | Show::NamesWithout => 3,
        Show::Nothing => 4,
    };
    if rank(new) >= rank(*show) {
        *show = new;
    }
}

fn number(text: &str) -> Result<u64, End> {
    digits(text).ok_or_else(|| End::Trouble(format!("{text}: invalid context length or count")))
}

/// Each line is a pattern.
fn add(patterns: &mut Option<Vec<Vec<u8>>>, more: &[u8]) {
    patterns.get_or_insert_default().extend(more.split(|b| *b == b'\n').map(<[u8]>::to_vec));
}

fn read_patterns(context: &Context<'_>, path: &str) -> Result<Vec<u8>, Error> {
    let file =
        if path == "-" { context.system.stdin() } else { context.system.open(path, Access::READ, 0)? };
    let mut lines = Lines::new(file, b'\n');
    let mut all = Vec::new();
    while let Some(line) = lines.read()? {
        all.extend_from_slice(line);
    }
    Ok(all)
}

/// The search through all operands.
struct Work<'a> {
    how: How<'a>,
    search: Search,
    named: bool,
    found: bool,
}

impl Work<'_> {
    fn operand(&mut self, context: &mut Context<'_>, path: &str) -> Outcome {
        if self.how.recursive.is_some()
            && path != "-"
            && context.system.status(path, Follow::Yes).is_ok_and(|s| s.kind == Kind::Directory)
        {
            return self.directory(context, path);
        }
        self.file(context, path)
    }

    /// Everything in a directory; the empty path is this one, whose names are shown without it.
    fn directory(&mut self, context: &mut Context<'_>, path: &str) -> Outcome {
        let entries = context.system.list(if path.is_empty() { "." } else { path });
        let mut entries = match entries {
            Ok(entries) => entries,
            Err(error) => {
                self.problem(context, path, error);
                return Ok(());
            }
        };
        entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        for entry in entries {
            let below = join(path, &entry.name);
            let kind = match entry.kind {
                Kind::Link if self.how.recursive == Some(Follow::Yes) => {
                    context.system.status(&below, Follow::Yes).map_or(Kind::Other, |s| s.kind)
                }
                kind => kind,
            };
            match kind {
                Kind::Directory => self.directory(context, &below)?,
                Kind::File => self.file(context, &below)?,
                Kind::Link | Kind::Other => {}
            }
            if self.found && self.how.show == Show::Nothing {
                break;
            }
        }
        Ok(())
    }

    fn wanted(&self, path: &str) -> bool {
        let name = base(path);
        let any = |globs: &[&str]| globs.iter().any(|glob| like(glob.as_bytes(), name.as_bytes()));
        (self.how.include.is_empty() || any(&self.how.include)) && !any(&self.how.exclude)
    }

    fn problem(&self, context: &mut Context<'_>, path: &str, error: Error) {
        if !self.how.silent {
            context.warn(format_args!("{path}: {}", text(error)));
        }
        context.raise(context.trouble());
    }

    fn file(&mut self, context: &mut Context<'_>, path: &str) -> Outcome {
        if self.found && self.how.show == Show::Nothing || !self.wanted(path) {
            return Ok(());
        }
        let opened =
            if path == "-" { Ok(context.system.stdin()) } else { context.system.open(path, Access::READ, 0) };
        let file = match opened {
            Ok(file) => file,
            Err(error) => {
                self.problem(context, path, error);
                return Ok(());
            }
        };
        let name = if path == "-" { "(standard input)" } else { path };
        let lines = Lines::new(file, if self.how.zero { 0 } else { b'\n' });
        let Found { lines: count, error } = self.search.file(context, name, self.named, lines, &self.how)?;
        match self.how.show {
            Show::Count if self.named => writeln!(context.out, "{name}:{count}")?,
            Show::Count => writeln!(context.out, "{count}")?,
            Show::Names if count > 0 => writeln!(context.out, "{name}")?,
            Show::NamesWithout if count == 0 => writeln!(context.out, "{name}")?,
            _ => {}
        }
        self.found |= count > 0;
        if let Some(error) = error {
            self.problem(context, name, error);
        }
        Ok(())
    }
}

/// Whether a name is like a pattern with `*` and `?`.
fn like(glob: &[u8], name: &[u8]) -> bool {
    let (mut g, mut n) = (0, 0);
    // Where the last star was, and what it has taken so far.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match glob.get(g) {
            Some(b'*') => {
                star = Some((g, n));
                g += 1;
            }
            Some(byte) if *byte == b'?' || name.get(n) == Some(byte) => {
                g += 1;
                n += 1;
            }
            _ => match &mut star {
                Some((at, taken)) => {
                    *taken += 1;
                    (g, n) = (*at + 1, *taken);
                }
                None => return false,
            },
        }
    }
    glob.get(g..).is_none_or(|rest| rest.iter().all(|b| *b == b'*'))
}
