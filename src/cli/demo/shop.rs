//! The demo's shop: what happens in it, as messages for its streams. The same seed gives the same shop.

use chrono::{DateTime, Duration, SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};

use super::poison::poisons;

/// Name and city.
const CUSTOMERS: [(&str, &str); 12] = [
    ("Ada Brandt", "Lisbon"),
    ("Bela Novak", "Zagreb"),
    ("Chidi Okafor", "Lagos"),
    ("Dora Silva", "Lisbon"),
    ("Emil Larsen", "Bergen"),
    ("Fatma Aydin", "Izmir"),
    ("Goran Maric", "Zagreb"),
    ("Hana Sato", "Osaka"),
    ("Ines Moreau", "Lyon"),
    ("Jonas Weber", "Leipzig"),
    ("Keiko Tanaka", "Osaka"),
    ("Lucia Rossi", "Turin"),
];

/// SKU, name, category and price in cents.
pub(super) const PRODUCTS: [(&str, &str, &str, i64); 8] = [
    ("p-01", "Espresso beans 1 kg", "coffee", 2190),
    ("p-02", "Green tea 250 g", "tea", 1450),
    ("p-03", "Oat biscuits", "snacks", 390),
    ("p-04", "Hand grinder", "tools", 8900),
    ("p-05", "Filter papers", "tools", 299),
    ("p-06", "Dark chocolate", "snacks", 525),
    ("p-07", "Milk frother", "tools", 4250),
    ("p-08", "Porcelain mug", "tools", 1275),
];

const NOTES: [&str; 8] = [
    "please deliver after six, the doorbell is broken",
    "gift wrapping, and no invoice in the parcel",
    "leave it with the neighbour if nobody opens",
    "deliver to the loading dock behind the house",
    "second delivery attempt; the first parcel arrived broken",
    "urgent, needed for a wedding on Saturday",
    "grind the beans for a French press",
    "ring twice, the dog is loud but friendly",
];

const CARRIERS: [&str; 3] = ["dhl", "ups", "bike"];

/// A message for one of the shop's streams.
#[derive(Debug, Clone)]
pub(super) struct Published {
    pub(super) subject: String,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: String,
    /// What it means; none for a message that cannot be read.
    pub(super) fact: Option<Fact>,
}

/// What an event says, free of its version and its form.
#[derive(Debug, Clone)]
pub(super) enum Fact {
    Registered { customer: String },
    Placed(Order),
    Shipped { order: String, at: DateTime<Utc> },
    Cancelled { order: String, customer: String, refund_cents: i64, at: DateTime<Utc> },
    Listed { sku: String, cents: i64 },
    Priced { sku: String, cents: i64 },
}

#[derive(Debug, Clone)]
pub(super) struct Order {
    pub(super) id: String,
    pub(super) customer: String,
    pub(super) at: DateTime<Utc>,
    /// Its event time is days behind those before it.
    pub(super) late: bool,
    pub(super) cents: i64,
    /// SKU, quantity and price in cents.
    pub(super) lines: Vec<(&'static str, i64, i64)>,
    pub(super) notes: Option<&'static str>,
}

/// Makes events, one after another.
pub(super) struct Shop {
    dice: Dice,
    clock: DateTime<Utc>,
    orders: u32,
    /// Placed, and neither shipped nor cancelled.
    open: Vec<Order>,
    /// Placed, but held up on the way to the stream.
    held: Vec<Order>,
    /// Customers who have ordered before they register.
    unregistered: Vec<usize>,
}

impl Shop {
    pub(super) fn new() -> Self {
        let clock = DateTime::from_timestamp(1_772_438_400, 0).unwrap_or_default(); // 2026-03-02 08:00 UTC, a Monday
        Self { dice: Dice(17), clock, orders: 0, open: Vec::new(), held: Vec::new(), unregistered: vec![10, 11] }
    }

    /// The products, and a price that rises.
    pub(super) fn catalog(&mut self) -> Vec<Published> {
        let mut events = Vec::new();
        for (sku, name, category, cents) in PRODUCTS {
            let body = json!({"name": name, "category": category, "price": euros(cents)});
            events.push(self.cloud_event(sku, "ProductListed", body, Fact::Listed { sku: sku.to_owned(), cents }));
        }
        events.push(self.price("p-01", 2290));
        events
    }

