// SPDX-License-Identifier: BSD-2-Clause
//! `sleep`: waits.

use crate::context::{Context, End, Outcome, Tool};
use crate::number::seconds;
use crate::options::only_operands;
use alloc::format;

/// The tool.
pub const TOOL: Tool = Tool {
    name: "sleep",
    help: "\
usage: sleep TIME...
Waits for the sum of the TIMEs: seconds with decimals, or with a unit (s, m, h, d).",
    trouble: 1,
    main,
};

fn main(context: &mut Context<'_>, args: &[&str]) -> Outcome {
    let operands = only_operands(args)?;
    if operands.is_empty() {
        return Err(End::Usage("missing operand".into()));
    }
    let mut us = 0u64;
    for operand in operands {
        let time =
            seconds(operand).ok_or_else(|| End::Usage(format!("invalid time interval '{operand}'")))?;
        us = us.saturating_add(time);
    }
    context.system.sleep_us(us).map_err(|error| End::of("cannot wait", error))
}
