//! What an on-call engineer sees: a real Prometheus scrapes a daemon under load, and the rules, the dashboard and the runbook that are
//! written for it hold what they say.

mod dashboard;
mod expressions;
mod files;
mod log;
mod prometheus;
mod rules;
mod scraped;
mod shop;