    pub(super) fn price(&mut self, sku: &str, cents: i64) -> Published {
        let fact = Fact::Priced { sku: sku.to_owned(), cents };
        self.cloud_event(sku, "PriceChanged", json!({"price": euros(cents)}), fact)
    }

    /// About `count` events of customers and orders, among them everything that may go wrong.
    pub(super) fn history(&mut self, count: usize) -> Vec<Published> {
        let mut events: Vec<Published> = (0..10).map(|customer| self.registration(customer)).collect();
        let mut poisons = poisons(self.clock).into_iter();
        let spacing = (count / (poisons.len() + 1)).max(1);
        while events.len() < count {
            self.happen(&mut events);
            if events.len().is_multiple_of(spacing) {
                events.extend(poisons.next());
            }
        }
        events.extend(poisons);
        // The event time of these makes the orders that are still held up late.
        self.clock += Duration::days(2);
        while let Some(customer) = self.unregistered.pop() {
            events.push(self.registration(customer));
        }
        self.release(&mut events);
        events
    }

    /// An order of one customer, placed now or `late`: days ago.
    pub(super) fn order_of(&mut self, customer: &str, late: bool) -> Published {
        let mut order = self.order();
        order.customer = customer.to_owned();
        order.notes = Some("a delivery for the demo");
        if late {
            order.at -= Duration::days(3);
            order.late = true;
        }
        placed(&order, 3)
    }

    pub(super) fn further(&mut self, count: usize) -> Vec<Published> {
        let mut events = Vec::new();
        while events.len() < count {
            self.happen(&mut events);
        }
        events
    }

    /// The next thing that happens.
    fn happen(&mut self, events: &mut Vec<Published>) {
        self.clock += Duration::minutes(2 + self.dice.below(24));
        self.release(events);
        match self.dice.below(100) {
            0..50 => {
                let order = self.order();
                if self.orders.is_multiple_of(23) {
                    self.held.push(order);
                } else if self.orders.is_multiple_of(29) {
                    // Shipping was faster than the shop's own message.
                    events.push(self.shipment(&order));
                    events.push(placed(&order, self.version()));
                } else {
                    events.push(placed(&order, self.version()));
                    self.open.push(order);
                }
            }
            50..88 => {
                if let Some(order) = self.take_open() {
                    events.push(self.shipment(&order));
                }
            }
            _ => {
                if let Some(order) = self.take_open() {
                    events.push(self.cancellation(&order));
                }
            }
        }
    }

    /// Orders that were held up for more than a day arrive.
    fn release(&mut self, events: &mut Vec<Published>) {
        let clock = self.clock;
        let (arriving, held) = self.held.drain(..).partition(|order| clock - order.at > TimeDelta::days(1));
        self.held = held;
        for mut order in arriving as Vec<Order> {
            order.late = true;
            events.push(placed(&order, self.version()));
            self.open.push(order);
        }
    }

    fn order(&mut self) -> Order {
        self.orders += 1;
        let customer = self.dice.below(CUSTOMERS.len() as i64) as usize;
        let lines: Vec<(&str, i64, i64)> = (0..1 + self.dice.below(3))
            .map(|_| {
                let (sku, _, _, cents) = PRODUCTS[self.dice.below(PRODUCTS.len() as i64) as usize];
                (sku, 1 + self.dice.below(4), cents)
            })
            .collect();
        let notes = (self.dice.below(3) == 0).then(|| NOTES[self.dice.below(NOTES.len() as i64) as usize]);
        Order {
            id: format!("o-{:05}", self.orders),
            customer: customer_id(customer),
            at: self.clock,
            late: false,
            cents: lines.iter().map(|(_, quantity, price)| quantity * price).sum(),
            lines,
            notes,
        }
    }

    /// Half of the shop's writers are not up to date.
    fn version(&mut self) -> u32 {
        [1, 2, 3, 3][self.dice.below(4) as usize]
    }

    fn take_open(&mut self) -> Option<Order> {
        let place = self.dice.below(i64::try_from(self.open.len()).unwrap_or(i64::MAX).max(1)) as usize;
        (place < self.open.len()).then(|| self.open.swap_remove(place))
    }

