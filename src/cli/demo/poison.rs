//! Messages that no reader can make sense of, one of each kind, with what the daemon is expected to say.

use chrono::{DateTime, Utc};
use serde_json::json;

use super::shop::{Published, headers};

/// Reason and pointer of each poisoned message, in the order in which they are published.
pub(super) const EXPECTED: [(&str, Option<&str>); 8] = [
    ("unknown_type", None),
    ("malformed", None),
    ("missing_field", Some("/total")),
    ("out_of_range", Some("/total")),
    ("wrong_type", Some("/lines/0/quantity")),
    ("unknown_version", None),
    ("newer_version", None),
    ("upcast", None),
];

/// The messages, their event times being `at`.
pub(super) fn poisons(at: DateTime<Utc>) -> Vec<Published> {
    let body = json!({
        "order_id": "o-poison", "customer_id": "c-01", "total": "10.00",
        "lines": [{"sku": "p-03", "quantity": 1, "price": "10.00"}],
    });
    let with = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut changed = body.clone();
        change(&mut changed);
        changed.to_string()
    };
    let without_total = |body: &mut serde_json::Value| {
        if let Some(body) = body.as_object_mut() {
            body.remove("total");
        }
    };
    let messages = [
        ("OrderTeleported", "1", with(&|_| {})),
        ("OrderPlaced", "3", r#"{"order_id": "o-poison", "total": "#.to_owned()),
        ("OrderPlaced", "3", with(&without_total)),
        ("OrderPlaced", "3", with(&|body| body["total"] = json!("12345678901234567.89"))),
        ("OrderPlaced", "3", with(&|body| body["lines"][0]["quantity"] = json!("three"))),
        ("OrderPlaced", "0", with(&|_| {})),
        ("OrderPlaced", "4", with(&|_| {})),
        // In range as a number of cents, but not as euros.
        (
            "OrderPlaced",
            "2",
            with(&|body| {
                without_total(body);
                body["cents"] = json!(i64::MAX);
            }),
        ),
    ];
    let message = |(name, version, body): (&str, &str, String)| Published {
        subject: "orders.c-01.o-poison".to_owned(),
        headers: headers(name, version, at),
        body,
        fact: None,
    };
    messages.into_iter().map(message).collect()
}
