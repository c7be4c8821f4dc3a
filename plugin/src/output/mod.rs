//! What commands print: reports on standard output, progress and notes on standard error.
//!
//! A report is data first (`Serialize`, a versioned kind) and a table second, so that every format says the same.
//! Nothing else in the plugin writes to standard output, `consume`'s records aside.

pub mod actions;
pub mod age;
pub mod style;
pub mod table;

use std::io::{self, Write};

use serde::Serialize;

use crate::exit::{Failure, Result};
use crate::flags::{Color, Format, Global};
use table::Table;

/// `apiVersion` of the objects that are ours and not Kubernetes'.
pub const API_VERSION: &str = "cli.kafka.sdm.dev/v1";

/// What a verb found out or did.
pub trait Report: Serialize {
    /// The text for people; `wide` asks for more columns.
    fn text(&self, out: &mut Text<'_>) -> io::Result<()>;
    /// `type/name` of what the report is about.
    fn names(&self) -> Vec<String>;
}

/// Standard output in the chosen format.
#[derive(Clone, Debug)]
pub struct Output {
    /// The format.
    pub format: Format,
    headers: bool,
    quiet: bool,
}

/// Where a report writes its text.
pub struct Text<'a> {
    out: &'a mut dyn Write,
    /// More columns.
    pub wide: bool,
    headers: bool,
}

impl Text<'_> {
    /// A line.
    pub fn line(&mut self, line: impl AsRef<str>) -> io::Result<()> {
        writeln!(self.out, "{}", line.as_ref())
    }
    /// One after the other, with an empty line between.
    pub fn blocks<T>(
        &mut self,
        items: &[T],
        block: impl Fn(&T, &mut Self) -> io::Result<()>,
    ) -> io::Result<()> {
        for (i, item) in items.iter().enumerate() {
            if i > 0 {
                self.line("")?;
            }
            block(item, self)?;
        }
        Ok(())
    }
    /// A table; nothing, not even its header, if it has no rows.
    pub fn table(&mut self, table: &Table) -> io::Result<()> {
        if table.is_empty() {
            return Ok(());
        }
        table.write(self.out, self.wide, self.headers)
    }
}

impl Output {
    /// Reads the flags, and decides on colour for the whole process.
    pub fn new(global: &Global) -> Self {
        match global.color {
            Color::Auto => anstream::ColorChoice::Auto,
            Color::Always => anstream::ColorChoice::Always,
            Color::Never => anstream::ColorChoice::Never,
        }
        .write_global();
        Self {
            format: global.output.unwrap_or_default(),
            headers: !global.no_headers,
            quiet: global.quiet,
        }
    }

    /// Prints a report.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn report<R: Report>(&self, report: &R) -> Result<()> {
        let mut out = anstream::AutoStream::auto(io::stdout().lock());
        self.write(report, &mut out)?;
        out.flush()?;
        Ok(())
    }

    fn write<R: Report>(&self, report: &R, out: &mut dyn Write) -> Result<()> {
        match self.format {
            // No report is a client configuration; who asked for one is told in `verbs::run`.
            Format::Table
            | Format::Wide
            | Format::Properties
            | Format::Librdkafka
            | Format::Spring
            | Format::Env => {
                let wide = self.format == Format::Wide;
                report.text(&mut Text {
                    out,
                    wide,
                    headers: self.headers,
                })?;
            }
            Format::Json => {
                serde_json::to_writer_pretty(&mut *out, report).map_err(io::Error::from)?;
                writeln!(out)?;
            }
            Format::Yaml => out.write_all(yaml(report)?.as_bytes())?,
            Format::Name => {
                for name in report.names() {
                    writeln!(out, "{name}")?;
                }
            }
        }
        Ok(())
    }

    /// The report as text, for tests.
    #[cfg(test)]
    pub fn render<R: Report>(format: Format, report: &R) -> String {
        let mut out = Vec::new();
        Self {
            format,
            headers: true,
            quiet: false,
        }
        .write(report, &mut out)
        .unwrap();
        String::from_utf8(out).unwrap()
    }

    /// One line on standard output.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn line(&self, line: &str) -> Result<()> {
        let mut out = anstream::AutoStream::auto(io::stdout().lock());
        writeln!(out, "{line}")?;
        Ok(())
    }

    /// Progress: one line on standard error, unless `--quiet`.
    pub fn progress(&self, line: impl AsRef<str>) {
        if !self.quiet {
            warn(line);
        }
    }

    /// Something the user should know on standard error, unless `--quiet`.
    pub fn note(&self, line: impl AsRef<str>) {
        self.progress(format!("note: {}", line.as_ref()));
    }
}

/// One line on standard error, whatever the flags. A standard error that cannot be written is no reason to stop.
pub fn warn(line: impl AsRef<str>) {
    let mut err = anstream::AutoStream::auto(io::stderr().lock());
    let _ = writeln!(err, "{}", line.as_ref());
}

/// Anything as YAML.
///
/// # Errors
/// When it cannot be represented, which our own types can.
pub fn yaml<T: Serialize>(value: &T) -> Result<String> {
    serde_saphyr::to_string(value).map_err(|e| Failure::general(format!("cannot write YAML: {e}")))
}

/// What a failed command prints on standard error.
pub fn failure(failure: &Failure, verbose: bool) {
    if failure.what.is_empty() {
        return;
    }
    warn(format!("{} {failure}", style::bad("error:")));
    if verbose {
        for cause in &failure.chain {
            warn(format!("  caused by: {cause}"));
        }
    }
    if let Some(hint) = &failure.hint {
        warn(format!("{} {hint}", style::good("hint:")));
    }
}
