//! Arrow rows as JSON objects, one after the other, within a limit of bytes. How their values look is decided elsewhere.

use arrow::array::RecordBatch;
use bytes::Bytes;

use super::values::{JsonColumn, columns, write_object};
use crate::query::{ErrorKind, QueryError};
use crate::serve::byte_budget::{ByteBudget, Reserved};

/// Rendered rows are counted in parts of about this size.
const PART_BYTES: usize = 256 * 1024;
/// So much is always answered: a row by its key does not wait for those who take large answers slowly.
const ALWAYS_BYTES: usize = 16 * 1024;

/// What an answer may have.
#[derive(Debug, Clone)]
pub(crate) struct AnswerLimits {
    /// Of one answer.
    pub(crate) bytes: usize,
    /// Of all together.
    pub(crate) budget: ByteBudget,
}

impl AnswerLimits {
    /// # Errors
    /// Where an answer has more bytes than it may have.
    pub(crate) fn check(&self, bytes: usize) -> Result<(), QueryError> {
        if bytes <= self.bytes {
            return Ok(());
        }
        let detail = format!("the answer is larger than {} bytes", self.bytes);
        Err(QueryError::new(ErrorKind::TooLarge, detail).hint("select fewer columns or rows"))
    }

    /// # Errors
    /// Where too many bytes of other answers wait for their readers.
    pub(crate) fn reserve(&self, bytes: usize) -> Result<Option<Reserved>, QueryError> {
        if bytes <= ALWAYS_BYTES {
            return Ok(None);
        }
        let reserved = self.budget.reserve(bytes);
        let crowded = || {
            QueryError::new(ErrorKind::Overloaded, "too many bytes of answers wait for their readers to take them")
                .hint("try again later, or read less at once")
        };
        reserved.map(Some).ok_or_else(crowded)
    }
}

/// Items of an answer, comma-separated, without the brackets.
#[derive(Debug)]
pub(crate) struct JsonRows {
    limits: AnswerLimits,
    parts: Vec<Bytes>,
    /// Bytes in `parts`.
    rendered: usize,
    out: Vec<u8>,
    rows: usize,
}

impl JsonRows {
    pub(crate) fn new(limits: AnswerLimits) -> Self {
        JsonRows { limits, parts: Vec::new(), rendered: 0, out: Vec::new(), rows: 0 }
    }

    /// # Errors
    /// Where too many bytes of other answers wait for their readers.
    pub(crate) fn finish(mut self) -> Result<Vec<Bytes>, QueryError> {
        self.seal()?;
        Ok(self.parts)
    }

    /// Appends the rows of a batch. A schema with two columns of one name is refused: an object cannot hold both.
    ///
    /// # Errors
    /// If two columns have one name, a value cannot be written as JSON, or there are too many bytes of this answer or of all.
    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<(), QueryError> {
        let columns = checked(batch)?;
        for row in 0..batch.num_rows() {
            if self.rows > 0 {
                self.out.push(b',');
            }
            write_object(&mut self.out, &columns, row).map_err(|error| QueryError::running(error.into()))?;
            self.rows += 1;
            self.limits.check(self.rendered + self.out.len())?;
            if self.out.len() >= PART_BYTES {
                self.seal()?;
            }
        }
        Ok(())
    }

    fn seal(&mut self) -> Result<(), QueryError> {
        let mut part = std::mem::take(&mut self.out);
        part.shrink_to_fit();
        self.rendered += part.len();
        self.parts.push(match self.limits.reserve(part.len())? {
            Some(reserved) => reserved.hold(part),
            None => Bytes::from(part),
        });
        Ok(())
    }
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

    fn limits(bytes: usize) -> AnswerLimits {
        AnswerLimits { bytes, budget: ByteBudget::new(1 << 20) }
    }

    fn render(columns: Vec<(Field, ArrayRef)>) -> Result<String, QueryError> {
        let (fields, arrays): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap();
        let mut rows = JsonRows::new(limits(1 << 20));
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
        assert_eq!(JsonRows::new(limits(50)).write(&batch).unwrap_err().kind, ErrorKind::TooLarge);
    }

    #[test]
    fn all_answers_together_are_limited_and_small_ones_always_go() {
        let rows_of = |bytes: usize, limits: &AnswerLimits| {
            let (field, array) = one("a", StringArray::from(vec!["x".repeat(1000); bytes / 1000]));
            let batch = RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![array]).unwrap();
            let mut rows = JsonRows::new(limits.clone());
            rows.write(&batch)?;
            rows.finish()
        };
        let limits = limits(1 << 20);
        let waiting = rows_of(700_000, &limits).unwrap();
        assert_eq!(rows_of(700_000, &limits).unwrap_err().kind, ErrorKind::Overloaded);
        assert_eq!(rows_of(10_000, &limits).unwrap().concat().len(), 10_089);
        drop(waiting);
        assert!(rows_of(700_000, &limits).is_ok());
    }
}
