//! After the story: daemon and JetStream stay up, with commands to try.

use std::path::Path;
use std::time::Duration;

use super::DemoError;
use super::daemon::Daemon;
use super::story::Story;
use crate::cli::run::interrupted;

impl Story {
    /// Prints what to try, and waits for Ctrl-C.
    pub(super) async fn stay_up(&mut self) -> Result<(), DemoError> {
        let (daemon, nats) = (self.daemon()?, &self.setup.nats_url);
        let (url, metrics) = (&daemon.url, &daemon.metrics_url);
        let binary = std::env::current_exe()?;
        let here = std::env::current_dir()?;
        let binary = binary.strip_prefix(&here).map_or(binary.clone(), |path| Path::new(".").join(path));
        println!(
            "
The daemon and JetStream stay up until Ctrl-C. In another terminal, in this folder:

  export READSIDE_URL={url} NATS_URL={nats}
  alias readside={binary}

  readside projection list
  readside projection status customers
  readside query \"SELECT * FROM daily_revenue ORDER BY day\"
  readside search order_search 'broken OR \"loading dock\"' --facet status
  readside events stream ORDERS --from {from}
  readside events append orders.c-01.o-99001 --header 'Event-Type: OrderPlaced' --header 'Event-Version: 3' \\
    '{{\"order_id\": \"o-99001\", \"customer_id\": \"c-01\", \"total\": \"42.00\", \"lines\": []}}'
  readside query \"SELECT * FROM order_details WHERE order_id = 'o-99001'\" --min-position ORDERS:{next} --wait 2s

  curl '{url}/v1/tables/customers?city=Lisbon&sort=-revenue'
  curl '{url}/v1/queries/top_customers?at_least=500'
  curl '{url}/v1/sources/orders'
  curl '{url}/readyz'
  curl '{metrics}/metrics'",
            binary = binary.display(),
            from = self.orders.saturating_sub(2),
            next = self.orders + 1,
        );
        tokio::select! {
            () = interrupted() => Ok(()),
            status = self.daemon_ends() => Err(DemoError::DaemonEnded(status)),
        }
    }

    async fn daemon_ends(&mut self) -> std::process::ExitStatus {
        loop {
            if let Some(status) = self.daemon.as_mut().and_then(Daemon::ended) {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
}
