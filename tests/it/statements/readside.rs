//! A daemon that readers ask.

use std::path::PathBuf;

use serde_json::Value;

use super::fixture;
use super::json::Json;
use crate::crash::daemon::Daemon;
use crate::support::DEADLINE;

/// Rows of Readside's, with the types of their columns.
pub(super) struct Answer {
    pub(super) types: Vec<String>,
    pub(super) rows: Vec<Vec<Json>>,
}

pub(super) struct Readers(Daemon);

impl Readers {
    /// Starts a daemon that has applied all events.
    pub(super) fn start(events: usize) -> Self {
        let daemon = Daemon::start(&PathBuf::from(fixture::FOLDER).join("readside.yaml"));
        daemon.wait("last event", DEADLINE, |daemon| {
            let (_, source) = daemon.get("/v1/sources/shop");
            (source["item"]["position"] == events).then_some(())
        });
        Self(daemon)
    }

    /// # Errors
    /// The answer's, as a person reads it.
    pub(super) fn ask(&self, sql: &str) -> Result<Answer, String> {
        let (status, answer) = self.0.post("/v1/sql", &serde_json::json!({ "sql": sql }));
        if status != 200 {
            return Err(format!("{status}: {answer}"));
        }
        let columns = answer["columns"].as_array().unwrap();
        let text = |column: &Value, what: &str| column[what].as_str().unwrap().to_owned();
        let value = |row: &Value, column: &Value| Json::parse(&row[text(column, "name")].to_string()).unwrap();
        let row = |row: &Value| columns.iter().map(|column| value(row, column)).collect();
        Ok(Answer {
            types: columns.iter().map(|column| text(column, "type")).collect(),
            rows: answer["items"].as_array().unwrap().iter().map(row).collect(),
        })
    }
}
