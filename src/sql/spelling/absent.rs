//! Functions that other engines have and that are not here, and what to write instead.

/// What to write where PostgreSQL has a condition by a path of SQL/JSON.
pub(super) const WITHOUT_PATH: &str =
    "`EXISTS (SELECT 1 FROM jsonb_array_elements(j -> 'a') AS e(x) WHERE …)` or `j @> '{\"a\": 1}'`";

const STRPOS: &str = "`strpos(x, 'a')`";
const TIME_AND_INTERVAL: &str = "`t + n * INTERVAL '1 day'`";
const DIFFERENCE: &str = "`date_diff('day', a, b)`";
const MEMBER: &str = "`j ->> 'a'`, or `j #>> '{a,b}'`";
const RANGE: &str =
    "two columns, and `a.starts <= t AND t < a.ends`, or `(a.starts, a.ends) OVERLAPS (b.starts, b.ends)`";
const SEARCH: &str = "a projection of `kind: search`, which finds words, beginnings and typing errors";
const NO_XML: &str = "JSON: `jsonb_build_object('a', x)`, `jsonb_agg(x)`";
const NOW: &str = "`_time` for when an event happened, or `now()` in a view or a reader's query";
const WRITE_NOW: &str = "write `_time` for when an event happened, or `now()` in a view or a reader's query";
const NO_USER: &str = "rows are the same for all who read them, and a policy says which of them somebody sees";
const IDENTITY: &str = "what tells events apart: `_id`, `_seq`, or `sha256(_id)`";

const ABSENT: &[(&str, &str)] = &[
    ("approx_count_distinct", "`count(DISTINCT x)`"),
    ("approx_quantile", "`percentile_cont(0.5) WITHIN GROUP (ORDER BY x)`"),
    ("quantile", "`percentile_disc(0.5) WITHIN GROUP (ORDER BY x)`"),
    ("width_bucket", "`CAST(floor((x - low) / width) AS BIGINT) + 1`"),
    ("collect_list", "`array_agg(x)`"),
    ("collect_set", "`array_agg(DISTINCT x)`"),
    ("sum_if", "`sum(x) FILTER (WHERE …)`"),
    ("sumif", "`sum(x) FILTER (WHERE …)`"),
    ("avg_if", "`avg(x) FILTER (WHERE …)`"),
    ("avgif", "`avg(x) FILTER (WHERE …)`"),
    ("safe_divide", "`x / nullif(y, 0)`"),
    ("isnull", "`x IS NULL`, or `coalesce(x, y)` for another value"),
    ("zeroifnull", "`coalesce(x, 0)`"),
    ("nullifzero", "`nullif(x, 0)`"),
    // Times.
    ("dateadd", TIME_AND_INTERVAL),
    ("timestampadd", TIME_AND_INTERVAL),
    ("adddate", TIME_AND_INTERVAL),
    ("add_months", "`t + n * INTERVAL '1 month'`"),
    ("date_sub", "`t - n * INTERVAL '1 day'`"),
    ("subdate", "`t - n * INTERVAL '1 day'`"),
    ("timestampdiff", DIFFERENCE),
    ("months_between", "`date_diff('month', b, a)`"),
    ("eomonth", "`last_day(t)`"),
    ("datename", "`to_char(t, '%A')`"),
    ("unix_timestamp", "`date_part('epoch', t)`"),
    ("str_to_date", "`to_timestamp(x, '%Y-%m-%d')`"),
    ("getdate", NOW),
    ("sysdate", NOW),
    ("curdate", NOW),
    ("clock_timestamp", NOW),
    ("statement_timestamp", NOW),
    ("transaction_timestamp", NOW),
    // Ranges.
    ("int4range", RANGE),
    ("int8range", RANGE),
    ("numrange", RANGE),
    ("daterange", RANGE),
    ("tsrange", RANGE),
    ("tstzrange", RANGE),
    ("range_agg", RANGE),
    // Texts.
    ("charindex", STRPOS),
    ("locate", STRPOS),
    ("mid", "`substr(x, 1, 2)`"),
    ("space", "`rpad('', n)`"),
    ("replicate", "`rpad('', n * length(x), x)`"),
    ("regexp_substr", "`(regexp_match(x, '(a.*)'))[1]`"),
    ("to_number", "`CAST(x AS DECIMAL(20, 6))`"),
    ("to_varchar", "`CAST(x AS TEXT)`"),
    ("hashtext", "`md5(x)`"),
    ("to_tsvector", SEARCH),
    ("to_tsquery", SEARCH),
    ("plainto_tsquery", SEARCH),
    ("phraseto_tsquery", SEARCH),
    ("websearch_to_tsquery", SEARCH),
    ("ts_rank", SEARCH),
    ("ts_headline", SEARCH),
    ("similarity", "a projection of `kind: search`, or `levenshtein(a, b)`"),
    // What is other at each call.
    ("gen_random_uuid", IDENTITY),
    ("uuid_generate_v4", IDENTITY),
    ("nextval", IDENTITY),
    // Lists and structs.
    ("explode", "`FROM t, unnest(t.list) AS x`"),
    ("array_size", "`cardinality(list)`"),
    ("struct_pack", "`{'a': x}`"),
    // JSON.
    ("jsonb_pretty", "the value itself: what reads it lays it out"),
    ("jsonb_path_exists", WITHOUT_PATH),
    ("jsonb_path_match", WITHOUT_PATH),
    ("jsonb_path_query", "`FROM …, jsonb_array_elements(j #> '{a,b}') AS e(x) WHERE …`"),
    ("jsonb_path_query_array", "`jsonb_agg(x)` with `FROM …, jsonb_array_elements(j #> '{a,b}') AS e(x) WHERE …`"),
    ("jsonb_path_query_first", "`j #> '{a,b,0}'`"),
    ("jsonb_populate_record", "`FROM t, jsonb_to_record(t.j) AS r(a int, b text)`"),
    ("json_populate_record", "`FROM t, json_to_record(t.j) AS r(a int, b text)`"),
    ("jsonb_populate_recordset", "`FROM t, jsonb_to_recordset(t.j) AS r(a int, b text)`"),
    ("json_populate_recordset", "`FROM t, json_to_recordset(t.j) AS r(a int, b text)`"),
    ("json_arrayagg", "`json_agg(x) FILTER (WHERE x IS NOT NULL)`"),
    ("json_objectagg", "`json_object_agg(k, x)`"),
    ("json_value", MEMBER),
    ("json_query", "`j -> 'a'`, or `j #> '{a,b}'`"),
    ("get_json_object", MEMBER),
    ("json_scalar", "`to_json(x)`"),
    ("json_serialize", "`j::text`"),
    ("parse_json", "`x::json`"),
    ("try_parse_json", "`CASE WHEN json_valid(x) THEN x::json END`"),
    // XML.
    ("xmlagg", NO_XML),
    ("xmlelement", NO_XML),
    ("xmlforest", NO_XML),
    ("xpath", NO_XML),
];

