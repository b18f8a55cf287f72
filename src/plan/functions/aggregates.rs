//! Every aggregate that this crate knows by its name: the one place where that name is looked at.
//!
//! An aggregate that is not listed is DataFusion's own, depends on no order, and goes over the group's rows.

use crate::circuit::{BitOperation, Spread};

/// What the planner knows of an aggregate.
#[derive(Debug, Clone, Copy)]
pub(in crate::plan) struct Known {
    name: &'static str,
    /// How the circuit follows it; none for one that goes over the group's rows, or is never lowered under this name.
    pub(in crate::plan) lowering: Option<Lowering>,
    /// What its result depends on beside the set of its rows, so that it has to be given a total order.
    pub(in crate::plan) ordered: Option<OrderedForm>,
    /// Whether only this crate's rewriting knows how to compute it.
    pub(in crate::plan) is_own: bool,
    /// Since which revision this crate computes it itself; see [`super::revision`].
    pub(super) revision: Option<u32>,
}

/// How the circuit computes an aggregate, where its types allow that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::plan) enum Lowering {
    Count,
    Sum,
    Average,
    /// A variance, or with `root` a deviation.
    Moments {
        spread: Spread,
        root: bool,
    },
    BoolAnd,
    BoolOr,
    Bits(BitOperation),
    Min,
    Max,
    FirstValue,
    LastValue,
    NthValue,
    Median,
    Percentile,
}

/// How an aggregate that depends on the order of its rows is written with functions that take an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::plan) enum OrderedForm {
    /// The last value, by default the last that is not NULL.
    Latest,
    /// The first value, by default the first that is not NULL.
    Earliest,
    FirstValue,
    LastValue,
    AnyValue,
    NthValue,
    MaxBy,
    MinBy,
    /// All values in a list.
    List,
    /// All values that are not NULL in a list, which may be empty.
    Collect,
    Text,
    Map,
}

use Lowering::{Average, BoolAnd, BoolOr, Count, FirstValue, LastValue, Max, Median, Min, NthValue, Percentile, Sum};

const KNOWN: &[Known] = &[
    // Name, how it is computed, and the revision of that.
    by_set("count", Count, Some(1)),
    by_set("sum", Sum, Some(2)),
    by_set("avg", Average, None),
    by_set("var", Lowering::Moments { spread: Spread::Sample, root: false }, Some(1)),
    by_set("var_samp", Lowering::Moments { spread: Spread::Sample, root: false }, Some(1)),
    by_set("var_pop", Lowering::Moments { spread: Spread::Population, root: false }, Some(1)),
    by_set("stddev", Lowering::Moments { spread: Spread::Sample, root: true }, Some(1)),
    by_set("stddev_samp", Lowering::Moments { spread: Spread::Sample, root: true }, Some(1)),
    by_set("stddev_pop", Lowering::Moments { spread: Spread::Population, root: true }, Some(1)),
    by_set("bool_and", BoolAnd, Some(1)),
    by_set("bool_or", BoolOr, Some(1)),
    by_set("bit_and", Lowering::Bits(BitOperation::And), Some(1)),
    by_set("bit_or", Lowering::Bits(BitOperation::Or), Some(1)),
    by_set("bit_xor", Lowering::Bits(BitOperation::Xor), Some(1)),
    by_set("min", Min, Some(1)),
    by_set("max", Max, Some(1)),
    by_set("median", Median, None),
    by_set("percentile_cont", Percentile, Some(2)),
    by_order("first_value", Some(FirstValue), OrderedForm::FirstValue, Some(1)),
    by_order("last_value", Some(LastValue), OrderedForm::LastValue, Some(1)),
    by_order("nth_value", Some(NthValue), OrderedForm::NthValue, Some(1)),
    by_order("any_value", None, OrderedForm::AnyValue, None),
    by_order("array_agg", None, OrderedForm::List, None),
    by_order("string_agg", None, OrderedForm::Text, None),
    over_rows("mode", Some(1)),
    over_rows("percentile_disc", Some(1)),
    over_rows("corr", Some(1)),
    over_rows("covar_pop", Some(1)),
    over_rows("covar_samp", Some(1)),
    over_rows("regr_slope", Some(1)),
    over_rows("regr_intercept", Some(1)),
    over_rows("regr_r2", Some(1)),
    over_rows("regr_avgx", Some(1)),
    over_rows("regr_avgy", Some(1)),
    over_rows("regr_sxx", Some(1)),
    over_rows("regr_syy", Some(1)),
    over_rows("regr_sxy", Some(1)),
    own("latest", OrderedForm::Latest, Some(1)),
    own("earliest", OrderedForm::Earliest, Some(1)),
    own("max_by", OrderedForm::MaxBy, Some(2)),
    own("min_by", OrderedForm::MinBy, Some(2)),
    own("collect", OrderedForm::Collect, None),
    own("map_agg", OrderedForm::Map, None),
];

/// The properties of an aggregate.
pub(in crate::plan) fn known(name: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.name == name)
}

/// An aggregate that depends on nothing but the set of its rows.
const fn by_set(name: &'static str, lowering: Lowering, revision: Option<u32>) -> Known {
    Known { name, lowering: Some(lowering), ordered: None, is_own: false, revision }
}

/// An aggregate of this crate that depends on nothing but the set of its rows, and goes over those of a group.
const fn over_rows(name: &'static str, revision: Option<u32>) -> Known {
    Known { name, lowering: None, ordered: None, is_own: false, revision }
}

/// An aggregate of DataFusion's that depends on the order of its rows.
const fn by_order(name: &'static str, lowering: Option<Lowering>, form: OrderedForm, revision: Option<u32>) -> Known {
    Known { name, lowering, ordered: Some(form), is_own: false, revision }
}

/// An aggregate that exists in this crate's SQL alone.
const fn own(name: &'static str, form: OrderedForm, revision: Option<u32>) -> Known {
    Known { name, lowering: None, ordered: Some(form), is_own: true, revision }
}

/// What to write instead of an aggregate that is computed approximately, so that its result depends on the order of arrival.
pub(in crate::plan) fn exact_form(name: &str) -> Option<&'static str> {
    match name {
        "approx_distinct" => Some("write `count(DISTINCT x)`"),
        "approx_median" => Some("write `median(x)`"),
        "approx_percentile_cont" | "approx_percentile_cont_with_weight" => Some("write `percentile_cont`"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeSet;

    use datafusion::prelude::SessionContext;

    use super::*;
    use crate::plan::functions::register;

    #[test]
    fn the_names_are_those_of_the_session() {
        let mut context = SessionContext::new();
        register(&mut context).unwrap();
        let state = context.state();
        let names: BTreeSet<&str> = KNOWN.iter().map(|known| known.name).collect();
        assert_eq!(names.len(), KNOWN.len(), "each is there once");
        for known in KNOWN {
            assert!(state.aggregate_functions().contains_key(known.name), "`{}` is no aggregate", known.name);
            assert!(exact_form(known.name).is_none(), "`{}` is refused", known.name);
        }
        // What an alias says is what its function says: the planner sees the function's name.
        let unknown = state.aggregate_functions().iter().filter(|(_, function)| known(function.name()).is_none());
        let unknown: BTreeSet<&str> = unknown.map(|(_, function)| function.name()).collect();
        let refused = |name: &&&str| exact_form(name).is_none();
        let goes_over_rows: Vec<&str> = unknown.iter().filter(refused).copied().collect();
        assert_eq!(goes_over_rows, ["grouping", "regr_count"]);
    }
}
