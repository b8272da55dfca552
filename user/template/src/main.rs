// SPDX-License-Identifier: BSD-2-Clause
//! Counts the lines, words and different words of a text, and writes the answer beside it.
#![no_std]
#![no_main]
#![deny(unsafe_code)]

extern crate alloc;

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use ebb_rt::{StartInfo, eprintln, fs, println};

ebb_rt::program!(main);

/// What it returns is the program's exit status.
fn main(info: &'static StartInfo) -> u8 {
    let [file] = info.args.as_slice() else {
        eprintln!("usage: {} FILE", info.name);
        return 2;
    };
    match count(file) {
        Ok(answer) => {
            println!("{answer}");
            0
        }
        Err(error) => {
            // The words that POSIX has for it, as "No such file or directory".
            eprintln!("{}: {file}: {}", info.name, error.posix().1);
            1
        }
    }
}

/// Reads the whole file, and writes FILE.count.
fn count(file: &str) -> Result<String, fs::Error> {
    let bytes = fs::read(file)?;
    let text = String::from_utf8_lossy(&bytes);
    let words = text.split_whitespace().count();
    let different: BTreeSet<&str> = text.split_whitespace().collect();
    let answer = format!("{} lines, {words} words, {} different", text.lines().count(), different.len());
    fs::write(&format!("{file}.count"), format!("{answer}\n").as_bytes())?;
    Ok(answer)
}
