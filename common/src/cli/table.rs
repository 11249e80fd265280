//! Columns for people.

use std::io::{self, IsTerminal};

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Between two columns.
const GAP: usize = 2;

/// The last column is wrapped to no less than this many cells.
const NARROWEST: usize = 20;

/// Columns as wide as their widest cell. Where standard output is a terminal too narrow for them, the last column is
/// wrapped; elsewhere each row is one line, so that line tools can read it.
pub fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let terminal = io::stdout()
        .is_terminal()
        .then(terminal_size::terminal_size)
        .flatten();
    lay_out(rows, terminal.map(|(width, _)| usize::from(width.0)))
}

fn lay_out<const N: usize>(rows: &[[String; N]], width: Option<usize>) -> String {
    // Once for all rows: there may be thousands.
    let widest: [usize; N] = std::array::from_fn(|column| {
        let widths = rows.iter().map(|row| row[column].width());
        widths.max().unwrap_or(0)
    });
    let before: usize = widest
        .iter()
        .take(N.saturating_sub(1))
        .map(|width| width + GAP)
        .sum();
    let room = width
        .map(|width| width.saturating_sub(before))
        .filter(|room| *room >= NARROWEST);
    let mut lines: Vec<String> = Vec::new();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            if column + 1 < N {
                let padding = widest[column] - cell.width() + GAP;
                line.push_str(cell);
                line.extend(std::iter::repeat_n(' ', padding));
            }
        }
        let last = row.last().map_or("", String::as_str);
        for part in wrap(last, room.unwrap_or(usize::MAX)) {
            line.push_str(&part);
            lines.push(line.trim_end().to_owned());
            line = " ".repeat(before);
        }
    }
    lines.join("\n")
}

/// Lines of at most `room` cells, broken at spaces, or within a word that is longer. At least one.
fn wrap(text: &str, room: usize) -> Vec<String> {
    if text.width() <= room {
        return vec![text.to_owned()];
    }
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split(' ') {
        let fits = used + usize::from(used > 0) + word.width() <= room;
        if used > 0 && fits {
            push(&mut lines, &mut used, ' ');
        } else if used > 0 {
            lines.push(String::new());
            used = 0;
        }
        for c in word.chars() {
            if used + c.width().unwrap_or(0) > room {
                lines.push(String::new());
                used = 0;
            }
            push(&mut lines, &mut used, c);
        }
    }
    lines
}

fn push(lines: &mut [String], used: &mut usize, c: char) {
    if let Some(line) = lines.last_mut() {
        line.push(c);
        *used += c.width().unwrap_or(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows<const N: usize>(rows: &[[&str; N]]) -> Vec<[String; N]> {
        rows.iter().map(|row| row.map(str::to_owned)).collect()
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_the_last_one_is_not_padded() {
        let rows = rows(&[["NAME", "STATE"], ["a", "ok"], ["longer", ""]]);
        assert_eq!(lay_out(&rows, None), "NAME    STATE\na       ok\nlonger");
    }

    #[test]
    fn a_column_counts_cells_of_the_display_not_characters() {
        // Two wide characters, and an e with a combining accent.
        let rows = rows(&[["東京", "1"], ["abcd", "2"], ["cafe\u{301}", "3"]]);
        assert_eq!(lay_out(&rows, None), "東京  1\nabcd  2\ncafe\u{301}  3");
    }

    #[test]
    fn the_last_column_is_wrapped_where_the_terminal_is_too_narrow() {
        let rows = rows(&[["a", "one.acme.example, two.acme.example"], ["b", "x"]]);
        assert_eq!(
            lay_out(&rows, Some(24)),
            "a  one.acme.example,\n   two.acme.example\nb  x"
        );
        let long = [["a".to_owned(), "x".repeat(30)]];
        assert_eq!(
            lay_out(&long, Some(23)),
            format!("a  {}\n   {}", "x".repeat(20), "x".repeat(10))
        );
    }

    #[test]
    fn a_terminal_that_leaves_the_last_column_no_room_wraps_nothing() {
        let rows = rows(&[["a long first column", "one, two"]]);
        assert_eq!(lay_out(&rows, Some(30)), "a long first column  one, two");
    }
}
