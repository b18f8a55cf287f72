//! The steps of the demo, in the order in which they are shown.

mod asking;

use std::collections::BTreeMap;
use std::io::Stdout;
use std::path::Path;
use std::time::Instant;

use serde_json::Value;

use super::answers::{answer, items, json};
use super::books::Books;
use super::daemon::{Daemon, Setup, logged};
use super::poison::EXPECTED;
use super::report::Report;
use super::server::Publisher;
use super::shop::{Fact, Published, Shop, euros};
use super::{DemoArgs, DemoError, until};
use crate::cli::query::{Client, ClientError, DemandArgs, ListArgs, SearchArgs, projection_list, query, search};

/// The daemon may be told to wait this long for a position.
const WAIT: &str = "30s";

pub(super) struct Story {
    pub(super) setup: Setup,
    publisher: Publisher,
    shop: Shop,
    books: Books,
    report: Report<Stdout>,
    pub(super) daemon: Option<Daemon>,
    /// The last sequences of ORDERS and CATALOG.
    pub(super) orders: u64,
    catalog: u64,
}

impl Story {
    pub(super) fn new(args: &DemoArgs, nats_url: String, folder: &Path, publisher: Publisher) -> Self {
        let setup = Setup {
            config: args.config.clone(),
            nats_url,
            data_dir: folder.join("data"),
            log: folder.join("daemon.log"),
        };
        let (shop, books, report) = (Shop::new(), Books::default(), Report::new(std::io::stdout()));
        Self { setup, publisher, shop, books, report, daemon: None, orders: 0, catalog: 0 }
    }

    /// Everything; whether all figures were right.
    pub(super) async fn tell(&mut self, events: u32) -> Result<bool, DemoError> {
        self.shop_publishes(events as usize).await?;
        self.daemon_catches_up().await?;
        self.tables_are_right()?;
        self.tables_can_be_asked()?;
        self.notes_can_be_searched()?;
        self.freshness_is_told()?;
        self.poison_is_parked()?;
        self.writer_reads_its_write().await?;
        self.late_order_corrects_its_day().await?;
        self.crash_loses_nothing().await?;
        Ok(self.report.finish()?)
    }

    async fn shop_publishes(&mut self, events: usize) -> Result<(), DemoError> {
        self.report.step("A shop publishes its events to JetStream")?;
        let catalog = self.shop.catalog();
        let history = self.shop.history(events);
        self.catalog = self.publish(&catalog).await?;
        self.orders = self.publish(&history).await?;
        let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
        for event in history.iter().chain(&catalog).filter(|event| event.fact.is_some()) {
            *kinds.entry(kind(event)).or_default() += 1;
        }
        let poisoned = history.iter().filter(|event| event.fact.is_none()).count();
        let server = &self.setup.nats_url;
        self.report
            .say(&format!("{server}, streams ORDERS ({} messages) and CATALOG ({})", self.orders, self.catalog))?;
        for (kind, count) in kinds {
            self.report.say(&format!("{count:>8}  {kind}"))?;
        }
        self.report.say(&format!("{poisoned:>8}  that no reader can make sense of"))?;
        self.report.say(&format!("{} orders arrive more than a day late.", self.books.late()))?;
        self.report.say("\nOne event in three versions:")?;
        for version in 1..=3 {
            let wanted = format!("OrderPlaced v{version}");
            if let Some(event) = history.iter().find(|event| event.fact.is_some() && kind(event) == wanted) {
                self.report.say(&format!("v{version}  {}", event.body))?;
            }
        }
        Ok(())
    }

    async fn daemon_catches_up(&mut self) -> Result<(), DemoError> {
        self.report.step("The daemon starts and catches up")?;
        let began = Instant::now();
        self.daemon = Some(Daemon::start(&self.setup).await?);
        let started = began.elapsed();
        self.caught_up().await?;
        let total = self.orders + self.catalog;
        let config = self.setup.config.clone();
        self.report.say(&format!(
            "readside run --config {config}: serving after {:.1} s, and {:.1} s later it had applied all {total} messages.",
            started.as_secs_f64(),
            (began.elapsed() - started).as_secs_f64(),
        ))?;
        self.report.say("")?;
        let list = ListArgs { connection: self.connection() };
        self.shown("readside projection list", |out| projection_list(&list, out))
    }

