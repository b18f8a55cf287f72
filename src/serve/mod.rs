//! Protocols: requests in, rendered answers out. What a request means is decided in `query`.

pub mod audit;
pub mod auth;
mod byte_budget;
pub mod connections;
mod file_version;
pub mod http;
pub(crate) mod json;
pub mod postgres;
pub mod quotas;
pub mod tls;
