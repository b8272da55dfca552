// SPDX-License-Identifier: BSD-2-Clause
//! Commands that belong to the language and need the system: they change the shell itself, or read its input.

use crate::commands;
use crate::shell::Shell;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use ebb_args::Failure;
use ebb_rt::console::standard;
use ebb_rt::fs::{Error, File, Kind, metadata};
use ebb_rt::io::{Read, stdin};
use ebb_rt::proto::start::Stream;
use ebb_rt::{env, print, println};
use ebb_sh::{Variables, builtins};

/// The commands here.
pub const NAMES: [&str; 9] = ["cd", "pwd", "echo", "printf", "read", ".", "source", "type", "eval"];

/// Carries one of them out; its status.
pub fn run(shell: &mut Shell, words: &[String], v: &mut Variables) -> Result<u8, Failure> {
    let args = words.get(1..).unwrap_or(&[]);
    match words.first().map_or("", String::as_str) {
        "cd" => {
            let home = v.get("HOME").unwrap_or_else(|| String::from("/"));
            let path = args.first().unwrap_or(&home);
            env::set_current_dir(path).map_err(|e| trouble(path, e))?;
            v.set("PWD", &env::current_dir());
            Ok(0)
        }
        "pwd" => {
            println!("{}", env::current_dir());
            Ok(0)
        }
        "echo" => {
            match args.split_first() {
                Some((first, rest)) if first == "-n" => print!("{}", rest.join(" ")),
                _ => println!("{}", args.join(" ")),
            }
            Ok(0)
        }
        "printf" => {
            print!("{}", builtins::printf(args).map_err(Failure::Trouble)?);
            Ok(0)
        }
        "read" => read(shell, args, v),
        "eval" => Ok(shell.run_with(&args.join(" "), v)),
        "." | "source" => {
            let path = args.first().ok_or_else(|| Failure::Usage("which file?".into()))?;
            let text = script(path).map_err(|e| trouble(path, e))?;
            Ok(shell.run_with(&text, v))
        }
        _ => kinds(args),
    }
}

fn trouble(path: &str, error: Error) -> Failure {
    Failure::Trouble(format!("{path}: {}", error.posix().1))
}

/// A script's text.
pub fn script(path: &str) -> Result<String, Error> {
    let mut file = File::open(path)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    String::from_utf8(bytes).map_err(|_| Error::BadImage)
}

/// `read`: a line of standard input, split among variables; 1 at the end. It takes no byte of the next line: who reads next gets that.
fn read(shell: &mut Shell, args: &[String], v: &mut Variables) -> Result<u8, Failure> {
    let names = match args.split_first() {
        Some((first, rest)) if first == "-r" => rest,
        _ => args,
    };
    let (line, ended) = input_line(shell)?;
    let line = String::from_utf8_lossy(&line).into_owned();
    let mut rest = line.trim_matches([' ', '\t']);
    for (n, name) in names.iter().enumerate() {
        let (word, after) = match rest.split_once([' ', '\t']) {
            Some((word, after)) if n + 1 < names.len() => (word, after.trim_start_matches([' ', '\t'])),
            _ => (rest, ""),
        };
        v.set(name, word);
        rest = after;
    }
    Ok(if ended || !line.is_empty() { 0 } else { 1 })
}

/// A line of standard input, without its end, and whether it had one.
pub fn input_line(shell: &mut Shell) -> Result<(Vec<u8>, bool), Failure> {
    if shell.person && standard(0) == Stream::Console {
        let mut line = shell.typed_line()?.unwrap_or_default();
        let ended = line.pop_if(|byte| *byte == b'\n').is_some();
        return Ok((line, ended));
    }
    let (mut input, mut line) = (stdin(), Vec::new());
    loop {
        let mut byte = [0];
        match input.read(&mut byte).map_err(|e| trouble("standard input", e))? {
            0 => return Ok((line, false)),
            _ if byte[0] == b'\n' => return Ok((line, true)),
            _ => line.push(byte[0]),
        }
    }
}

/// `type`: what a name is.
fn kinds(args: &[String]) -> Result<u8, Failure> {
    let mut status = 0;
    for name in args {
        if NAMES.contains(&name.as_str())
            || builtins::NAMES.contains(&name.as_str())
            || commands::find(name).is_some()
        {
            println!("{name} is a command of the shell");
            continue;
        }
        let file = io_path(name);
        if metadata(&file).is_ok_and(|s| s.kind == Kind::File) {
            println!("{name} is {file}");
        } else {
            println!("{name}: not found");
            status = 1;
        }
    }
    Ok(status)
}

fn io_path(name: &str) -> String {
    if name.contains('/') { String::from(name) } else { format!("/bin/{name}") }
}
