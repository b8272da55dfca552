// SPDX-License-Identifier: BSD-2-Clause
//! `cargo xtask check-report`: opens a report in a real browser without a screen, and looks at what is shown there: text that is cut off or lies on
//! other text, plots without size, values that plots and tables do not share, messages of the browser.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde_json::Value;

use crate::run::Folder;

/// Browsers that take these options, by the names under which they are installed.
const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
/// What looks at the page.
const PROBE: &str = include_str!("probe.js");
/// Windows, in pixels: a desk's and a telephone's.
const WINDOWS: [(u32, u32); 2] = [(1280, 900), (520, 900)];
/// How long the browser may take.
const LIMIT: Duration = Duration::from_secs(120);

/// Options of `check-report`.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// A report of `compare` or of `sim`
    report: PathBuf,
    /// Keeps pictures in this folder: light, dark, narrow, and as printed
    #[arg(long, value_name = "DIR")]
    pictures: Option<PathBuf>,
}

/// Opens and looks; 1 if something is wrong.
///
/// # Errors
/// There is no browser, or it fails.
pub fn main(options: &Options) -> Result<u8> {
    let text = fs::read_to_string(&options.report)
        .with_context(|| format!("{} cannot be read", options.report.display()))?;
    let folder = Folder::new(false)?;
    let page = folder.path().join("report.html");
    let end = text.rfind("</body>").context("the report has no end")?;
    fs::write(&page, format!("{}<script>{PROBE}</script>{}", &text[..end], &text[end..]))?;
    let browser = Browser { folder: folder.path(), name: find()? };
    let mut wrong = 0;
    for (width, height) in WINDOWS {
        let dom = browser.open(&page, &[&format!("--window-size={width},{height}"), "--dump-dom"])?;
        let found = probed(&dom)?;
        let problems = found["problems"].as_array().context("the probe told no problems")?;
        println!(
            "{width} x {height}: {} plots, {} texts in them, {} values in tables, {} problems",
            found["svgs"],
            found["texts"],
            found["values"],
            problems.len()
        );
        problems.iter().filter_map(Value::as_str).for_each(|p| println!("  {p}"));
        wrong += problems.len();
    }
    if let Some(to) = &options.pictures {
        fs::create_dir_all(to).with_context(|| format!("{} cannot be made", to.display()))?;
        let to = fs::canonicalize(to)?;
        let own = fs::canonicalize(&options.report)?;
        let shot = |name: &str, options: &[&str]| {
            let file = format!("--screenshot={}", to.join(name).display());
            browser.open(&own, &[&[file.as_str(), "--hide-scrollbars"], options].concat())
        };
        // 0 is dark, 1 light.
        shot("light.png", &["--window-size=1280,6000", "--blink-settings=preferredColorScheme=1"])?;
        shot("dark.png", &["--window-size=1280,6000", "--blink-settings=preferredColorScheme=0"])?;
        shot("narrow.png", &["--window-size=520,3000"])?;
        let pdf = to.join("print.pdf");
        browser.open(&own, &[&format!("--print-to-pdf={}", pdf.display()), "--no-pdf-header-footer"])?;
        for name in ["light.png", "dark.png", "narrow.png", "print.pdf"] {
            let bytes = fs::metadata(to.join(name)).map_or(0, |m| m.len());
            ensure!(bytes > 1000, "the browser made no {name}");
            println!("{}", to.join(name).display());
        }
    }
    Ok(u8::from(wrong > 0))
}

fn find() -> Result<&'static str> {
    let works = |name: &&&str| {
        let version =
            Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        version.is_ok_and(|s| s.success())
    };
    BROWSERS.iter().find(works).copied().context("no browser: apt-get install chromium")
}

/// A browser with a profile of its own.
struct Browser<'a> {
    folder: &'a Path,
    name: &'static str,
}

impl Browser<'_> {
    /// Opens a file; what the browser writes to its output is returned.
    fn open(&self, page: &Path, options: &[&str]) -> Result<String> {
        let (out, err) = (self.folder.join("out"), self.folder.join("err"));
        let mut child = Command::new(self.name)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"])
            .arg(format!("--user-data-dir={}", self.folder.join("profile").display()))
            .args(options)
            .arg(format!("file://{}", page.display()))
            .stdin(Stdio::null())
            .stdout(fs::File::create(&out)?)
            .stderr(fs::File::create(&err)?)
            .spawn()
            .with_context(|| format!("{} does not start", self.name))?;
        let since = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if since.elapsed() > LIMIT {
                child.kill()?;
                child.wait()?;
                bail!("{} did not end", self.name);
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        let said = String::from_utf8_lossy(&fs::read(&err)?).into_owned();
        ensure!(status.success(), "{} failed: {status}\n{said}", self.name);
        // What the page's own console shows.
        if let Some(line) = said.lines().find(|l| l.contains(":CONSOLE")) {
            bail!("the browser complains: {line}");
        }
        Ok(String::from_utf8_lossy(&fs::read(&out)?).into_owned())
    }
}

/// What the probe left in the page.
fn probed(dom: &str) -> Result<Value> {
    let (_, rest) = dom.split_once("data-probe=\"").context("the probe did not run")?;
    let (found, _) = rest.split_once('"').context("the probe's text has no end")?;
    let found = found.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    serde_json::from_str(&found).context("the probe's text")
}
