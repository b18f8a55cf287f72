//! Protocols: requests in, rendered answers out. What a request means is decided in `query`.

mod byte_budget;
pub mod http;
pub(crate) mod json;