    fn registration(&mut self, place: usize) -> Published {
        let (name, city) = CUSTOMERS[place];
        let customer = customer_id(place);
        let email = format!("{}@example.org", name.to_lowercase().replace(' ', "."));
        let (version, body) = if place.is_multiple_of(2) {
            (1, json!({"name": name, "email": email, "address": format!("{city}, 12 Market Street")}))
        } else {
            (2, json!({"name": name, "email": email, "city": city}))
        };
        let subject = format!("orders.{customer}");
        event(subject, "CustomerRegistered", version, self.clock, body, Fact::Registered { customer })
    }

    fn shipment(&mut self, order: &Order) -> Published {
        let carrier = CARRIERS[self.dice.below(3) as usize];
        // However late the order was, it is shipped now; and never in the instant in which it was placed.
        let at = self.clock + Duration::seconds(30);
        let body = json!({"order_id": order.id, "carrier": carrier});
        event(subject(order), "OrderShipped", 1, at, body, Fact::Shipped { order: order.id.clone(), at })
    }

    fn cancellation(&mut self, order: &Order) -> Published {
        let at = self.clock + Duration::seconds(30);
        let body = json!({"order_id": order.id, "refund": euros(order.cents), "reason": "changed my mind"});
        let fact = Fact::Cancelled {
            order: order.id.clone(),
            customer: order.customer.clone(),
            refund_cents: order.cents,
            at,
        };
        event(subject(order), "OrderCancelled", 1, at, body, fact)
    }

    fn cloud_event(&mut self, sku: &str, name: &str, body: Value, fact: Fact) -> Published {
        self.clock += Duration::seconds(1);
        let headers = vec![
            ("ce-specversion", "1.0".to_owned()),
            ("ce-id", format!("{sku}-{}", self.clock.timestamp())),
            ("ce-source", "/shop/catalog".to_owned()),
            ("ce-type", format!("com.shop.{name}.v1")),
            ("ce-time", instant(self.clock)),
        ];
        Published { subject: format!("catalog.{sku}"), headers, body: body.to_string(), fact: Some(fact) }
    }
}

/// The order in the form of one of its three versions.
fn placed(order: &Order, version: u32) -> Published {
    let line =
        |(sku, quantity, cents): &(&str, i64, i64)| json!({"sku": sku, "quantity": quantity, "price": euros(*cents)});
    let mut body = json!({
        "order_id": order.id,
        "lines": order.lines.iter().map(line).collect::<Vec<_>>(),
    });
    if let Some(notes) = order.notes {
        body["notes"] = json!(notes);
    }
    match version {
        1 => body["cust"] = json!(order.customer),
        _ => body["customer_id"] = json!(order.customer),
    }
    match version {
        3 => body["total"] = json!(euros(order.cents)),
        _ => body["cents"] = json!(order.cents),
    }
    event(subject(order), "OrderPlaced", version, order.at, body, Fact::Placed(order.clone()))
}

fn event(subject: String, name: &str, version: u32, at: DateTime<Utc>, body: Value, fact: Fact) -> Published {
    Published { subject, headers: headers(name, &version.to_string(), at), body: body.to_string(), fact: Some(fact) }
}

/// What the source `orders` wants to know of every event.
pub(super) fn headers(name: &str, version: &str, at: DateTime<Utc>) -> Vec<(&'static str, String)> {
    vec![("Event-Type", name.to_owned()), ("Event-Version", version.to_owned()), ("Event-Time", instant(at))]
}

fn subject(order: &Order) -> String {
    format!("orders.{}.{}", order.customer, order.id)
}

fn customer_id(place: usize) -> String {
    format!("c-{:02}", place + 1)
}

fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// `1234` cents are `"12.34"`.
pub(super) fn euros(cents: i64) -> String {
    let sign = if cents < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", cents.abs() / 100, cents.abs() % 100)
}

/// Random numbers that are the same everywhere: splitmix64.
struct Dice(u64);

impl Dice {
    /// From 0 to below `end`.
    fn below(&mut self, end: i64) -> i64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) % end.unsigned_abs().max(1)) as i64
    }
}
