//! Hashes of texts and bytes, for pseudonyms: a text's in hexadecimal digits, as `md5` has it everywhere and DuckDB all; of bytes,
//! `sha256` and its like give bytes, as in PostgreSQL.

use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BinaryArray, StringArray};
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::Result;
use datafusion::execution::FunctionRegistry;
use md5::Md5;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

use super::own::{self, Call, Function, is_text, of_type};

static FUNCTIONS: [&Function; 5] = [
    &Function {
        name: "md5",
        usage: "`md5(text)`",
        takes: text_or_bytes,
        gives: |_| of_type(DataType::Utf8),
        compute: |call| Ok(Arc::new(in_digits(call, hash::<Md5>))),
    },
    &sha("sha224", |call| digest(call, hash::<Sha224>)),
    &sha("sha256", |call| digest(call, hash::<Sha256>)),
    &sha("sha384", |call| digest(call, hash::<Sha384>)),
    &sha("sha512", |call| digest(call, hash::<Sha512>)),
];

pub(super) fn register(registry: &mut dyn FunctionRegistry) -> Result<()> {
    own::register(registry, FUNCTIONS)
}

const fn sha(name: &'static str, compute: fn(&Call<'_>) -> Result<ArrayRef>) -> Function {
    Function { name, usage: "`sha256(text)`", takes: text_or_bytes, gives: as_given, compute }
}

fn text_or_bytes(types: &[DataType]) -> Option<Vec<DataType>> {
    match types {
        [of] if is_text(of) => Some(vec![DataType::Utf8]),
        [of] if of.is_binary() => Some(vec![DataType::Binary]),
        _ => None,
    }
}

fn as_given(fields: &[FieldRef]) -> Result<arrow::datatypes::Field> {
    let of = if fields[0].data_type().is_binary() { DataType::Binary } else { DataType::Utf8 };
    of_type(of)
}

fn hash<D: Digest>(bytes: &[u8]) -> Vec<u8> {
    D::digest(bytes).to_vec()
}

fn hashes<'a>(call: &'a Call<'_>, hash: fn(&[u8]) -> Vec<u8>) -> Box<dyn Iterator<Item = Option<Vec<u8>>> + 'a> {
    match call.arguments[0].data_type() {
        DataType::Binary => Box::new(call.arguments[0].as_binary::<i32>().iter().map(move |bytes| bytes.map(hash))),
        _ => Box::new(call.text(0).iter().map(move |text| text.map(|text| hash(text.as_bytes())))),
    }
}

fn in_digits(call: &Call<'_>, hash: fn(&[u8]) -> Vec<u8>) -> StringArray {
    let digits = |bytes: Vec<u8>| {
        bytes.iter().fold(String::new(), |mut digits, byte| {
            let _ = write!(digits, "{byte:02x}");
            digits
        })
    };
    hashes(call, hash).map(|bytes| bytes.map(digits)).collect()
}

fn digest(call: &Call<'_>, hash: fn(&[u8]) -> Vec<u8>) -> Result<ArrayRef> {
    Ok(match call.gives {
        DataType::Binary => Arc::new(hashes(call, hash).collect::<BinaryArray>()),
        _ => Arc::new(in_digits(call, hash)),
    })
}
