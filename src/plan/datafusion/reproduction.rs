//! SQL that shows a fault, run in a plain session of DataFusion and in this crate's.
//!
//! For tests alone. A plain session has DataFusion's own rules, functions and settings, but for one partition, so that
//! rows come in one order.
#![allow(clippy::unwrap_used)]

use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::error::Result;
use datafusion::prelude::{SessionConfig, SessionContext};

use super::session;

/// Tables, and a query over them.
pub(super) struct Reproduction {
    /// Statements, divided by semicolons, in the SQL of both sessions.
    pub(super) tables: &'static str,
    pub(super) query: &'static str,
}

impl Reproduction {
    /// Asserts that DataFusion is still wrong: that it gives these rows, or an error that begins like this. Once it is
    /// not, `workaround` can go.
    pub(super) fn is_wrong(&self, wrong: &str, workaround: &str) {
        let outcome = self.outcome(&plain());
        let message = format!("`{}` gives\n{outcome}\nIf that is right now, {workaround}", self.query);
        assert!(outcome == wrong || wrong.starts_with("error: ") && outcome.starts_with(wrong), "{message}");
    }

    /// Asserts what this crate's session gives.
    pub(super) fn is_mended(&self, right: &str) {
        assert_eq!(self.outcome(&session().unwrap()), right, "`{}`", self.query);
    }

    /// Rows as lines, or the error; of a panic too.
    pub(super) fn outcome(&self, context: &SessionContext) -> String {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let context = context.clone();
        let (tables, query) = (self.tables, self.query);
        let run = runtime.spawn(async move { run(&context, tables, query).await });
        match runtime.block_on(run) {
            Ok(Ok(rows)) => rows,
            Ok(Err(error)) => format!("error: {}", error.strip_backtrace()),
            Err(panic) => format!("error: {panic}").replace(|digit: char| digit.is_ascii_digit(), ""),
        }
    }
}

/// A session as it comes from DataFusion.
pub(super) fn plain() -> SessionContext {
    SessionContext::new_with_config(SessionConfig::new().with_target_partitions(1))
}

async fn run(context: &SessionContext, tables: &str, query: &str) -> Result<String> {
    for statement in tables.split(';') {
        context.sql(statement).await?.collect().await?;
    }
    let batches = context.sql(query).await?.collect().await?;
    let options = FormatOptions::default().with_null("NULL");
    let mut lines = Vec::new();
    for batch in &batches {
        let columns = batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options));
        let columns = columns.collect::<std::result::Result<Vec<_>, _>>()?;
        lines.extend((0..batch.num_rows()).map(|row| {
            let values: Vec<String> = columns.iter().map(|column| column.value(row).to_string()).collect();
            values.join(", ")
        }));
    }
    Ok(lines.join("\n"))
}
