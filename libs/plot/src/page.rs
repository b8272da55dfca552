// SPDX-License-Identifier: BSD-2-Clause
//! The file.

use crate::text::escape;

/// Light and dark as the reader's system has it; paper is always light.
const STYLE: &str = "\
:root{color-scheme:light dark;--text:#111;--back:#fff;--rule:#ccc;--grid:#e2e2e2;--ghost:#c4c4c4;--best:#fff3d6}\
@media (prefers-color-scheme:dark){:root{--text:#eee;--back:#181818;--rule:#555;--grid:#333;--ghost:#4c4c4c;--best:#46370f}}\
@media print{:root{color-scheme:light;--text:#000;--back:#fff;--rule:#999;--grid:#ddd;--ghost:#bbb;--best:#eee}}\
*{box-sizing:border-box}body{font:15px/1.45 sans-serif;max-width:66em;margin:2em auto;padding:0 1em;color:var(--text);background:var(--back)}\
h1{font-size:1.6em}h2{font-size:1.2em;margin:1.8em 0 .3em}code{font-size:.92em;overflow-wrap:anywhere}\
figure{margin:0}figcaption{max-width:46em;margin-bottom:.6em}\
.panels{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(26em,100%),1fr));gap:.8em}\
svg{width:100%;height:auto;max-width:34em;display:block;color:var(--text)}svg text{font:11px sans-serif;fill:currentColor}\
svg .head{font-weight:bold;font-size:12px}svg .grid{stroke:var(--grid);fill:none}svg .axis{stroke:currentColor;fill:none}\
svg .ghost{stroke:var(--ghost);fill:none}svg .moment{stroke:currentColor;stroke-dasharray:1 3;fill:none}svg .small{font-size:10px}\
.wide{overflow-x:auto;margin:.6em 0}table{border-collapse:collapse;font-size:13px}caption{text-align:left;font-style:italic;padding:.3em 0}\
th,td{padding:1px 7px;text-align:right;border-bottom:1px solid var(--rule);white-space:nowrap;font-variant-numeric:tabular-nums}\
thead th{white-space:normal;vertical-align:bottom}th.name{text-align:left}td.best{background:var(--best)}td.text{text-align:left;white-space:normal}summary{cursor:pointer;margin:.4em 0}\
@media print{@page{size:A4;margin:12mm}body{font-size:10pt;margin:0;padding:0;max-width:none}table{font-size:6.6pt}th,td{padding:0 2.5pt}\
.panels{grid-template-columns:1fr 1fr}.wide{overflow:visible}svg,tr{break-inside:avoid}h2,figcaption,caption{break-after:avoid}summary{display:none}\
details::details-content{content-visibility:visible;display:block;height:auto}}";

/// A page: a title, and what was added.
#[derive(Clone, Debug)]
pub struct Page {
    html: String,
}

impl Page {
    /// One with a title only.
    #[must_use]
    pub fn new(title: &str) -> Self {
        let title = escape(title);
        Self {
            html: format!(
                "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>\
                 <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\
                 <link rel=\"icon\" href=\"data:,\"/><title>{title}</title><style>{STYLE}</style></head>\
                 <body><main><h1>{title}</h1>\n"
            ),
        }
    }

    /// Adds a paragraph.
    pub fn paragraph(&mut self, text: &str) {
        self.html += &format!("<p>{}</p>\n", escape(text));
    }

    /// Adds a command, after what is said of it.
    pub fn command(&mut self, text: &str, command: &str) {
        self.html += &format!("<p>{} <code>{}</code></p>\n", escape(text), escape(command));
    }

    /// Adds HTML: a figure's, a table's.
    pub fn add(&mut self, html: &str) {
        self.html += html;
        self.html.push('\n');
    }

    /// The whole file.
    #[must_use]
    pub fn finish(self) -> String {
        self.html + "</main></body></html>\n"
    }
}
