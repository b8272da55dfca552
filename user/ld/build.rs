// SPDX-License-Identifier: BSD-2-Clause
//! The loader lies below where programs are linked (`ebb_abi::layout`): from `USER_MIN` up to `IMAGE`.

fn main() {
    println!("cargo:rustc-link-arg-bins=--image-base=0x100000");
    println!("cargo:rerun-if-changed=build.rs");
}
