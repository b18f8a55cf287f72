//! Protocols: requests in, rendered answers out. What a request means is decided in `query`.

mod answer_bytes;
pub mod audit;
pub mod auth;
mod byte_budget;
pub mod connections;
mod file_version;
mod formats;
pub mod http;
pub(crate) mod json;
pub mod postgres;
pub mod quotas;
pub mod tls;
