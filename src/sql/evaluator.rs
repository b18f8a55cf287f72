//! What evaluates SQL, as part of the identity of what is computed by it.

use datafusion::DATAFUSION_VERSION;

use crate::identity::Specification;

/// The revision of this room, raised whenever one of its functions gives another value for the same arguments, or a text is read as
/// another expression.
const REVISION: u32 = 4;

/// The version of the crate that brings the `json_…` functions, which does not export it.
const JSON_FUNCTIONS_VERSION: &str = "0.55.6";

/// Adds the libraries that evaluate SQL expressions. Another version of them may give another value, so what was
/// computed by functions, casts and patterns of theirs is computed again after an upgrade. So it is when this room means something
/// else by the same text.
pub fn specify_evaluator(specification: Specification) -> Specification {
    specification.text(DATAFUSION_VERSION).text(JSON_FUNCTIONS_VERSION).number(REVISION)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_version_of_the_json_functions_is_the_one_that_is_built() {
        let locked = include_str!("../../Cargo.lock");
        let (_, package) = locked.split_once("name = \"datafusion-functions-json\"\n").unwrap();
        let version = package.lines().next().unwrap();
        assert_eq!(version, format!("version = \"{JSON_FUNCTIONS_VERSION}\""));
    }
}
