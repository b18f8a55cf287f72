//! The shop's own books, kept from what was published: what the daemon's read models have to show.
//!
//! Kept in plain Rust and integers of cents, with nothing of the daemon in it.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};

use super::shop::{Fact, Published};

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) count: i64,
    pub(super) cents: i64,
}

/// Everything that was ever published.
#[derive(Debug, Default)]
pub(super) struct Books {
    registered: Vec<String>,
    orders: BTreeMap<String, Booked>,
    by_customer: BTreeMap<String, Totals>,
    days: BTreeMap<NaiveDate, Totals>,
    /// Quantity and cents.
    products: BTreeMap<String, Totals>,
    prices: BTreeMap<String, i64>,
    late: usize,
}

#[derive(Debug, Default)]
struct Booked {
    cents: i64,
    notes: Option<&'static str>,
    changed: Option<(DateTime<Utc>, &'static str)>,
    placed: bool,
}

impl Books {
    pub(super) fn enter(&mut self, published: &Published) {
        match &published.fact {
            None => {}
            Some(Fact::Registered { customer }) => self.registered.push(customer.clone()),
            Some(Fact::Listed { sku, cents } | Fact::Priced { sku, cents }) => {
                self.prices.insert(sku.clone(), *cents);
            }
            Some(Fact::Placed(order)) => {
                let booked = self.orders.entry(order.id.clone()).or_default();
                (booked.cents, booked.notes, booked.placed) = (order.cents, order.notes, true);
                booked.change(order.at, "placed");
                for totals in [
                    self.by_customer.entry(order.customer.clone()).or_default(),
                    self.days.entry(order.at.date_naive()).or_default(),
                ] {
                    totals.count += 1;
                    totals.cents += order.cents;
                }
                for (sku, quantity, cents) in &order.lines {
                    let totals = self.products.entry((*sku).to_owned()).or_default();
                    totals.count += quantity;
                    totals.cents += quantity * cents;
                }
                self.late += usize::from(order.late);
            }
            Some(Fact::Shipped { order, at }) => {
                self.orders.entry(order.clone()).or_default().change(*at, "shipped");
            }
            Some(Fact::Cancelled { order, customer, refund_cents, at }) => {
                self.orders.entry(order.clone()).or_default().change(*at, "cancelled");
                self.by_customer.entry(customer.clone()).or_default().cents -= refund_cents;
            }
        }
    }

    /// Orders and revenue of each registered customer.
    pub(super) fn customers(&self) -> BTreeMap<String, Totals> {
        let totals = |id: &String| (id.clone(), self.by_customer.get(id).cloned().unwrap_or_default());
        self.registered.iter().map(totals).collect()
    }

    /// Number and sum of the orders in each status.
    pub(super) fn statuses(&self) -> BTreeMap<String, Totals> {
        let mut statuses: BTreeMap<String, Totals> = BTreeMap::new();
        for booked in self.orders.values().filter(|booked| booked.placed) {
            if let Some((_, status)) = booked.changed {
                let totals = statuses.entry(status.to_owned()).or_default();
                totals.count += 1;
                totals.cents += booked.cents;
            }
        }
        statuses
    }

    /// Number and sum of the orders placed on each day.
    pub(super) fn days(&self) -> BTreeMap<String, Totals> {
        self.days.iter().map(|(day, totals)| (day.to_string(), totals.clone())).collect()
    }

    /// Quantity and sum of each product sold.
    pub(super) fn products(&self) -> BTreeMap<String, Totals> {
        self.products.clone()
    }

    /// Current prices in cents.
    pub(super) fn prices(&self) -> BTreeMap<String, Totals> {
        self.prices.iter().map(|(sku, cents)| (sku.clone(), Totals { count: 1, cents: *cents })).collect()
    }

    pub(super) fn late(&self) -> usize {
        self.late
    }

    /// Orders whose notes have a word that begins with `stem`.
    pub(super) fn noted(&self, stem: &str) -> usize {
        let has = |notes: &str| notes.split(|c: char| !c.is_alphanumeric()).any(|word| word.starts_with(stem));
        self.orders.values().filter(|booked| booked.placed && booked.notes.is_some_and(has)).count()
    }
}

impl Booked {
    /// What happened last by event time counts, and of two at one instant the one published last.
    fn change(&mut self, at: DateTime<Utc>, status: &'static str) {
        if self.changed.is_none_or(|(before, _)| before <= at) {
            self.changed = Some((at, status));
        }
    }
}
