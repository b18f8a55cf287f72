//! What is known of a plan without running it. Nothing here changes a plan.

pub(super) mod functional_dependencies;
pub(super) mod nodes;
pub(super) mod substitute;
pub(super) mod unique_keys;