    /// Everything against the books.
    fn tables_are_right(&mut self) -> Result<(), DemoError> {
        self.report.step("Its tables are what the shop's own books say")?;
        let customers = self.totals("SELECT customer_id, orders, revenue FROM customers")?;
        self.same("customers: orders and revenue net of refunds", customers, self.books.customers())?;
        let statuses = self.totals("SELECT status, count(*), sum(total) FROM order_details GROUP BY status")?;
        self.same("order_details: orders and their sum in each status", statuses, self.books.statuses())?;
        let products = self.totals("SELECT sku, sold, revenue FROM product_sales")?;
        self.same("product_sales: quantity and revenue of each product", products, self.books.products())?;
        let prices = self.totals("SELECT sku, 1, price FROM products")?;
        self.same("products: current prices", prices, self.books.prices())?;
        let days = self.totals("SELECT CAST(day AS VARCHAR), orders, revenue FROM daily_revenue")?;
        self.same("daily_revenue: orders and revenue of each day", days, self.books.days())?;
        let late = self.number("SELECT count(*) FROM late_orders")?;
        self.report.check("late_orders: those that came more than a day late", &late, &self.books.late())?;
        Ok(())
    }

    fn tables_can_be_asked(&mut self) -> Result<(), DemoError> {
        self.report.step("Anyone can ask in SQL")?;
        for sql in [
            "SELECT name, city, orders, revenue FROM customers ORDER BY revenue DESC LIMIT 5",
            "SELECT order_id, customer_id, total, status, carrier FROM order_details ORDER BY total DESC LIMIT 5",
            "SELECT name, price, orders, sold, revenue FROM product_sales ORDER BY revenue DESC LIMIT 5",
            "SELECT count(*) AS big, min(revenue) AS least FROM big_customers",
        ] {
            let args = self.query_args(sql);
            self.shown(&format!("readside query \"{sql}\""), |out| query(&args, out))?;
        }
        let big = self.number("SELECT count(*) FROM big_customers")?;
        let expected = self.books.customers().values().filter(|totals| totals.cents >= 250_000).count();
        self.report.check("the view big_customers", &big, &expected)?;
        let body = self.client()?.get(&["v1", "queries", "top_customers"], &[("city", "Lisbon")])?;
        let found: Vec<Value> = items(&body)?.iter().map(|item| item["customer_id"].clone()).collect();
        let mut lisbon: Vec<(i64, &str)> =
            ["c-01", "c-04"].map(|id| (self.books.customers().get(id).map_or(0, |totals| totals.cents), id)).into();
        lisbon.sort_by_key(|(cents, id)| (-cents, *id));
        let expected: Vec<Value> = lisbon.into_iter().map(|(_, id)| id.into()).collect();
        Ok(self.report.check(
            "GET /v1/queries/top_customers?city=Lisbon, the best customer first",
            &found,
            &expected,
        )?)
    }

    fn notes_can_be_searched(&mut self) -> Result<(), DemoError> {
        self.report.step("And search the notes")?;
        let args = SearchArgs {
            name: "order_search".to_owned(),
            query: Some("parcels".to_owned()),
            text: None,
            like: None,
            vector: None,
            k: None,
            filters: Vec::new(),
            facets: vec!["status".to_owned(), "carrier".to_owned()],
            sort: Some("-total".to_owned()),
            limit: Some(3),
            demand: DemandArgs {
                min_position: Some(self.token()),
                wait: Some(WAIT.to_owned()),
                ..DemandArgs::default()
            },
            connection: self.connection(),
        };
        self.shown("readside search order_search parcels --facet status,carrier --sort=-total --limit 3", |out| {
            search(&args, out)
        })?;
        let answer =
            self.client()?.get(&["v1", "search", "order_search"], &[("q", "parcels"), ("highlight", "notes")])?;
        let answer = json(&answer)?;
        let total = answer["total"].as_u64().unwrap_or_default() as usize;
        self.report.check(
            "orders whose notes speak of parcels, in whatever form",
            &total,
            &self.books.noted("parcel"),
        )?;
        let passage = &answer["items"][0]["highlights"]["notes"];
        let text = passage["text"].as_str().unwrap_or_default();
        let place = |end: usize| passage["marks"][0][end].as_u64().unwrap_or_default() as usize;
        let marked = text.get(place(0)..place(1)).unwrap_or_default();
        self.report.check("the word that matched is marked", &marked, &"parcel")?;
        Ok(())
    }

