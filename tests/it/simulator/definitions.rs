//! What a simulated daemon is configured with: a random choice of projections, each in one of its variants, as YAML.

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;
use readside::config::{Config, Files, load};
use readside::plan::{Program, program};

/// A projection that a daemon may have.
struct Shape {
    name: &'static str,
    key: &'static str,
    /// More lines of its document.
    rest: &'static str,
    /// Projections that it reads.
    reads: &'static [&'static str],
    variants: &'static [&'static str],
}

const TABLE: &str = "kind: table";
const SEARCH: &str = "kind: search\nfields: {note: text, status: {type: keyword, facet: true}, events: {sort: true}}";

/// Each after those that it reads.
const SHAPES: &[Shape] = &[
    Shape {
        name: "customers",
        key: "customer",
        rest: "indexes: [revenue]",
        reads: &[],
        variants: &[
            "SELECT customer, count(*) AS orders, sum(total) AS revenue, max(_seq) AS last
             FROM orders.placed GROUP BY customer",
            "SELECT customer, count(*) AS orders, sum(total) * 2 AS revenue, min(_seq) AS last
             FROM orders.placed GROUP BY customer HAVING count(*) > 1",
        ],
    },
    Shape {
        name: "sizes",
        key: "orders",
        rest: TABLE,
        reads: &["customers"],
        variants: &[
            "SELECT orders, count(*) AS customers, sum(revenue) AS revenue, min(customer) AS first
             FROM customers GROUP BY orders",
            "SELECT orders, count(*) AS customers, count(DISTINCT revenue) AS revenue, max(customer) AS first
             FROM customers WHERE customer <> 'c0' GROUP BY orders",
        ],
    },
    Shape {
        name: "tops",
        key: "customers",
        rest: TABLE,
        reads: &["sizes"],
        variants: &["SELECT customers, max(orders) AS most, count(*) AS sizes FROM sizes GROUP BY customers"],
    },
    Shape {
        name: "lines",
        key: "sku",
        rest: TABLE,
        reads: &[],
        variants: &[
            "SELECT line.sku AS sku, count(*) AS lines, sum(line.qty) AS pieces
             FROM (SELECT unnest(lines) AS line FROM orders.placed) GROUP BY line.sku",
            "SELECT line.sku AS sku, count(*) AS lines, max(line.qty) AS pieces
             FROM (SELECT unnest(lines) AS line FROM orders.placed WHERE total > 10) GROUP BY line.sku",
        ],
    },
    // What `customers` aggregates, and once more over its rows what `sizes` does.
    Shape {
        name: "regulars",
        key: "customer",
        rest: TABLE,
        reads: &[],
        variants: &[
            "SELECT customer, count(*) AS orders, sum(total) AS revenue, max(_seq) AS last
             FROM orders.placed GROUP BY customer HAVING count(*) > 2",
            "SELECT customer, revenue / orders AS mean, last
             FROM (SELECT customer, count(*) AS orders, sum(total) AS revenue, max(_seq) AS last
                   FROM orders.placed GROUP BY customer)",
        ],
    },
    Shape {
        name: LONELY,
        key: "one",
        rest: TABLE,
        reads: &[],
        variants: &["SELECT 1 AS one, customer, orders, revenue, last
             FROM (SELECT customer, count(*) AS orders, sum(total) AS revenue, max(_seq) AS last
                   FROM orders.placed GROUP BY customer)"],
    },
    Shape {
        name: "common_sizes",
        key: "orders",
        rest: TABLE,
        reads: &["customers"],
        variants: &["SELECT orders, count(*) AS customers, sum(revenue) AS revenue, min(customer) AS first
             FROM customers GROUP BY orders HAVING count(*) > 1"],
    },
    Shape {
        name: "reach",
        key: "carrier",
        rest: TABLE,
        reads: &[],
        variants: &["SELECT carrier, count(DISTINCT order_id) AS orders, count(*) FILTER (WHERE _late) AS late
             FROM orders.shipped GROUP BY carrier"],
    },
    Shape {
        name: "newest",
        key: "order_id",
        rest: TABLE,
        reads: &[],
        variants: &[
            "SELECT DISTINCT ON (_key) _key AS order_id, _type AS event, _seq AS seq, placed.total AS total
             FROM orders.events ORDER BY _key, _seq DESC",
            "SELECT DISTINCT ON (_key) _key AS order_id, _type AS event, _seq AS seq, placed.total AS total
             FROM orders.events ORDER BY _key, _seq",
        ],
    },
    Shape {
        name: "order_state",
        key: "order_id",
        rest: TABLE,
        reads: &[],
        variants: &[
            "SELECT _key AS order_id, latest(placed.note) AS note, latest(_type) AS status, count(*) AS events
             FROM orders.events GROUP BY _key",
            "SELECT _key AS order_id, latest(placed.note) AS note, latest(_type) AS status, count(*) * 3 AS events
             FROM orders.events WHERE NOT _late GROUP BY _key HAVING count(*) < 4",
        ],
    },
    Shape {
        name: ORDER_SEARCH,
        key: "order_id",
        rest: SEARCH,
        reads: &["order_state"],
        variants: &[
            "SELECT order_id, note, status, events FROM order_state",
            "SELECT order_id, note, status, events FROM order_state WHERE status <> 'Shipped'",
        ],
    },
    Shape {
        name: "rates",
        key: "customer",
        rest: TABLE,
        reads: &[],
        variants: &[
            "SELECT customer, sum(CAST(rate AS BIGINT)) AS rate, count(*) AS orders FROM orders.placed GROUP BY customer",
            "SELECT customer, sum(try_cast(rate AS BIGINT)) AS rate, count(*) AS orders
             FROM orders.placed GROUP BY customer",
        ],
    },
    Shape {
        name: "high_rates",
        key: "customer",
        rest: TABLE,
        reads: &[],
        variants: &[
            "SELECT customer, sum(CAST(rate AS BIGINT)) AS rate, count(*) AS orders
             FROM orders.placed GROUP BY customer HAVING sum(CAST(rate AS BIGINT)) > 5",
            "SELECT customer, sum(try_cast(rate AS BIGINT)) AS rate, count(*) AS orders
             FROM orders.placed GROUP BY customer HAVING sum(try_cast(rate AS BIGINT)) > 5",
        ],
    },
    Shape {
        name: "rated",
        key: "orders",
        rest: TABLE,
        reads: &["rates"],
        variants: &["SELECT orders, count(*) AS customers, sum(rate) AS rate FROM rates GROUP BY orders"],
    },
    Shape {
        name: "ledger",
        key: "customer",
        rest: TABLE,
        reads: &[],
        variants: &["SELECT customer, count(*) AS entries, sum(amount) AS amount FROM (
                 SELECT customer, total AS amount FROM orders.placed
                 UNION ALL SELECT customer, amount FROM payments.paid) GROUP BY customer"],
    },
    // The aggregate keeps all that it shows, and the join below it does not.
    Shape {
        name: "noted",
        key: "customer",
        rest: TABLE,
        reads: &[],
        variants: &[
            "SELECT p.customer, count(*) AS orders, count(s.carrier) AS shipped FROM orders.placed AS p
             LEFT JOIN orders.shipped AS s ON nullif(p._key, 'o3') = s._key GROUP BY p.customer",
            "SELECT p.customer, count(*) AS orders, count(s.carrier) AS shipped FROM orders.placed AS p
             LEFT JOIN orders.shipped AS s ON nullif(p._key, 'o3') = s._key GROUP BY p.customer
             HAVING count(*) > 1",
        ],
    },
    Shape {
        name: "factors",
        key: "payments",
        rest: TABLE,
        reads: &[],
        variants: &["SELECT count(*) AS payments, sum(factor) AS total, avg(factor) AS mean FROM payments.paid"],
    },
    Shape {
        name: "means",
        key: "mean",
        rest: TABLE,
        reads: &["factors"],
        variants: &["SELECT mean, payments FROM factors", "SELECT mean, payments + 1 AS payments FROM factors"],
    },
    // In error whenever the number of orders is a multiple of seven.
    Shape {
        name: "quotient",
        key: "one",
        rest: TABLE,
        reads: &[],
        variants: &[
            "SELECT 1 AS one, 1000 / (count(*) % 7) AS quotient FROM orders.placed",
            "SELECT 1 AS one, 500 / (count(*) % 7) AS quotient FROM orders.placed",
        ],
    },
    Shape {
        name: "quotients",
        key: "quotient",
        rest: TABLE,
        reads: &["quotient"],
        variants: &["SELECT quotient, count(*) AS times FROM quotient GROUP BY quotient"],
    },
    // Two rows of one key while the number of orders is a multiple of three.
    Shape {
        name: "twofold",
        key: "place",
        rest: TABLE,
        reads: &[],
        variants: &["SELECT 0 AS place, count(*) AS orders FROM orders.placed
             UNION ALL SELECT count(*) % 3 AS place, 1 AS orders FROM orders.placed"],
    },
    Shape {
        name: "twofold_search",
        key: "place",
        rest: "kind: search\nfields: {note: keyword, orders: {sort: true}}",
        reads: &["twofold"],
        variants: &["SELECT place, CAST(orders AS VARCHAR) AS note, orders FROM twofold"],
    },
    Shape {
        name: FRAGILE,
        key: "order_id",
        rest: TABLE,
        reads: &[],
        variants: &["SELECT order_id, carrier FROM orders.shipped"],
    },
    Shape {
        name: "carriers",
        key: "carrier",
        rest: TABLE,
        reads: &[FRAGILE],
        variants: &["SELECT carrier, count(*) AS orders FROM shipments GROUP BY carrier"],
    },
];

/// Its key is asserted, and false as soon as an order is shipped twice.
const FRAGILE: &str = "shipments";

/// Its documents have words and states.
pub(crate) const ORDER_SEARCH: &str = "order_search";

/// Projections that can share what they keep.
const ALIKE: &[[&str; 2]] = &[["customers", "regulars"], ["sizes", "common_sizes"], ["rates", "high_rates"]];

/// Its key is false as soon as there are two customers.
pub(crate) const LONELY: &str = "buyer";

/// Placed orders whose `rate` is no number err in the first variant of these projections.
const STRICT: [&str; 2] = ["rates", "high_rates"];

/// An event type that is unknown until the source is mended.
pub(crate) const LATER: &str = "Returned";

const ROOT: &str = "data_dir: unused\nsources: []\nprojections: []\n";

const ORDERS: &str = r#"source: orders
file: {path: orders.ndjson}
envelope: {type: header:type, version: header:version, key: subject:2, time: body:/at, data: body}
event_time: {lateness: 5s}
types: {Line: {sku: string!, qty: int64!}}
events:
  Placed:
    version: 2
    fields: {customer: string!, total: "decimal(18,2)!", note: string, rate: string, lines: list<Line!>}
    history:
      1: {fields: {total: none, cents: int64!}, to_next: {set: {total: "cents / 100.0"}}}
  Shipped: {fields: {order_id: string!, carrier: string}}
"#;

const PAYMENTS: &str = r#"source: payments
file: {path: payments.ndjson}
envelope: {type: header:type, time: body:/at, data: body}
events:
  Paid: {fields: {customer: string!, amount: "decimal(18,2)!", factor: float64}}
"#;

/// A choice of projections.
#[derive(Debug, Clone)]
pub(crate) struct Definitions {
    variants: BTreeMap<&'static str, usize>,
    /// Whether the source knows [`LATER`].
    pub(crate) mended: bool,
}

impl Definitions {
    pub(crate) fn random(random: &mut Rng, count: usize) -> Self {
        let mut definitions = Self { variants: BTreeMap::new(), mended: false };
        while definitions.variants.len() < count {
            definitions.add(random);
        }
        definitions
    }

    /// Exactly these, in their first variants.
    pub(crate) fn of(names: &[&'static str]) -> Self {
        Self { variants: names.iter().map(|name| (*name, 0)).collect(), mended: false }
    }

    /// Changes one thing, and says what.
    pub(crate) fn change(&mut self, random: &mut Rng) -> &'static str {
        match random.u8(0..10) {
            _ if self.variants.is_empty() => {
                self.add(random);
                "projections added"
            }
            0..2 if self.variants.len() < 6 => {
                self.add(random);
                "projections added"
            }
            0..3 => {
                let removed = pick(random, self.variants.keys().copied());
                self.remove(removed);
                "projections removed"
            }
            3 if !self.mended => {
                self.mended = true;
                "sources mended"
            }
            _ => {
                let changed = pick(random, self.variants.keys().copied());
                let variants = shape(changed).variants.len();
                self.variants.entry(changed).and_modify(|variant| *variant = (*variant + 1) % variants);
                "definitions changed"
            }
        }
    }

    /// Without one that nothing reads.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.remove(name);
        self
    }

    pub(crate) fn set_variant(&mut self, name: &'static str, variant: usize) {
        self.variants.insert(name, variant);
    }

    /// The projections in which an event without a proper rate errs.
    pub(crate) fn strict(&self) -> BTreeSet<String> {
        let strict = STRICT.iter().filter(|name| self.variants.get(**name) == Some(&0));
        strict.map(|name| (*name).to_owned()).collect()
    }

    pub(crate) fn program(&self) -> Program {
        program(&self.config()).unwrap_or_else(|problems| panic!("{problems:?}"))
    }

    fn add(&mut self, random: &mut Rng) {
        let shape = &SHAPES[random.usize(0..SHAPES.len())];
        let mut wanted: BTreeSet<&str> = BTreeSet::from([shape.name]);
        if random.bool() {
            wanted.extend(ALIKE.iter().find(|names| names.contains(&shape.name)).into_iter().flatten());
        }
        for below in SHAPES.iter().rev() {
            if wanted.contains(below.name) {
                wanted.extend(below.reads);
                self.variants.entry(below.name).or_insert_with(|| random.usize(0..below.variants.len()));
            }
        }
    }

    fn remove(&mut self, name: &str) {
        let mut gone: BTreeSet<&str> = BTreeSet::from([name]);
        for above in SHAPES {
            if above.reads.iter().any(|name| gone.contains(name)) {
                gone.insert(above.name);
            }
        }
        self.variants.retain(|name, _| !gone.contains(name));
    }

    fn config(&self) -> Config {
        let mut orders = ORDERS.to_owned();
        if self.mended {
            orders += &format!("  {LATER}: {{fields: {{reason: string}}}}\n");
        }
        let mut documents = vec![ROOT.to_owned(), orders, PAYMENTS.to_owned()];
        documents.extend(self.variants.iter().map(|(name, variant)| {
            let Shape { key, rest, variants, .. } = shape(name);
            let sql = variants[*variant].split_whitespace().collect::<Vec<_>>().join(" ");
            format!("projection: {name}\nkey: [{key}]\n{rest}\nsql: >-\n  {sql}\n")
        }));
        let text = documents.join("---\n");
        let read = |_: &str| Ok(text.clone());
        let files = Files { list: &|_| Ok(Vec::new()), read: &read };
        load("readside.yaml", &files, &|_| None).unwrap_or_else(|problems| panic!("{problems:?}")).config
    }
}

fn shape(name: &str) -> &'static Shape {
    SHAPES.iter().find(|shape| shape.name == name).expect("a shape of that name")
}

fn pick(random: &mut Rng, from: impl Iterator<Item = &'static str>) -> &'static str {
    let all: Vec<&str> = from.collect();
    all[random.usize(0..all.len())]
}
