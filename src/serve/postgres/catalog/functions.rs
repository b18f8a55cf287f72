//! The functions that clients ask the catalog with. What they say of is declared by names; what there is none of, such as comments, is NULL.
//! What they compute of their arguments alone is in `calls`.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};

use super::calls::Call;
use super::numbers::{IndexText, Numbers};
use super::types::formatted;

/// What a function gives.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Gives {
    Constant(ScalarValue),
    /// The text of a number.
    Named(Arc<BTreeMap<i64, String>>),
    /// The number of a name.
    Number(Arc<BTreeMap<String, i64>>),
    /// The text of a text.
    Setting(Arc<BTreeMap<String, String>>),
    /// The name of a type by its number and modifier.
    FormatType,
    /// Whether the last argument is reading.
    MayRead,
    /// How an index would be declared, or one of its columns.
    Index(Arc<BTreeMap<i64, IndexText>>),
    /// What is computed of the arguments alone.
    Computed(Call),
}

/// The functions, by name.
pub(super) struct Functions<'a> {
    pub(super) user: &'a str,
    pub(super) version: &'a str,
    pub(super) settings: BTreeMap<String, String>,
}

const NOTHING: [&str; 25] = [
    "pg_get_expr",
    "obj_description",
    "col_description",
    "shobj_description",
    "pg_get_serial_sequence",
    "pg_get_partkeydef",
    "pg_get_statisticsobjdef_columns",
    "pg_get_function_result",
    "pg_get_function_arguments",
    "pg_get_function_identity_arguments",
    "pg_get_functiondef",
    "pg_get_ruledef",
    "pg_get_triggerdef",
    "pg_tablespace_location",
    "pg_stat_get_numscans",
    "inet_server_addr",
    "inet_client_addr",
    "inet_server_port",
    "pg_current_wal_lsn",
    "pg_last_wal_replay_lsn",
    "pg_get_viewdef",
    "pg_get_function_arg_default",
    "pg_get_function_sqlbody",
    "pg_get_statisticsobjdef",
    "pg_relation_filepath",
];
const TRUE: [&str; 13] = [
    "pg_table_is_visible",
    "pg_type_is_visible",
    "pg_function_is_visible",
    "pg_operator_is_visible",
    "pg_collation_is_visible",
    "pg_opclass_is_visible",
    "pg_conversion_is_visible",
    "pg_statistics_obj_is_visible",
    "has_schema_privilege",
    "has_database_privilege",
    "has_type_privilege",
    "has_language_privilege",
    "pg_has_role",
];
const FALSE: [&str; 7] = [
    "pg_is_in_recovery",
    "pg_relation_is_publishable",
    "pg_is_other_temp_schema",
    "has_function_privilege",
    "has_sequence_privilege",
    "has_tablespace_privilege",
    "has_server_privilege",
];
const ZERO: [&str; 6] = [
    "pg_table_size",
    "pg_relation_size",
    "pg_total_relation_size",
    "pg_indexes_size",
    "pg_database_size",
    "pg_my_temp_schema",
];
const MAY_READ: [&str; 3] = ["has_table_privilege", "has_column_privilege", "has_any_column_privilege"];
const OTHERS: [&str; 13] = [
    "pg_get_userbyid",
    "pg_encoding_to_char",
    "format_type",
    "pg_get_indexdef",
    "pg_get_constraintdef",
    "current_setting",
    "current_database",
    "current_schemas",
    "pg_backend_pid",
    "pg_size_pretty",
    "version",
    "to_regclass",
    "to_regtype",
];
/// Those that are written without parentheses.
const WORDS: [&str; 6] = ["current_user", "session_user", "user", "current_role", "current_catalog", "current_schema"];

/// Whether a function is one of the catalog's alone.
pub(super) fn is_one(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    [&NOTHING[..], &TRUE, &FALSE, &ZERO, &MAY_READ, &OTHERS, &WORDS].concat().contains(&name.as_str())
}

