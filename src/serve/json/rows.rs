//! Arrow rows as JSON objects, one after the other or a line each. How their values look is decided elsewhere, and how many bytes
//! there may be too.

use arrow::array::RecordBatch;
use bytes::Bytes;

use super::values::{JsonColumn, columns, write_object};
use crate::query::QueryError;
use crate::serve::answer_bytes::{AnswerBytes, AnswerLimits};

/// Objects of an answer.
#[derive(Debug)]
pub(crate) struct JsonRows {
    bytes: AnswerBytes,
    layout: Layout,
    rows: usize,
}

/// What stands between objects.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Layout {
    /// A comma. What is around them is whoever's who asks for them.
    Items,
    /// Each is a line of its own.
    Lines,
}

impl JsonRows {
    /// Items of a list, comma-separated, without the brackets.
    pub(crate) fn items(limits: AnswerLimits) -> Self {
        JsonRows { bytes: AnswerBytes::new(limits), layout: Layout::Items, rows: 0 }
    }

    /// Newline-delimited JSON.
    pub(crate) fn lines(limits: AnswerLimits) -> Self {
        JsonRows { layout: Layout::Lines, ..Self::items(limits) }
    }

    /// # Errors
    /// Where too many bytes of other answers wait for their readers.
    pub(crate) fn finish(self) -> Result<Vec<Bytes>, QueryError> {
        self.bytes.finish()
    }

    /// Appends the rows of a batch. A schema with two columns of one name is refused: an object cannot hold both.
    ///
    /// # Errors
    /// If two columns have one name, a value cannot be written as JSON, or there are too many bytes of this answer or of all.
    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<(), QueryError> {
        let columns = checked(batch)?;
        for row in 0..batch.num_rows() {
            let out = self.bytes.out();
            if self.layout == Layout::Items && self.rows > 0 {
                out.push(b',');
            }
            let begin = out.len();
            write_object(out, &columns, row).map_err(|error| QueryError::running(error.into()))?;
            if self.layout == Layout::Lines {
                end_line(out, begin);
            }
            self.rows += 1;
            self.bytes.advance()?;
        }
        Ok(())
    }
}

/// Ends the object that begins there. Line breaks in it stand between the tokens of a column of JSON, which comes as it was written: in a
/// string they are escaped.
fn end_line(out: &mut Vec<u8>, begin: usize) {
    for byte in &mut out[begin..] {
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
    out.push(b'\n');
}

fn checked(batch: &RecordBatch) -> Result<Vec<JsonColumn>, QueryError> {
    let schema = batch.schema();
    for (index, field) in schema.fields().iter().enumerate() {
        if schema.fields()[..index].iter().any(|other| other.name() == field.name()) {
            return Err(QueryError::invalid(format!("two columns are named `{}`", field.name()))
                .hint("give one of them another name with AS"));
        }
    }
    columns(schema.fields(), batch.columns()).map_err(|error| QueryError::running(error.into()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::HashMap;
    use std::sync::Arc;

    use arrow::array::*;
    use arrow::datatypes::{DataType, Field, Int32Type, Schema};
    use expect_test::expect;

    use super::*;
    use crate::event::JSON_MARK;
    use crate::query::ErrorKind;
    use crate::serve::byte_budget::ByteBudget;

    fn limits(bytes: usize) -> AnswerLimits {
        AnswerLimits { bytes, budget: ByteBudget::new(1 << 20) }
    }

    fn render(columns: Vec<(Field, ArrayRef)>) -> Result<String, QueryError> {
        let (fields, arrays): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap();
        let mut rows = JsonRows::items(limits(1 << 20));
        rows.write(&batch)?;
        Ok(String::from_utf8(rows.finish()?.concat()).unwrap())
    }

    fn one(name: &str, array: impl Array + 'static) -> (Field, ArrayRef) {
        (Field::new(name, array.data_type().clone(), true), Arc::new(array))
    }

    #[test]
    fn every_kind_of_value_has_one_form() {
        let micros = TimestampMicrosecondArray::from(vec![Some(1_769_852_345_000_001), None]).with_timezone("UTC");
        let decimal = Decimal128Array::from(vec![Some(1990), Some(-5)]).with_precision_and_scale(18, 2).unwrap();
        let json = Field::new("json", DataType::Utf8, true)
            .with_metadata(HashMap::from([(JSON_MARK.to_owned(), "true".to_owned())]));
        let json_text: ArrayRef = Arc::new(StringArray::from(vec![Some(r#" {"a":[1]} "#), Some("not json")]));
        let list = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None]), None]);
        let mut map = MapBuilder::new(None, StringBuilder::new(), Int64Builder::new());
        map.keys().append_value("k\"1");
        map.values().append_value(1);
        map.append(true).unwrap();
        map.append(false).unwrap();
        let inner: ArrayRef = Arc::new(Float64Array::from(vec![0.1, f64::NAN]));
        let structs = StructArray::from(vec![(Arc::new(Field::new("x", DataType::Float64, true)), inner)]);
        let rendered = render(vec![
            one("i", Int64Array::from(vec![Some(9_007_199_254_740_993), None])),
            one("f", Float32Array::from(vec![0.1, f32::NEG_INFINITY])),
            one("d", decimal),
            one("t", micros),
            one("day", Date32Array::from(vec![0, -1])),
            one("s", StringArray::from(vec!["a\"\n", "é"])),
            one("bin", BinaryArray::from(vec![b"\x00\xff".as_slice(), b""])),
            (json, json_text),
            one("l", list),
            one("m", map.finish()),
            one("o", structs),
        ]);
        expect![[r#"{"i":9007199254740993,"f":0.1,"d":"19.90","t":"2026-01-31T09:39:05.000001Z","day":"1970-01-01","s":"a\"\n","bin":"AP8=","json":{"a":[1]},"l":[1,null],"m":{"k\"1":1},"o":{"x":0.1}},{"i":null,"f":"-Infinity","d":"-0.05","t":null,"day":"1969-12-31","s":"é","bin":"","json":"not json","l":null,"m":null,"o":{"x":"NaN"}}"#]]
        .assert_eq(&rendered.unwrap());
    }

    #[test]
    fn two_columns_of_one_name_are_refused() {
        let twice = render(vec![one("a", Int64Array::from(vec![1])), one("a", Int64Array::from(vec![2]))]);
        assert_eq!(twice.unwrap_err().detail, "two columns are named `a`");
    }

    #[test]
    fn bytes_are_limited() {
        let (field, array) = one("a", StringArray::from(vec!["x".repeat(100)]));
        let batch = RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![array]).unwrap();
        assert_eq!(JsonRows::items(limits(50)).write(&batch).unwrap_err().kind, ErrorKind::TooLarge);
    }

    #[test]
    fn a_row_is_one_line_however_its_json_was_written() {
        let json = Field::new("json", DataType::Utf8, true)
            .with_metadata(HashMap::from([(JSON_MARK.to_owned(), "true".to_owned())]));
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["{\n  \"a\": \"b\\n\"\r\n}", "[1]"]));
        let batch = RecordBatch::try_new(Arc::new(Schema::new(vec![json])), vec![texts]).unwrap();
        let mut rows = JsonRows::lines(limits(1 << 20));
        rows.write(&batch).unwrap();
        let text = String::from_utf8(rows.finish().unwrap().concat()).unwrap();
        assert_eq!(text, "{\"json\":{   \"a\": \"b\\n\"  }}\n{\"json\":[1]}\n");
    }
}