/// Words that other engines take for a value where no column has the name, and what to write instead.
const ABSENT_WORDS: &[(&str, &str)] = &[
    ("current_user", NO_USER),
    ("session_user", NO_USER),
    ("current_role", NO_USER),
    ("localtimestamp", WRITE_NOW),
    ("localtime", WRITE_NOW),
    ("systimestamp", WRITE_NOW),
    ("rownum", "write `LIMIT n`, or `row_number() OVER (ORDER BY x)`"),
];

/// What to write instead of a function that is not here; the name is in small letters.
pub(in crate::sql) fn instead_of(name: &str) -> Option<&'static str> {
    ABSENT.iter().find(|(absent, _)| *absent == name).map(|(_, instead)| *instead)
}

/// The same of a word that is no column.
pub(in crate::sql) fn instead_of_word(word: &str) -> Option<&'static str> {
    ABSENT_WORDS.iter().find(|(absent, _)| *absent == word).map(|(_, instead)| *instead)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeSet;

    use datafusion::execution::FunctionRegistry;
    use datafusion::prelude::SessionContext;

    use super::*;

    #[test]
    fn each_is_there_once_and_is_no_function() {
        let mut context = SessionContext::new();
        crate::sql::register_functions(&mut context).unwrap();
        let state = context.state();
        let names: BTreeSet<&str> = ABSENT.iter().map(|(name, _)| *name).collect();
        assert_eq!(names.len(), ABSENT.len());
        for name in names {
            assert!(state.udf(name).is_err() && state.udaf(name).is_err() && state.udwf(name).is_err(), "{name}");
        }
    }
}
