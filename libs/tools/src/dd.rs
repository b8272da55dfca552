// SPDX-License-Identifier: BSD-2-Clause
//! `dd`: copies in blocks.

use crate::context::{Context, End, Outcome, Tool, text};
use crate::lines::fill;
use crate::number::{human, multiplied};
use crate::options::{Arg, Options, unknown};
use crate::output::write_all;
use crate::system::{Access, Error, File, Seek};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// The tool.
pub const TOOL: Tool = Tool {
    name: "dd",
    help: "\
usage: dd [if=FILE] [of=FILE] [bs=N | ibs=N obs=N] [count=N] [skip=N] [seek=N] [conv=C,...] [iflag=F,...] [status=none|noxfer]
Copies standard input, or if=, to standard output, or of=, in blocks of 512 bytes.
  bs=N      bytes of a block; ibs=, obs=: of those read, of those written
  count=N   so many blocks; skip=N leaves out blocks of the input, seek=N of the output
  conv=     notrunc  keeps what the output has beyond; excl  must make it; nocreat  must not
            noerror  goes on after errors; sync  fills short blocks with zeroes; fsync, fdatasync  durable in the end
            lcase, ucase, swab  changes letters, or swaps bytes
  iflag=    fullblock  reads until a block is full; count_bytes, skip_bytes  count= and skip= are bytes
  oflag=    append; seek_bytes
N may have a unit: c 1, w 2, b 512, K 1024, M, G, kB 1000, …; factors are joined by x.",
    trouble: 1,
    main,
};

/// Largest block.
const MAX_BLOCK: u64 = 1 << 30;

struct How<'a> {
    input: Option<&'a str>,
    output: Option<&'a str>,
    read_block: u64,
    write_block: u64,
    /// `bs=`: each block is written as it was read.
    as_read: bool,
    count: Option<u64>,
    skip: u64,
    seek: u64,
    conv: Vec<&'a str>,
    flags: Vec<&'a str>,
    output_flags: Vec<&'a str>,
    status: &'a str,
}

#[derive(Default)]
struct Tally {
    read: (u64, u64),
    written: (u64, u64),
    bytes: u64,
}

const CONVERSIONS: &[&str] =
    &["notrunc", "excl", "nocreat", "noerror", "sync", "fsync", "fdatasync", "lcase", "ucase", "swab"];
const INPUT_FLAGS: &[&str] = &["fullblock", "count_bytes", "skip_bytes"];
const OUTPUT_FLAGS: &[&str] = &["append", "seek_bytes"];

fn main(context: &mut Context<'_>, args: &[&str]) -> Outcome {
    let how = parse(args)?;
    let mut input = match how.input {
        Some(path) => {
            context.system.open(path, Access::READ, 0).map_err(|error| failed("open", path, error))?
        }
        None => context.system.stdin(),
    };
    let mut output = open_output(context, &how)?;
    skip(context, input.as_mut(), &how)?;
    let start = context.system.clock_us();
    let mut tally = Tally::default();
    let copied = copy(context, input.as_mut(), output.as_mut(), &how, &mut tally);
    // The tallies are told also of a copy that failed, and before the failure.
    let finished = copied.and_then(|()| {
        let name = how.output.unwrap_or("standard output");
        let durable = how.conv.contains(&"fsync") || how.conv.contains(&"fdatasync");
        if durable {
            output.sync().map_err(|error| failed("sync", name, error))?
        }
        output.close().map_err(|error| written_error(&how, error))
    });
    report(context, &how, &tally, context.system.clock_us().saturating_sub(start));
    finished
}

