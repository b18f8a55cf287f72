//! The field of a NULL struct is what is stored for it.
//!
//! `get_field` gives the child as it is and does not look at which structs are NULL, so `SELECT s['x'] FROM t` gives a
//! value where `s` is NULL, if one is there.
//!
//! Upstream: mended after 55.2, <https://github.com/apache/datafusion/issues/25120>. Events hold no such structs: what is
//! NULL is NULL in all its fields (`event/column.rs`).

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;

    use arrow::array::{Int32Array, RecordBatch, StructArray};
    use arrow::buffer::NullBuffer;
    use arrow::datatypes::{DataType, Field};

    use crate::plan::datafusion::reproduction::{Reproduction, plain};

    #[test]
    fn a_value_shows_through_a_null_struct() {
        let fields = vec![Field::new("x", DataType::Int32, true)].into();
        let values = Arc::new(Int32Array::from(vec![1, 2]));
        let structs = StructArray::new(fields, vec![values], Some(NullBuffer::from(vec![true, false])));
        let context = plain();
        context.register_batch("t", RecordBatch::try_from_iter([("s", Arc::new(structs) as _)]).unwrap()).unwrap();
        let field = Reproduction { tables: "SELECT 1", query: "SELECT s['x'] AS x, s IS NULL AS n FROM t" };
        let message = "delete `datafusion/struct_field_nulls.rs`; structs need not be NULL in all fields any more";
        assert_eq!(field.outcome(&context), "1, false\n2, true", "{message}");
    }
}
