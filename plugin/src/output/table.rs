//! Columns as kubectl writes them: upper-case headers, three spaces, no borders.

use std::io::{self, Write};

use super::style;

/// A table under construction.
#[derive(Debug, Default)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

#[derive(Debug)]
struct Column {
    header: &'static str,
    wide: bool,
}

/// A value, with the colour it is shown in.
#[derive(Debug, Clone)]
pub struct Cell {
    text: String,
    paint: Option<fn(&str) -> String>,
}

impl Cell {
    /// A value in a colour of `style`.
    pub fn painted(text: impl Into<String>, paint: fn(&str) -> String) -> Self {
        Self {
            text: text.into(),
            paint: Some(paint),
        }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self {
            text: text.into(),
            paint: None,
        }
    }
}

impl Table {
    /// A table with these columns; a header that starts with `+` is only shown with `-o wide`.
    pub fn new(headers: &[&'static str]) -> Self {
        let columns = headers.iter().map(|h| match h.strip_prefix('+') {
            Some(header) => Column { header, wide: true },
            None => Column {
                header: h,
                wide: false,
            },
        });
        Self {
            columns: columns.collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row, one cell per column. An empty cell is shown as `<none>`.
    pub fn row(&mut self, cells: Vec<Cell>) {
        debug_assert_eq!(cells.len(), self.columns.len());
        self.rows.push(cells);
    }

    /// Whether there is nothing to show.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Writes the table.
    ///
    /// # Errors
    /// What the writer says.
    pub fn write(&self, out: &mut dyn Write, wide: bool, headers: bool) -> io::Result<()> {
        let shown: Vec<usize> = (0..self.columns.len())
            .filter(|i| wide || !self.columns[*i].wide)
            .collect();
        let mut lines: Vec<Vec<Cell>> = Vec::with_capacity(self.rows.len() + 1);
        if headers {
            lines.push(
                shown
                    .iter()
                    .map(|i| self.columns[*i].header.into())
                    .collect(),
            );
        }
        for row in &self.rows {
            lines.push(
                shown
                    .iter()
                    .filter_map(|i| row.get(*i))
                    .map(Cell::presentable)
                    .collect(),
            );
        }
        let width = |column: usize| {
            lines
                .iter()
                .filter_map(|l| l.get(column))
                .map(Cell::width)
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..shown.len()).map(width).collect();
        for line in &lines {
            let mut text = String::new();
            for (i, cell) in line.iter().enumerate() {
                text.push_str(
                    &cell
                        .paint
                        .map_or_else(|| cell.text.clone(), |paint| paint(&cell.text)),
                );
                // Nothing is padded at the end of a line.
                if i + 1 < line.len() {
                    text.push_str(&" ".repeat(widths[i] - cell.width() + 3));
                }
            }
            writeln!(out, "{}", text.trim_end())?;
        }
        Ok(())
    }
}

impl Cell {
    fn presentable(&self) -> Self {
        let text = if self.text.is_empty() {
            "<none>".to_owned()
        } else {
            style::plain(&self.text)
        };
        Self {
            text,
            paint: self.paint,
        }
    }
    fn width(&self) -> usize {
        self.text.chars().count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(wide: bool, headers: bool) -> String {
        let mut table = Table::new(&["NAME", "+ID", "STATE"]);
        table.row(vec![
            "a".into(),
            "7".into(),
            Cell::painted("bad", style::bad),
        ]);
        table.row(vec!["long-name".into(), "".into(), "ok\x1b[2J".into()]);
        let mut out = Vec::new();
        table.write(&mut out, wide, headers).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn columns_line_up_and_colour_takes_no_room() {
        assert_eq!(
            written(true, true),
            "NAME        ID       STATE\na           7        \x1b[31;1mbad\x1b[0m\nlong-name   <none>   ok [2J\n"
        );
    }

    #[test]
    fn wide_columns_and_headers_can_be_left_out() {
        assert_eq!(
            written(false, false),
            "a           \x1b[31;1mbad\x1b[0m\nlong-name   ok [2J\n"
        );
    }
}