    fn freshness_is_told(&mut self) -> Result<(), DemoError> {
        self.report.step("Every answer says how fresh it is")?;
        let body = self.client()?.get(&["v1", "sources"], NO_QUERY)?;
        for source in items(&body)? {
            let of = |name: &str| source[name].as_str().unwrap_or("none").to_owned();
            self.report.say(&format!(
                "{}: {}, at {} of {}, {} events behind, event time up to {} for certain",
                of("name"),
                of("state"),
                source["position"],
                source["lastSequence"],
                source["lagEvents"],
                of("watermark"),
            ))?;
        }
        let freshness = |body: &str| Ok::<_, DemoError>(json(body)?["freshness"].clone());
        let customers = freshness(&self.client()?.get(&["v1", "tables", "customers"], &[("pageSize", "1")])?)?;
        let products = freshness(&self.client()?.get(&["v1", "tables", "products"], &[("pageSize", "1")])?)?;
        let state = (&customers["state"], &customers["lagEvents"], &customers["incomplete"]);
        let expected = (&"live".into(), &0.into(), &true.into());
        self.report.check(
            "customers: live and 0 events behind, but incomplete, for events are parked",
            &state,
            &expected,
        )?;
        self.report.check("products: complete", &&products["incomplete"], &&Value::Bool(false))?;
        let metrics = Client::new(&self.daemon()?.metrics_url).get(&["metrics"], NO_QUERY)?;
        let lags = metrics.lines().filter(|line| line.starts_with("projection_lag_seconds{"));
        let lags: Vec<&str> = lags.filter(|line| line.contains("customers") || line.contains("products\"")).collect();
        let command = format!("curl -s {}/metrics | grep ^projection_lag_seconds", self.daemon()?.metrics_url);
        self.report.command(&command, &lags.join("\n"))?;
        Ok(())
    }

    fn poison_is_parked(&mut self) -> Result<(), DemoError> {
        self.report.step("Nothing is skipped in silence: what cannot be read is parked with its reason")?;
        let body = self.client()?.get(&["v1", "sources", "orders"], NO_QUERY)?;
        let source = json(&body)?["item"].clone();
        let parked = source["parkedEvents"].as_array().cloned().unwrap_or_default();
        let mut found = Vec::new();
        for event in parked.iter().rev() {
            let of = |name: &str| event[name].as_str().unwrap_or_default();
            let sequence = event["sequence"].as_u64().unwrap_or_default();
            self.report.say(&format!("{sequence:>6}  {:<16} {:<18} {}", of("reason"), of("pointer"), of("detail")))?;
            found.push((of("reason").to_owned(), event["pointer"].as_str().map(str::to_owned)));
        }
        self.report.say("")?;
        let expected = EXPECTED.map(|(reason, pointer)| (reason.to_owned(), pointer.map(str::to_owned)));
        Ok(self.report.check("all poisoned events, with reason and pointer, in order", &found, &expected.to_vec())?)
    }

    async fn writer_reads_its_write(&mut self) -> Result<(), DemoError> {
        self.report.step("A writer reads its own write")?;
        let event = self.shop.order_of("c-03", false);
        let Some(Fact::Placed(order)) = event.fact.clone() else { return Err(answer("the shop made no order")) };
        let began = Instant::now();
        let sequence = self.publish(&[event]).await?;
        let position = format!("ORDERS:{sequence}");
        let demand = [("minPosition", position.as_str()), ("wait", "2s")];
        let row = json(&self.client()?.get(&["v1", "tables", "order_details", &order.id], &demand)?)?;
        let took = began.elapsed().as_secs_f64() * 1_000.0;
        self.report.say(&format!(
            "order {} was stored as {position}; {took:.1} ms after publishing began it was read:",
            order.id
        ))?;
        let url = self.daemon()?.url.clone();
        let path = format!("curl '{url}/v1/tables/order_details/{}?minPosition={position}&wait=2s'", order.id);
        self.report.command(&path, &row["item"].to_string())?;
        let found = (&row["item"]["total"], &row["freshness"]["caughtUpToRequestedPosition"]);
        self.report.check("the row is there", &found, &(&euros(order.cents).into(), &true.into()))?;
        let beyond = format!("orders:{}", sequence + 1_000);
        let refused = self
            .client()?
            .get(&["v1", "tables", "order_details", &order.id], &[("minPosition", beyond.as_str()), ("wait", "200ms")]);
        let status = match refused {
            Err(ClientError::Refused { status, detail, .. }) => {
                self.report.say(&format!("a position that nobody has written: {detail}"))?;
                status
            }
            Ok(_) => 200,
            Err(error) => return Err(error.into()),
        };
        self.report.check("no stale row in its place, but a 409", &status, &409)?;
        self.orders = sequence;
        Ok(())
    }

