//! The reply subject of a delivered message, which carries its sequence in the stream. Pure, and free of allocation.

/// What the server says about one delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Delivery {
    pub(super) stream_sequence: u64,
    /// Contiguous from 1 as long as nothing is lost on the way.
    pub(super) consumer_sequence: u64,
    pub(super) published_at_us: i64,
    /// Messages that the consumer has yet to deliver.
    pub(super) pending: u64,
}

/// Reads `$JS.ACK.<stream>.<consumer>.<delivered>.<stream sequence>.<consumer sequence>.<time>.<pending>`, or the newer form
/// with domain and account hash in front and possibly more tokens behind (ADR-15).
pub(super) fn parse(reply: &str) -> Option<Delivery> {
    let mut tokens = [""; 9];
    let mut count = 0;
    for (token, place) in reply.strip_prefix("$JS.ACK.")?.split('.').zip(&mut tokens) {
        *place = token;
        count += 1;
    }
    let facts = match count {
        7 => &tokens[2..7],
        9 => &tokens[4..9],
        _ => return None,
    };
    let nanoseconds: i64 = facts[3].parse().ok()?;
    Some(Delivery {
        stream_sequence: facts[1].parse().ok()?,
        consumer_sequence: facts[2].parse().ok()?,
        published_at_us: nanoseconds.div_euclid(1_000),
        pending: facts[4].parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        let expected =
            Delivery { stream_sequence: 17, consumer_sequence: 4, published_at_us: 1_700_000_000_000_001, pending: 9 };
        for reply in [
            "$JS.ACK.ORDERS.reader.1.17.4.1700000000000001999.9",
            "$JS.ACK._.hash.ORDERS.reader.1.17.4.1700000000000001999.9",
            "$JS.ACK.hub.hash.ORDERS.reader.1.17.4.1700000000000001999.9.random.later",
        ] {
            assert_eq!(parse(reply), Some(expected), "{reply}");
        }
    }

    #[test]
    fn anything_else_is_not() {
        for reply in [
            "",
            "_INBOX.a.b",
            "$JS.ACK.ORDERS.reader.1.17.4.9",
            "$JS.ACK.ORDERS.reader.1.x.4.1700000000000001999.9",
            "$JS.ACK.hub.ORDERS.reader.1.17.4.1700000000000001999.9",
        ] {
            assert_eq!(parse(reply), None, "{reply}");
        }
    }
}
