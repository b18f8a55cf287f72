//! How the story asks the daemon, and compares its answers with the books.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{NO_QUERY, Story, WAIT};
use crate::cli::demo::answers::{answer, cents, json};
use crate::cli::demo::books::Totals;
use crate::cli::demo::daemon::Daemon;
use crate::cli::demo::shop::euros;
use crate::cli::demo::{DemoError, until};
use crate::cli::query::{Client, ClientError, Connection, DemandArgs, QueryArgs};

impl Story {
    /// The daemon that the story is about.
    ///
    /// # Errors
    /// If it was not started.
    pub(in crate::cli::demo) fn daemon(&self) -> Result<&Daemon, DemoError> {
        self.daemon.as_ref().ok_or_else(|| answer("no daemon runs"))
    }

    pub(super) fn client(&self) -> Result<Client, DemoError> {
        Ok(Client::new(&self.daemon()?.url))
    }

    pub(super) fn connection(&self) -> Connection {
        let url = self.daemon.as_ref().map_or_else(String::new, |daemon| daemon.url.clone());
        Connection { url, json: false }
    }

    /// What an answer has to contain to be compared with the books.
    pub(super) fn token(&self) -> String {
        format!("ORDERS:{},CATALOG:{}", self.orders, self.catalog)
    }

    pub(super) fn query_args(&self, sql: &str) -> QueryArgs {
        let demand =
            DemandArgs { min_position: Some(self.token()), wait: Some(WAIT.to_owned()), ..DemandArgs::default() };
        let params = Vec::new();
        QueryArgs { sql: sql.to_owned(), params, mixed_cuts: false, demand, connection: self.connection() }
    }

    /// Runs a verb of the command line and shows what it prints.
    pub(super) fn shown(
        &mut self,
        command: &str,
        verb: impl FnOnce(&mut dyn std::io::Write) -> Result<(), ClientError>,
    ) -> Result<(), DemoError> {
        let mut output = Vec::new();
        verb(&mut output)?;
        Ok(self.report.command(command, &String::from_utf8_lossy(&output))?)
    }

    /// The rows of an answer that contains everything that was published.
    pub(super) fn ask(&self, sql: &str) -> Result<Vec<Vec<Value>>, DemoError> {
        let body = serde_json::json!({"sql": sql, "minPosition": self.token(), "wait": WAIT});
        let found = json(&self.client()?.post(&["v1", "sql"], &body)?)?;
        let columns = found["columns"].as_array().cloned().unwrap_or_default();
        let names: Vec<&str> = columns.iter().filter_map(|column| column["name"].as_str()).collect();
        let items = found["items"].as_array().cloned().unwrap_or_default();
        Ok(items.iter().map(|item| names.iter().map(|name| item[*name].clone()).collect()).collect())
    }

    /// Waits until everything that was published has been applied, to the search index too.
    pub(super) async fn caught_up(&self) -> Result<(), DemoError> {
        let client = self.client()?;
        let mut position = 0;
        while position < self.orders {
            // However many events there are, it is only stuck when it makes no progress.
            let further = || {
                let source = json(&client.get(&["v1", "sources", "orders"], NO_QUERY).ok()?).ok()?;
                source["item"]["position"].as_u64().filter(|found| *found > position || *found >= self.orders)
            };
            position = until("the daemon to make progress", further, || None).await?;
        }
        self.ask("SELECT 1 FROM customers, products LIMIT 1")?;
        let search = [("q", "parcels".to_owned()), ("minPosition", self.token()), ("wait", WAIT.to_owned())];
        self.client()?.get(&["v1", "search", "order_search"], &search)?;
        Ok(())
    }

    /// Rows of a name, a number and an amount of money.
    pub(super) fn totals(&self, sql: &str) -> Result<BTreeMap<String, Totals>, DemoError> {
        let mut totals = BTreeMap::new();
        for row in self.ask(sql)? {
            let [Value::String(name), count, amount] = row.as_slice() else { return Err(answer(&format!("{row:?}"))) };
            let (count, cents) = (count.as_i64(), amount.as_str().and_then(cents));
            let (Some(count), Some(cents)) = (count, cents) else { return Err(answer(&format!("{row:?}"))) };
            totals.insert(name.clone(), Totals { count, cents });
        }
        Ok(totals)
    }

    pub(super) fn number(&self, sql: &str) -> Result<usize, DemoError> {
        let rows = self.ask(sql)?;
        let number = rows.first().and_then(|row| row.first()?.as_u64());
        number.map(|number| number as usize).ok_or_else(|| answer(&format!("{rows:?}")))
    }

    pub(super) fn same(
        &mut self,
        claim: &str,
        found: BTreeMap<String, Totals>,
        expected: BTreeMap<String, Totals>,
    ) -> Result<(), DemoError> {
        let sum: i64 = expected.values().map(|totals| totals.cents).sum();
        let claim = format!("{claim} ({} rows, {} in all)", expected.len(), euros(sum));
        Ok(self.report.check(&claim, &found, &expected)?)
    }
}
