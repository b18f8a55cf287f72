//! From a message on the wire to the message that the other rooms know.

use async_nats::HeaderMap;

use super::reply::Delivery;
use crate::event::{Headers, Message};

/// The message, or none if it is only the marker of a deletion.
pub(super) fn message(wire: async_nats::Message, delivery: &Delivery) -> Option<Message> {
    let headers = match &wire.headers {
        None => Headers::default(),
        Some(map) => headers(map),
    };
    let message = Message {
        seq: delivery.stream_sequence,
        subject: wire.subject.into_string(),
        headers,
        payload: wire.payload,
        published_at_us: delivery.published_at_us,
        unreadable: None,
    };
    (!message.is_deletion_marker()).then_some(message)
}

/// The driver keeps headers in a hash map, so their written order is lost: they are sorted by name, to be the same on
/// every run. Values of one name keep their order.
fn headers(map: &HeaderMap) -> Headers {
    let each = map.iter().flat_map(|(name, values)| {
        values.iter().map(move |value| (AsRef::<str>::as_ref(name).to_owned(), value.as_str().to_owned()))
    });
    let mut pairs: Vec<(String, String)> = each.collect();
    pairs.sort_by(|(one, _), (other, _)| one.cmp(other));
    Headers(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_in_a_stable_order() {
        let mut map = HeaderMap::new();
        map.append("Zone", "eu");
        map.append("Event-Type", "OrderPlaced");
        map.append("Zone", "us");
        let expected = [("Event-Type", "OrderPlaced"), ("Zone", "eu"), ("Zone", "us")];
        let expected: Vec<_> = expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        assert_eq!(headers(&map), Headers(expected));
    }
}
