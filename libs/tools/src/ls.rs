// SPDX-License-Identifier: BSD-2-Clause
//! `ls`: what is in directories.

use crate::context::{Context, Outcome, Tool, text};
use crate::date::Date;
use crate::mode::letters;
use crate::number::human;
use crate::options::{Arg, Options, unknown};
use crate::path::join;
use crate::system::{Follow, Kind, Stat};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// The tool.
pub const TOOL: Tool = Tool {
    name: "ls",
    help: "\
usage: ls [-laAdRrtSUhisnogFp1C] [FILE...]
Lists each FILE, of directories what is in them. No FILE: this directory.
  -l  permissions, links, owner, size, time of the last change (UTC)     -n, -o, -g  as -l: numbers, no group, no owner
  -a  names that begin with a dot as well   -A  without . and ..   -d  directories themselves   -R  and all below
  -t  newest first    -S  largest first     -U  in no order        -r  backwards
  -h  sizes with units     -i  inode numbers    -s  blocks of 1 KiB
  -F  marks what is no plain file (/ @ *)    -p  / behind directories
  -1  one a line    -C  in columns (as usual on the terminal)
Status: 0, 1 something in a directory could not be read, 2 a FILE could not.",
    trouble: 2,
    main,
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Hidden {
    No,
    AllButDots,
    All,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Name,
    Time,
    Size,
    None,
}

struct How {
    long: bool,
    hidden: Hidden,
    directory: bool,
    recursive: bool,
    reverse: bool,
    order: Order,
    human: bool,
    inodes: bool,
    blocks: bool,
    owner: Option<&'static str>,
    group: Option<&'static str>,
    classify: bool,
    slash: bool,
    columns: bool,
    follow: bool,
    width: usize,
    now_us: u64,
}

/// A name and what it stands for; nothing if that cannot be found out.
struct Item {
    name: String,
    stat: Option<Stat>,
    link: Option<String>,
}

fn main(context: &mut Context<'_>, args: &[&str]) -> Outcome {
    let terminal = context.system.stdout().is_terminal();
    let mut how = How {
        long: false,
        hidden: Hidden::No,
        directory: false,
        recursive: false,
        reverse: false,
        order: Order::Name,
        human: false,
        inodes: false,
        blocks: false,
        owner: Some("root"),
        group: Some("root"),
        classify: false,
        slash: false,
        columns: terminal,
        follow: false,
        width: width(context),
        now_us: context.system.now_us(),
    };
    let mut operands = Vec::new();
    let mut options = Options::new(args);
    while let Some(arg) = options.argument()? {
        match arg {
            Arg::Short('l') => how.long = true,
            Arg::Short('n') => {
                (how.long, how.owner, how.group) = (true, how.owner.and(Some("0")), how.group.and(Some("0")))
            }
            Arg::Short('o') => (how.long, how.group) = (true, None),
            Arg::Short('g') => (how.long, how.owner) = (true, None),
            Arg::Short('a') | Arg::Long("all") => how.hidden = Hidden::All,
            Arg::Short('A') | Arg::Long("almost-all") => how.hidden = Hidden::AllButDots,
            Arg::Short('d') | Arg::Long("directory") => how.directory = true,
            Arg::Short('R') | Arg::Long("recursive") => how.recursive = true,
            Arg::Short('r') | Arg::Long("reverse") => how.reverse = true,
            Arg::Short('t') => how.order = Order::Time,
            Arg::Short('S') => how.order = Order::Size,
            Arg::Short('U') => how.order = Order::None,
            Arg::Short('h') | Arg::Long("human-readable") => how.human = true,
            Arg::Short('i') | Arg::Long("inode") => how.inodes = true,
            Arg::Short('s') | Arg::Long("size") => how.blocks = true,
            Arg::Short('F') | Arg::Long("classify") => how.classify = true,
            Arg::Short('p') => how.slash = true,
            Arg::Short('1') => how.columns = false,
            Arg::Short('C') => (how.columns, how.long) = (true, false),
            Arg::Short('L') | Arg::Long("dereference") => how.follow = true,
            Arg::Short('H') => {}
            // Columns are always filled with blanks.
            Arg::Short('T') | Arg::Long("tabsize") => _ = options.value()?,
            Arg::Long("color") => _ = options.attached(),
            Arg::Positional(path) => operands.push(path),
            other => return Err(unknown(other)),
        }
    }
    if operands.is_empty() {
        operands.push(".");
    }
    list(context, operands, &how)
}

fn width(context: &Context<'_>) -> usize {
    let columns = context.system.env().into_iter().find(|(name, _)| name == "COLUMNS");
    columns.and_then(|(_, value)| value.parse().ok()).filter(|w| (1..=4096).contains(w)).unwrap_or(80)
}

fn list(context: &mut Context<'_>, operands: Vec<&str>, how: &How) -> Outcome {
    let (mut files, mut directories) = (Vec::new(), Vec::new());
    let many = operands.len() > 1;
    for path in operands {
        // A link to a directory is looked through unless it is itself of interest.
        let through = how.follow || !(how.long || how.directory || how.classify);
        let mut stat = context.system.status(path, if through { Follow::Yes } else { Follow::No });
        if through && stat.is_err() {
            stat = context.system.status(path, Follow::No);
        }
        let Some(stat) = context.ok(path, stat) else { continue };
        let item = item(context, path, path, Some(stat));
        if stat.kind == Kind::Directory && !how.directory { directories.push(item) } else { files.push(item) }
    }
    sort(&mut files, how);
    sort(&mut directories, how);
    write_items(context, &files, how)?;
    let mut first = files.is_empty();
    for directory in directories {
        let headed = many || how.recursive;
        list_directory(context, &directory.name, headed, &mut first, how, true)?;
    }
    Ok(())
}

fn item(context: &mut Context<'_>, path: &str, name: &str, stat: Option<Stat>) -> Item {
    let is_link = stat.is_some_and(|s| s.kind == Kind::Link);
    let link = if is_link { context.system.read_link(path).ok() } else { None };
    Item { name: name.to_string(), stat, link }
}

fn list_directory(
    context: &mut Context<'_>,
    path: &str,
    headed: bool,
    first: &mut bool,
    how: &How,
    is_operand: bool,
) -> Outcome {
    let entries = match context.system.list(path) {
        Ok(entries) => entries,
        Err(error) => {
            context.warn(format_args!("{path}: {}", text(error)));
            context.raise(if is_operand { 2 } else { 1 });
            return Ok(());
        }
    };
    if headed {
        writeln!(context.out, "{}{path}:", if *first { "" } else { "\n" })?;
    }
    *first = false;
    let mut names: Vec<String> = entries.into_iter().map(|e| e.name).collect();
    match how.hidden {
        Hidden::No => names.retain(|n| !n.starts_with('.')),
        Hidden::AllButDots => {}
        Hidden::All => names.extend([".".to_string(), "..".to_string()]),
    }
    let needed = how.long
        || how.inodes
        || how.blocks
        || how.classify
        || how.slash
        || how.recursive
        || how.order != Order::Name;
    let mut items = Vec::with_capacity(names.len());
    for name in names {
        let below = join(path, &name);
        let mut stat = None;
        if needed {
            let found = context.system.status(&below, if how.follow { Follow::Yes } else { Follow::No });
            match found {
                Ok(found) => stat = Some(found),
                Err(error) => {
                    context.warn(format_args!("{below}: {}", text(error)));
                    context.raise(1);
                }
            }
        }
        items.push(item(context, &below, &name, stat));
    }
    sort(&mut items, how);
    if how.long || how.blocks {
        let blocks: u64 = items.iter().filter_map(|i| i.stat).map(|s| s.blocks).sum();
        let total = if how.human { human(blocks * 512) } else { blocks.div_ceil(2).to_string() };
        writeln!(context.out, "total {total}")?;
    }
    write_items(context, &items, how)?;
    if how.recursive {
        let below = items.iter().filter(|i| i.stat.is_some_and(|s| s.kind == Kind::Directory));
        for directory in below.filter(|i| i.name != "." && i.name != "..") {
            list_directory(context, &join(path, &directory.name), true, first, how, false)?;
        }
    }
    Ok(())
}

fn sort(items: &mut [Item], how: &How) {
    let number = |item: &Item| match (how.order, item.stat) {
        (Order::Time, Some(stat)) => stat.modified_us,
        (Order::Size, Some(stat)) => stat.size,
        _ => 0,
    };
    if how.order != Order::None {
        items.sort_unstable_by(|a, b| number(b).cmp(&number(a)).then_with(|| a.name.cmp(&b.name)));
    }
    if how.reverse {
        items.reverse();
    }
}

/// The columns before a name.
#[derive(Default)]
struct Cells {
    inode: String,
    blocks: String,
    mode: String,
    links: String,
    size: String,
    date: String,
}

impl Cells {
    fn of(item: &Item, how: &How) -> Cells {
        let Some(stat) = item.stat else {
            let unknown = || "?".to_string();
            return Cells {
                inode: unknown(),
                blocks: unknown(),
                mode: "?????????? ".trim_end().to_string(),
                links: unknown(),
                size: unknown(),
                date: "           ?".to_string(),
            };
        };
        let sized = |bytes: u64, plain: u64| if how.human { human(bytes) } else { plain.to_string() };
        Cells {
            inode: stat.inode.to_string(),
            blocks: sized(stat.blocks.saturating_mul(512), stat.blocks.div_ceil(2)),
            mode: letters(stat.kind, stat.mode),
            links: stat.links.to_string(),
            size: sized(stat.size, stat.size),
            date: date(stat.modified_us, how.now_us),
        }
    }
}

/// The time of day for what changed within half a year, else the year.
fn date(us: u64, now_us: u64) -> String {
    const HALF_A_YEAR_US: u64 = 31_556_952 / 2 * 1_000_000;
    let date = Date::of_us(us);
    let recent = us <= now_us && now_us - us < HALF_A_YEAR_US;
    if recent {
        format!("{} {:2} {:02}:{:02}", date.month_name(), date.day, date.time.0, date.time.1)
    } else {
        format!("{} {:2}  {:4}", date.month_name(), date.day, date.year)
    }
}

fn write_items(context: &mut Context<'_>, items: &[Item], how: &How) -> Outcome {
    let cells: Vec<Cells> = items.iter().map(|item| Cells::of(item, how)).collect();
    let widest = |cell: fn(&Cells) -> &String| cells.iter().map(|c| cell(c).len()).max().unwrap_or(0);
    let (inode, blocks) = (widest(|c| &c.inode), widest(|c| &c.blocks));
    let (links, size) = (widest(|c| &c.links), widest(|c| &c.size));
    let mut lines = Vec::with_capacity(items.len());
    for (item, cells) in items.iter().zip(&cells) {
        let mut line = String::new();
        let mut push = |text: &str| {
            line.push_str(text);
            line.push(' ');
        };
        if how.inodes {
            push(&format!("{:>inode$}", cells.inode));
        }
        if how.blocks {
            push(&format!("{:>blocks$}", cells.blocks));
        }
        if how.long {
            push(&cells.mode);
            push(&format!("{:>links$}", cells.links));
            how.owner.iter().for_each(|owner| push(owner));
            how.group.iter().for_each(|group| push(group));
            push(&format!("{:>size$}", cells.size));
            push(&cells.date);
        }
        line.push_str(&shown(&item.name, how));
        match (&item.link, how.long) {
            (Some(target), true) => {
                line.push_str(" -> ");
                line.push_str(&shown(target, how));
            }
            _ => line.push_str(mark(item, how)),
        }
        lines.push(line);
    }
    if how.columns && !how.long {
        return write_columns(context, &lines, how.width);
    }
    for line in lines {
        writeln!(context.out, "{line}")?;
    }
    Ok(())
}

/// Control characters in a name do not reach the terminal.
fn shown(name: &str, how: &How) -> String {
    if how.columns { name.replace(|c: char| c.is_control(), "?") } else { name.to_string() }
}

fn mark(item: &Item, how: &How) -> &'static str {
    match item.stat {
        Some(stat) if how.classify || how.slash => match stat.kind {
            Kind::Directory => "/",
            Kind::Link if how.classify => "@",
            Kind::File if how.classify && stat.mode & 0o111 != 0 => "*",
            _ => "",
        },
        _ => "",
    }
}

/// As few rows as fit, filled column by column.
fn write_columns(context: &mut Context<'_>, lines: &[String], width: usize) -> Outcome {
    let lengths: Vec<usize> = lines.iter().map(|l| l.chars().count()).collect();
    let widths = |rows: usize| -> Vec<usize> {
        lengths.chunks(rows).map(|column| column.iter().max().map_or(0, |w| w + 2)).collect()
    };
    let fits = |rows: &usize| widths(*rows).iter().sum::<usize>().saturating_sub(2) < width;
    let rows = (1..=lines.len()).find(fits).unwrap_or(lines.len());
    if rows == 0 {
        return Ok(());
    }
    let widths = widths(rows);
    for row in 0..rows {
        let mut gap = 0;
        for (column, width) in widths.iter().enumerate() {
            let at = column * rows + row;
            let (Some(line), Some(len)) = (lines.get(at), lengths.get(at)) else { break };
            write!(context.out, "{:gap$}{line}", "")?;
            gap = width - len;
        }
        context.out.write(b"\n")?;
    }
    Ok(())
}
