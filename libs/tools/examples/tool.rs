// SPDX-License-Identifier: BSD-2-Clause
//! A tool on the host: `cargo run --release -p ebb-tools --example tool -- sort -n FILE`.

#[path = "../tests/host/mod.rs"]
mod host;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let tool = args.first().and_then(|name| ebb_tools::TOOLS.iter().find(|t| t.name == *name));
    let Some(tool) = tool else {
        let names: Vec<&str> = ebb_tools::TOOLS.iter().map(|t| t.name).collect();
        eprintln!("usage: tool NAME ARGUMENT...; there are: {}", names.join(" "));
        std::process::exit(2);
    };
    std::process::exit(i32::from(ebb_tools::run(tool, &host::Host::own(), &args[1..])));
}
