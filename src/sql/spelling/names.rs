//! Functions that are here under another name, and names that stand for nothing that could be meant.

use datafusion::common::{Result, plan_err};

use super::absent::instead_of;

/// Names of PostgreSQL and DuckDB, and those of the same functions here.
const NAMES: &[(&str, &str)] = &[
    ("arg_max", "max_by"),
    ("argmax", "max_by"),
    ("arg_min", "min_by"),
    ("argmin", "min_by"),
    ("first", "first_value"),
    ("last", "last_value"),
    ("list", "array_agg"),
    ("group_concat", "string_agg"),
    ("listagg", "string_agg"),
    ("every", "bool_and"),
    ("variance", "var_samp"),
    ("quantile_cont", "percentile_cont"),
    ("quantile_disc", "percentile_disc"),
    ("json_agg", "jsonb_agg"),
    ("json_group_array", "jsonb_agg"),
    ("json_object_agg", "jsonb_object_agg"),
    ("json_group_object", "jsonb_object_agg"),
    ("jsonb_array_length", "json_array_length"),
    ("json_exists", "jsonb_exists"),
    ("list_value", "make_array"),
    ("list_pack", "make_array"),
    ("row_to_json", "to_json"),
    ("array_to_json", "to_json"),
    ("strlen", "octet_length"),
    ("ucase", "upper"),
    ("lcase", "lower"),
    ("string_split", "string_to_array"),
    ("str_split", "string_to_array"),
    ("prefix", "starts_with"),
    ("suffix", "ends_with"),
    ("list_contains", "array_has"),
    ("array_contains", "array_has"),
    ("strftime", "to_char"),
    ("datepart", "date_part"),
    ("datetrunc", "date_trunc"),
    ("pow", "power"),
    ("ceiling", "ceil"),
    ("datediff", "date_diff"),
    ("strptime", "to_timestamp"),
    ("array_remove", "array_remove_all"),
    ("array_replace", "array_replace_all"),
    ("sign", "signum"),
];

/// Names of PostgreSQL and DuckDB, each with that of the same function here.
pub fn other_names() -> impl Iterator<Item = (&'static str, &'static str)> {
    NAMES.iter().copied()
}

/// The name of the function here, if it has another one.
///
/// # Errors
/// If there is none, with what to write instead, or PostgreSQL and DuckDB mean something else by it each.
pub(super) fn known(name: &str) -> Result<Option<&'static str>> {
    if name == "regexp_matches" {
        return plan_err!(
            "`regexp_matches` are all groups that match in PostgreSQL, and a condition in DuckDB: write `regexp_match(…)` for the groups \
             of the first match, `FROM …, regexp_matches(x, '…', 'g') AS m` for those of each, or `regexp_like(…)` for the condition"
        );
    }
    if let Some(instead) = instead_of(name) {
        return plan_err!("there is no `{name}`: write {instead}");
    }
    Ok(NAMES.iter().find(|(other, _)| *other == name).map(|(_, known)| *known))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_name_is_there_once_and_leads_to_no_other() {
        let names: BTreeSet<&str> = NAMES.iter().map(|(name, _)| *name).collect();
        assert_eq!(names.len(), NAMES.len());
        assert!(NAMES.iter().all(|(_, known)| !names.contains(known)));
        assert_eq!(known("arg_max").unwrap(), Some("max_by"));
        assert_eq!(known("max_by").unwrap(), None);
    }
}