fn parse<'a>(args: &'a [&'a str]) -> Result<How<'a>, End> {
    let mut how = How {
        input: None,
        output: None,
        read_block: 512,
        write_block: 512,
        as_read: false,
        count: None,
        skip: 0,
        seek: 0,
        conv: Vec::new(),
        flags: Vec::new(),
        output_flags: Vec::new(),
        status: "",
    };
    let mut options = Options::new(args);
    let mut block = None;
    while let Some(arg) = options.argument()? {
        let Arg::Positional(operand) = arg else { return Err(unknown(arg)) };
        let Some((name, value)) = operand.split_once('=') else {
            return Err(End::Usage(format!("unrecognized operand '{operand}'")));
        };
        let number = || multiplied(value).ok_or_else(|| End::Usage(format!("invalid number: '{value}'")));
        let size = || {
            number().and_then(|n| {
                if n == 0 || n > MAX_BLOCK {
                    Err(End::Usage(format!("invalid number: '{value}'")))
                } else {
                    Ok(n)
                }
            })
        };
        let words = |known: &[&str]| -> Result<Vec<&'a str>, End> {
            let words: Vec<&str> = value.split(',').collect();
            match words.iter().find(|w| !known.contains(w)) {
                Some(word) => Err(End::Usage(format!("invalid {name}: '{word}'"))),
                None => Ok(words),
            }
        };
        match name {
            "if" => how.input = Some(value),
            "of" => how.output = Some(value),
            "bs" => block = Some(size()?),
            "ibs" => how.read_block = size()?,
            "obs" => how.write_block = size()?,
            "count" => how.count = Some(number()?),
            "skip" | "iseek" => how.skip = number()?,
            "seek" | "oseek" => how.seek = number()?,
            "conv" => how.conv.extend(words(CONVERSIONS)?),
            "iflag" => how.flags.extend(words(INPUT_FLAGS)?),
            "oflag" => how.output_flags.extend(words(OUTPUT_FLAGS)?),
            "status" if matches!(value, "none" | "noxfer" | "progress") => how.status = value,
            "status" => return Err(End::Usage(format!("invalid status level: '{value}'"))),
            _ => return Err(End::Usage(format!("unrecognized operand '{operand}'"))),
        }
    }
    if let Some(block) = block {
        (how.read_block, how.write_block) = (block, block);
        how.as_read = true;
    }
    Ok(how)
}

fn failed(what: &str, name: &str, error: Error) -> End {
    End::Trouble(format!("failed to {what} '{name}': {}", text(error)))
}

fn written_error(how: &How<'_>, error: Error) -> End {
    match how.output {
        Some(path) => End::Trouble(format!("error writing '{path}': {}", text(error))),
        None => End::Output(error),
    }
}

/// Blocks of this size as bytes, or bytes as they are.
fn bytes(count: u64, block: u64, flags: &[&str], flag: &str) -> Result<u64, End> {
    let unit = if flags.contains(&flag) { 1 } else { block };
    count.checked_mul(unit).ok_or_else(|| End::Trouble("offset too large".into()))
}

fn open_output(context: &Context<'_>, how: &How<'_>) -> Result<Box<dyn File>, End> {
    let seek = bytes(how.seek, how.write_block, &how.output_flags, "seek_bytes")?;
    let mut file = match how.output {
        None => context.system.stdout(),
        Some(path) => {
            let mut access = Access::WRITE;
            if !how.conv.contains(&"nocreat") {
                access |= Access::CREATE;
            }
            if how.conv.contains(&"excl") {
                access |= Access::EXCLUSIVE;
            }
            if how.output_flags.contains(&"append") {
                access |= Access::APPEND;
            }
            let cut = !how.conv.contains(&"notrunc");
            if cut && seek == 0 {
                access |= Access::TRUNCATE;
            }
            let mut file =
                context.system.open(path, access, 0o666).map_err(|error| failed("open", path, error))?;
            if cut && seek > 0 && file.regular().is_ok_and(|r| r.is_some()) {
                file.truncate(seek).map_err(|error| failed("truncate", path, error))?;
            }
            file
        }
    };
    if seek > 0 {
        file.seek(Seek::To(seek))
            .map_err(|error| failed("seek", how.output.unwrap_or("standard output"), error))?;
    }
    Ok(file)
}

fn skip(context: &mut Context<'_>, input: &mut dyn File, how: &How<'_>) -> Outcome {
    let mut left = bytes(how.skip, how.read_block, &how.flags, "skip_bytes")?;
    if left == 0 {
        return Ok(());
    }
    let name = how.input.unwrap_or("standard input");
    let failed = |error| failed("skip in", name, error);
    if let Some(regular) = input.regular().map_err(failed)? {
        let by = i64::try_from(left).map_err(|_| End::Trouble("offset too large".into()))?;
        if input.seek(Seek::By(by)).map_err(failed)? > regular.size {
            context.warn(format_args!("'{name}': cannot skip to specified offset"));
        }
        return Ok(());
    }
    let mut buffer = block(how.read_block.min(left))?;
    while left > 0 {
        let room = left.min(buffer.len() as u64) as usize;
        match fill(input, &mut buffer[..room]).map_err(failed)? {
            0 => {
                context.warn(format_args!("'{name}': cannot skip to specified offset"));
                break;
            }
            n => left -= n as u64,
        }
    }
    Ok(())
}

fn block(bytes: u64) -> Result<Vec<u8>, End> {
    let mut buffer = Vec::new();
    let len = bytes.min(MAX_BLOCK) as usize;
    buffer
        .try_reserve_exact(len)
        .map_err(|_| End::Trouble(format!("memory exhausted by input buffer of size {bytes} bytes")))?;
    buffer.resize(len, 0);
    Ok(buffer)
}

