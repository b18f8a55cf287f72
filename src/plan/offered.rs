//! The functions that an editor offers to whoever writes SQL: those of the session but the ones that a projection may not call.

use datafusion::common::Result;
use datafusion::logical_expr::{Documentation, Volatility};

use super::datafusion::session;
use super::functions::exact_form;
use crate::sql::other_names;

/// A function with what is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferedFunction {
    pub name: String,
    pub kind: FunctionKind,
    /// How it is called, such as `split_part(str, delimiter, pos)`.
    pub syntax: Option<String>,
    /// What it gives, in Markdown.
    pub about: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FunctionKind {
    Scalar,
    Aggregate,
    Window,
}

/// Functions that plans have and no text.
const UNWRITTEN: [&str; 2] = ["averageable", "canonical_float"];

/// All of them by name, each once; the names of other databases among them.
///
/// # Errors
/// If DataFusion refuses one of this crate's functions.
pub fn offered_functions() -> Result<Vec<OfferedFunction>> {
    let state = session()?.state();
    let mut offered = Vec::new();
    for (name, function) in state.scalar_functions() {
        // What does not follow from its arguments, such as `now()`, is refused.
        if function.signature().volatility == Volatility::Immutable {
            offered.push(offer(name, FunctionKind::Scalar, function.documentation()));
        }
    }
    for (name, function) in state.aggregate_functions() {
        if exact_form(function.name()).is_none() {
            offered.push(offer(name, FunctionKind::Aggregate, function.documentation()));
        }
    }
    for (name, function) in state.window_functions() {
        offered.push(offer(name, FunctionKind::Window, function.documentation()));
    }
    let under_another_name = |(name, known): (&str, &str)| {
        let function = offered.iter().find(|function| function.name == known)?;
        Some(OfferedFunction { name: name.to_owned(), ..function.clone() })
    };
    let others: Vec<OfferedFunction> = other_names().filter_map(under_another_name).collect();
    offered.extend(others);
    offered.retain(|function| !UNWRITTEN.contains(&function.name.as_str()));
    offered.sort_by(|a, b| a.name.cmp(&b.name));
    offered.dedup_by(|later, first| later.name == first.name);
    Ok(offered)
}

fn offer(name: &str, kind: FunctionKind, documentation: Option<&Documentation>) -> OfferedFunction {
    OfferedFunction {
        name: name.to_owned(),
        kind,
        syntax: documentation.map(|known| known.syntax_example.clone()),
        about: documentation.map(|known| known.description.trim().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_a_projection_may_not_call_is_not_offered() {
        let functions = offered_functions().unwrap();
        let find = |name: &str| functions.iter().find(|function| function.name == name);
        for refused in ["now", "random", "uuid", "current_date", "approx_distinct"] {
            assert!(find(refused).is_none(), "{refused}");
        }
        for (name, kind) in [
            ("split_part", FunctionKind::Scalar),
            ("latest", FunctionKind::Aggregate),
            ("arg_max", FunctionKind::Aggregate),
            ("row_number", FunctionKind::Window),
        ] {
            assert_eq!(find(name).map(|function| function.kind), Some(kind), "{name}");
        }
        assert!(find("split_part").unwrap().syntax.as_ref().unwrap().starts_with("split_part("));
    }
}
