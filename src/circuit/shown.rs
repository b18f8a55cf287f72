//! Rows as people read them, in messages.

use arrow::array::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};

/// Longer rows are cut when they are shown.
const SHOWN_CHARS: usize = 500;

/// One row as `{order_id: 1, status: paid}`.
pub fn shown_row(rows: &RecordBatch, row: usize) -> String {
    cut(&row_text(rows, row))
}

/// The same, cut where it is too long to be shown.
pub(super) fn cut(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}…}}", &text[..end]),
        None => text.to_owned(),
    }
}

/// One row, whole.
pub(super) fn row_text(rows: &RecordBatch, row: usize) -> String {
    let columns: Vec<usize> = (0..rows.num_columns()).collect();
    format!("{{{}}}", shown_columns(rows, row, &columns, ": "))
}

/// Some columns of a row with their names.
pub fn shown_columns(rows: &RecordBatch, row: usize, columns: &[usize], between: &str) -> String {
    let options = FormatOptions::default().with_null("NULL").with_display_error(true);
    let values = columns.iter().map(|&column| {
        let value = match ArrayFormatter::try_new(rows.column(column), &options) {
            Ok(formatter) => formatter.value(row).to_string(),
            Err(error) => format!("({error})"),
        };
        format!("{}{between}{value}", rows.schema_ref().field(column).name())
    });
    values.collect::<Vec<_>>().join(", ")
}