fn copy(
    context: &mut Context<'_>,
    input: &mut dyn File,
    output: &mut dyn File,
    how: &How<'_>,
    tally: &mut Tally,
) -> Outcome {
    let mut buffer = block(how.read_block)?;
    let mut pending: Vec<u8> = Vec::new();
    let wants = |conversion: &str| how.conv.contains(&conversion);
    let (pad, go_on) = (wants("sync"), wants("noerror"));
    let full = how.flags.contains(&"fullblock");
    let in_bytes = how.flags.contains(&"count_bytes");
    let mut outcome = Ok(());
    // An error that does not go away must not be skipped for ever.
    let mut errors_in_a_row = 0u32;
    loop {
        let mut room = buffer.len();
        match how.count {
            Some(count) if in_bytes => {
                let moved = tally.read.0 * how.read_block + tally.read.1;
                room = room.min(usize::try_from(count.saturating_sub(moved)).unwrap_or(usize::MAX));
            }
            Some(count) if tally.read.0 + tally.read.1 >= count => room = 0,
            _ => {}
        }
        let Some(space) = buffer.get_mut(..room).filter(|s| !s.is_empty()) else { break };
        let read = if full { fill(input, space) } else { input.read(space) };
        let mut len = match read {
            Ok(0) => break,
            Ok(n) => {
                errors_in_a_row = 0;
                n.min(room)
            }
            Err(error) => {
                let name = how.input.unwrap_or("standard input");
                context.complain(format_args!("error reading '{name}': {}", text(error)));
                errors_in_a_row += 1;
                if !go_on
                    || errors_in_a_row > 1_000_000
                    || input.seek(Seek::By(how.read_block as i64)).is_err()
                {
                    outcome = Err(End::Status(context.trouble()));
                    break;
                }
                if let (Ok(Some(regular)), Ok(at)) = (input.regular(), input.seek(Seek::By(0)))
                    && at >= regular.size
                {
                    break;
                }
                if !pad {
                    continue;
                }
                0
            }
        };
        if len as u64 == how.read_block {
            tally.read.0 += 1
        } else {
            tally.read.1 += 1
        }
        if pad && len < buffer.len() {
            buffer[len..].fill(0);
            len = buffer.len();
        }
        convert(&mut buffer[..len], how);
        if how.as_read {
            write(output, &buffer[..len], how, tally)?;
            continue;
        }
        pending.try_reserve(len).map_err(|_| End::Trouble("memory exhausted".into()))?;
        pending.extend_from_slice(&buffer[..len]);
        let whole = pending.len() - pending.len() % how.write_block as usize;
        for piece in pending[..whole].chunks(how.write_block as usize) {
            write(output, piece, how, tally)?;
        }
        pending.drain(..whole);
    }
    if !pending.is_empty() {
        write(output, &pending, how, tally)?;
    }
    outcome
}

fn convert(bytes: &mut [u8], how: &How<'_>) {
    for conversion in &how.conv {
        match *conversion {
            "lcase" => bytes.make_ascii_lowercase(),
            "ucase" => bytes.make_ascii_uppercase(),
            "swab" => bytes.chunks_exact_mut(2).for_each(|pair| pair.swap(0, 1)),
            _ => {}
        }
    }
}

fn write(output: &mut dyn File, bytes: &[u8], how: &How<'_>, tally: &mut Tally) -> Outcome {
    write_all(output, bytes).map_err(|error| written_error(how, error))?;
    if bytes.len() as u64 == how.write_block {
        tally.written.0 += 1
    } else {
        tally.written.1 += 1
    }
    tally.bytes += bytes.len() as u64;
    Ok(())
}

fn report(context: &Context<'_>, how: &How<'_>, tally: &Tally, us: u64) {
    if how.status == "none" {
        return;
    }
    let mut lines = format!(
        "{}+{} records in\n{}+{} records out\n",
        tally.read.0, tally.read.1, tally.written.0, tally.written.1
    );
    if how.status != "noxfer" {
        lines.push_str(&transfer(tally.bytes, us));
    }
    // The copy itself is done or has failed: that the tallies cannot be shown changes nothing.
    let _ = write_all(context.system.stderr().as_mut(), lines.as_bytes());
}

fn transfer(bytes: u64, us: u64) -> String {
    let rate = u128::from(bytes) * 1_000_000 / u128::from(us.max(1));
    let size = if bytes < 1024 { String::new() } else { format!(" ({})", human(bytes)) };
    let plural = if bytes == 1 { "byte" } else { "bytes" };
    let (seconds, ms) = (us / 1_000_000, us / 1000 % 1000);
    format!(
        "{bytes} {plural}{size} copied, {seconds}.{ms:03} s, {}B/s\n",
        human(u64::try_from(rate).unwrap_or(u64::MAX))
    )
}
