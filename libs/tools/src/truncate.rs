// SPDX-License-Identifier: BSD-2-Clause
//! `truncate`: cuts files, or makes them longer with zeroes.

use crate::context::{Context, End, Outcome, Tool};
use crate::number::multiplied;
use crate::options::{Arg, Options, unknown};
use crate::system::{Access, Error, Follow};
use alloc::format;
use alloc::vec::Vec;

/// The tool.
pub const TOOL: Tool = Tool {
    name: "truncate",
    help: "\
usage: truncate [-c] -s SIZE FILE...
       truncate [-c] -r FILE FILE...
Sets the size of each FILE, and makes those that do not exist.
  -s SIZE  bytes, or with a unit (K, M, G, …); +N and -N by so much, <N at most, >N at least, /N down and %N up to a multiple
  -r FILE  as large as FILE
  -c       makes no files",
    trouble: 1,
    main,
};

#[derive(Clone, Copy)]
struct Size {
    how: u8,
    bytes: u64,
}

impl Size {
    fn parse(text: &str) -> Option<Size> {
        let how = *text.as_bytes().first()?;
        match how {
            b'+' | b'-' | b'<' | b'>' | b'/' | b'%' => Some(Size { how, bytes: multiplied(text.get(1..)?)? }),
            _ => Some(Size { how: b'=', bytes: multiplied(text)? }),
        }
        .filter(|s| s.bytes > 0 || !matches!(s.how, b'/' | b'%'))
    }

    fn of(self, old: u64) -> Option<u64> {
        match self.how {
            b'+' => old.checked_add(self.bytes),
            b'-' => Some(old.saturating_sub(self.bytes)),
            b'<' => Some(old.min(self.bytes)),
            b'>' => Some(old.max(self.bytes)),
            b'/' => Some(old / self.bytes * self.bytes),
            b'%' => old.checked_next_multiple_of(self.bytes),
            _ => Some(self.bytes),
        }
    }
}

fn main(context: &mut Context<'_>, args: &[&str]) -> Outcome {
    let (mut create, mut size) = (true, None);
    let mut operands = Vec::new();
    let mut options = Options::new(args);
    while let Some(arg) = options.argument()? {
        match arg {
            Arg::Short('c') | Arg::Long("no-create") => create = false,
            Arg::Short('s') | Arg::Long("size") => {
                let text = options.value()?;
                size =
                    Some(Size::parse(text).ok_or_else(|| End::Trouble(format!("invalid number: '{text}'")))?);
            }
            Arg::Short('r') | Arg::Long("reference") => {
                let path = options.value()?;
                let stat = context.system.status(path, Follow::Yes).map_err(|error| End::of(path, error))?;
                size = Some(Size { how: b'=', bytes: stat.size });
            }
            Arg::Positional(path) => operands.push(path),
            other => return Err(unknown(other)),
        }
    }
    let size = size.ok_or_else(|| End::Usage("you must specify either '--size' or '--reference'".into()))?;
    if operands.is_empty() {
        return Err(End::Usage("missing file operand".into()));
    }
    let access = Access::WRITE | if create { Access::CREATE } else { Access::empty() };
    for path in operands {
        let mut file = match context.system.open(path, access, 0o666) {
            Ok(file) => file,
            Err(Error::NotFound) if !create => continue,
            Err(error) => {
                context.fail(path, error);
                continue;
            }
        };
        let result = file
            .regular()
            .and_then(|regular| size.of(regular.ok_or(Error::Invalid)?.size).ok_or(Error::FileTooLarge))
            .and_then(|bytes| file.truncate(bytes))
            .and_then(|()| file.close());
        context.ok(path, result);
    }
    Ok(())
}
