//! Protocols: requests in, rendered answers out. What a request means is decided in `query`.

pub mod http;
mod json;