    async fn late_order_corrects_its_day(&mut self) -> Result<(), DemoError> {
        self.report.step("An order that comes days late corrects the day on which it was placed")?;
        let event = self.shop.order_of("c-05", true);
        let Some(Fact::Placed(order)) = event.fact.clone() else { return Err(answer("the shop made no order")) };
        let day = order.at.date_naive().to_string();
        let sql = format!("SELECT day, orders, revenue, late_orders FROM daily_revenue WHERE day = '{day}'");
        for when in ["before", "after"] {
            if when == "after" {
                self.orders = self.publish(std::slice::from_ref(&event)).await?;
            }
            let args = self.query_args(&sql);
            self.shown(&format!("readside query \"{sql}\"  # {when}"), |out| query(&args, out))?;
        }
        let days = self.totals("SELECT CAST(day AS VARCHAR), orders, revenue FROM daily_revenue")?;
        self.same("every day as in the books", days, self.books.days())
    }

    async fn crash_loses_nothing(&mut self) -> Result<(), DemoError> {
        self.report.step("Killed in the middle of its work, it loses nothing and counts nothing twice")?;
        let metrics = Client::new(&self.daemon()?.metrics_url);
        let checkpoint = || {
            let text = metrics.get(&["metrics"], NO_QUERY).ok()?;
            let count = text.lines().find_map(|line| line.strip_prefix("checkpoint_duration_seconds_count "))?;
            (count != "0").then_some(())
        };
        until("a checkpoint", checkpoint, || None).await?;
        let before = self.shop.further(40);
        self.orders = self.publish(&before).await?;
        self.caught_up().await?;
        let daemon = self.daemon.as_mut().ok_or_else(|| answer("no daemon runs"))?;
        let id = daemon.id();
        daemon.kill()?;
        let meanwhile = self.shop.further(40);
        self.orders = self.publish(&meanwhile).await?;
        let price = self.shop.price("p-02", 1390);
        self.catalog = self.publish(&[price]).await?;
        let began = Instant::now();
        self.daemon = Some(Daemon::start(&self.setup).await?);
        self.caught_up().await?;
        let resumed = logged(&self.setup.log, "continuing from the last checkpoint");
        let cut = resumed.as_ref().and_then(|fields| fields["cut"].as_str()).unwrap_or("the beginning");
        self.report.say(&format!(
            "kill -9 {id}, after {} more events and before {} others; the daemon was back at ORDERS:{} after {:.1} s,",
            before.len(),
            meanwhile.len(),
            self.orders,
            began.elapsed().as_secs_f64()
        ))?;
        self.report.say(&format!("having continued from its last checkpoint at {cut}.\n"))?;
        let is_checkpoint = resumed.is_some();
        self.report.check("it continued from a checkpoint", &is_checkpoint, &true)?;
        self.tables_are_right_again()
    }

    fn tables_are_right_again(&mut self) -> Result<(), DemoError> {
        let customers = self.totals("SELECT customer_id, orders, revenue FROM customers")?;
        self.same("customers as in the books", customers, self.books.customers())?;
        let statuses = self.totals("SELECT status, count(*), sum(total) FROM order_details GROUP BY status")?;
        self.same("order_details as in the books", statuses, self.books.statuses())?;
        let products = self.totals("SELECT sku, sold, revenue FROM product_sales")?;
        self.same("product_sales as in the books", products, self.books.products())?;
        let prices = self.totals("SELECT sku, 1, price FROM product_sales")?;
        self.same("and its prices, which a join takes from the other source", prices, self.books.prices())?;
        let demand = [("q", "parcels"), ("minPosition", &self.token()), ("wait", WAIT)];
        let found = json(&self.client()?.get(&["v1", "search", "order_search"], &demand)?)?;
        let total = found["total"].as_u64().unwrap_or_default() as usize;
        self.report.check("the search too", &total, &self.books.noted("parcel"))?;
        let parked = json(&self.client()?.get(&["v1", "sources", "orders"], NO_QUERY)?)?;
        let parked = parked["item"]["parkedEvents"].as_array().map_or(0, Vec::len);
        self.report.check("the parked events are still parked", &parked, &EXPECTED.len())?;
        Ok(())
    }

    pub(super) async fn delete_streams(&self) -> Result<(), DemoError> {
        self.publisher.delete_streams().await
    }

    async fn publish(&mut self, events: &[Published]) -> Result<u64, DemoError> {
        events.iter().for_each(|event| self.books.enter(event));
        self.publisher.publish(events).await
    }
}

const NO_QUERY: &[(&str, &str)] = &[];

/// `OrderPlaced v2`
fn kind(event: &Published) -> String {
    let of = |wanted: &str| event.headers.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.as_str());
    match (of("Event-Type"), of("Event-Version")) {
        (Some(name), Some(version)) => format!("{name} v{version}"),
        _ => of("ce-type").unwrap_or_default().to_owned(),
    }
}
