// SPDX-License-Identifier: BSD-2-Clause
//! Reports in one HTML file, without scripts and without anything from elsewhere: plots as inline SVG, and tables that say the same.
//!
//! - [`page`]: the file: head, style, sections. [`figure`]: panels under a heading, and their table. [`table`]: tables.
//! - [`lines`], [`bars`], [`dots`]: the kinds of panels. [`scale`]: their axes. [`look`]: how series are told apart.
//! - [`text`]: numbers and names as text of HTML.
//!
//! What is written is also well-formed XML, so that tests can read it. Each mark of a plot and each figure of a table carries its value,
//! as it is printed, in `data-v`: a test compares them.
#![forbid(unsafe_code)]

mod axis;
pub mod bars;
pub mod dots;
pub mod figure;
pub mod lines;
pub mod look;
pub mod page;
pub mod scale;
pub mod table;
pub mod text;

pub use bars::Bars;
pub use dots::Dots;
pub use figure::Figure;
pub use lines::{Lines, Moment, Series};
pub use page::Page;
pub use table::{Cell, Table};