pub(super) fn is_word(name: &str) -> bool {
    WORDS.contains(&name.to_ascii_lowercase().as_str())
}

impl Functions<'_> {
    pub(super) fn all(self, numbers: &Numbers) -> Vec<Arc<ScalarUDF>> {
        let text = |text: &str| Gives::Constant(ScalarValue::from(text));
        let schemas = ScalarValue::List(ScalarValue::new_list_nullable(
            &[ScalarValue::from("pg_catalog"), ScalarValue::from("public")],
            &DataType::Utf8,
        ));
        let relations = Arc::new(numbers.relations.clone());
        let named = |map: &BTreeMap<String, i64>| {
            Gives::Named(Arc::new(map.iter().map(|(name, number)| (*number, name.clone())).collect()))
        };
        let mut all: Vec<(&str, Gives)> = Vec::new();
        all.extend(NOTHING.map(|name| (name, Gives::Constant(ScalarValue::Utf8(None)))));
        all.extend(TRUE.map(|name| (name, Gives::Constant(ScalarValue::from(true)))));
        all.extend(FALSE.map(|name| (name, Gives::Constant(ScalarValue::from(false)))));
        all.extend(ZERO.map(|name| (name, Gives::Constant(ScalarValue::from(0_i64)))));
        all.extend(MAY_READ.map(|name| (name, Gives::MayRead)));
        all.extend(["current_user", "session_user", "user", "current_role"].map(|name| (name, text(self.user))));
        all.extend([
            ("current_catalog", text("readside")),
            ("current_database", text("readside")),
            ("current_schema", text("public")),
            ("current_schemas", Gives::Constant(schemas)),
            ("version", text(&format!("PostgreSQL {}", self.version))),
            ("pg_get_userbyid", text("readside")),
            ("pg_encoding_to_char", text("UTF8")),
            ("pg_backend_pid", Gives::Constant(ScalarValue::from(0_i32))),
            ("pg_size_pretty", text("0 bytes")),
            ("format_type", Gives::FormatType),
            ("regtype_name", Gives::FormatType),
            ("pg_get_indexdef", Gives::Index(Arc::new(numbers.indexes.clone()))),
            ("pg_get_constraintdef", Gives::Named(Arc::new(numbers.constraint_definitions.clone()))),
            ("current_setting", Gives::Setting(Arc::new(self.settings))),
            ("regclass_name", named(&numbers.relations)),
            ("regnamespace_name", named(&numbers.schemas)),
            ("regproc_name", named(&numbers.functions)),
            ("regprocedure_name", named(&numbers.functions)),
            ("regrole_name", text("readside")),
            ("regoper_name", text("-")),
            ("regcollation_name", text("default")),
            ("to_regclass", Gives::Number(relations)),
            ("to_regtype", Gives::Number(Arc::new(numbers.types.clone()))),
        ]);
        all.extend(Call::ALL.map(|(name, call)| (name, Gives::Computed(call))));
        all.into_iter()
            .map(|(name, gives)| Arc::new(ScalarUDF::new_from_impl(SystemFunction::new(name, gives))))
            .collect()
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct SystemFunction {
    name: String,
    gives: Gives,
    signature: Signature,
}

impl SystemFunction {
    fn new(name: &str, gives: Gives) -> Self {
        let takes = vec![TypeSignature::Nullary, TypeSignature::VariadicAny];
        Self { name: name.to_owned(), gives, signature: Signature::one_of(takes, Volatility::Stable) }
    }
}

impl ScalarUDFImpl for SystemFunction {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(match &self.gives {
            Gives::Constant(value) => value.data_type(),
            Gives::Number(_) => DataType::Int64,
            Gives::MayRead => DataType::Boolean,
            Gives::Computed(call) => call.return_type(),
            Gives::Index(_) | Gives::Named(_) | Gives::Setting(_) | Gives::FormatType => DataType::Utf8,
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let argument = |place: usize, to: &DataType| -> Result<Option<ArrayRef>> {
            args.args.get(place).map(|value| Ok(cast(&value.to_array(rows)?, to)?)).transpose()
        };
        let numbers = |place| argument(place, &DataType::Int64);
        let texts = |place| argument(place, &DataType::Utf8);
        let answer: ArrayRef = match &self.gives {
            Gives::Constant(value) => return Ok(ColumnarValue::Scalar(value.clone())),
            Gives::Named(names) => {
                let Some(numbers) = numbers(0)? else { return Ok(ColumnarValue::Scalar(ScalarValue::Utf8(None))) };
                let numbers = numbers.as_primitive::<Int64Type>().iter();
                Arc::new(numbers.map(|number| names.get(&number?).cloned()).collect::<StringArray>())
            }
            Gives::FormatType => {
                let Some(numbers) = numbers(0)? else { return Ok(ColumnarValue::Scalar(ScalarValue::Utf8(None))) };
                let modifiers = argument(1, &DataType::Int64)?;
                let modifier = |row: usize| {
                    let modifiers = modifiers.as_ref()?.as_primitive::<Int64Type>();
                    modifiers.is_valid(row).then(|| modifiers.value(row))
                };
                let numbers = numbers.as_primitive::<Int64Type>().iter().enumerate();
                Arc::new(numbers.map(|(row, number)| Some(formatted(number?, modifier(row)))).collect::<StringArray>())
            }
            Gives::Number(numbers) => {
                let Some(texts) = texts(0)? else { return Ok(ColumnarValue::Scalar(ScalarValue::Int64(None))) };
                let texts = texts.as_string::<i32>().iter();
                let bare = |text: &str| text.rsplit('.').next().unwrap_or(text).trim_matches('"').to_owned();
                // What is a number already stays one.
                let number = |text: &str| text.parse().ok().or_else(|| numbers.get(&bare(text)).copied());
                Arc::new(texts.map(|text| number(text?)).collect::<arrow::array::Int64Array>())
            }
            Gives::Setting(settings) => {
                let Some(texts) = texts(0)? else { return Ok(ColumnarValue::Scalar(ScalarValue::Utf8(None))) };
                let texts = texts.as_string::<i32>().iter();
                Arc::new(texts.map(|text| settings.get(&text?.to_ascii_lowercase()).cloned()).collect::<StringArray>())
            }
            Gives::Index(indexes) => {
                let Some(numbers) = numbers(0)? else { return Ok(ColumnarValue::Scalar(ScalarValue::Utf8(None))) };
                let columns = argument(1, &DataType::Int64)?;
                let column =
                    |row: usize| columns.as_ref().map_or(0, |columns| columns.as_primitive::<Int64Type>().value(row));
                let texts = numbers.as_primitive::<Int64Type>().iter().enumerate().map(|(row, number)| {
                    let index = indexes.get(&number?)?;
                    match column(row) {
                        0 => Some(index.definition.as_str()),
                        column => index.columns.get(usize::try_from(column).ok()? - 1).map(String::as_str),
                    }
                });
                Arc::new(texts.collect::<StringArray>())
            }
            Gives::Computed(call) => {
                let arrays = args.args.iter().map(|value| value.to_array(rows)).collect::<Result<Vec<_>>>()?;
                call.of(&arrays)?
            }
            Gives::MayRead => {
                let last = args.args.len().saturating_sub(1);
                let Some(texts) = texts(last)? else { return Ok(ColumnarValue::Scalar(ScalarValue::Boolean(None))) };
                let reads = |text: &str| text.to_ascii_lowercase().contains("select");
                Arc::new(texts.as_string::<i32>().iter().map(|text| Some(reads(text?))).collect::<BooleanArray>())
            }
        };
        Ok(ColumnarValue::Array(answer))
    }
}
