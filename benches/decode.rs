//! How fast stored messages become columns, on one thread. Each case is compared with parsing the same bytes into
//! `serde_json::Value` in the same run.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use readside::event::{
    DataType, Decoder, EnvelopeSpec, EventType, Field, FieldType, Headers, LateEvents, Locator, Locators, Message,
    Naming, NewerVersion, SourceSchema, TimestampFormat, UnknownEvents, UpcastStep, VersionSchema,
};
use readside::progress::Watermark;

/// Messages a batch and runs a case; the fastest run counts, because the machine is shared.
const BATCH: u64 = 65_536;
const RUNS: usize = 7;

fn main() -> Result<(), Box<dyn Error>> {
    println!("{:<28} {:>12} {:>9} {:>14} {:>8}", "case", "events/s", "MB/s", "value events/s", "ratio");
    case("facts in headers", header_facts(), "2")?;
    case("event time in the body", EnvelopeSpec { time: body("/placed_at"), ..header_facts() }, "2")?;
    case("everything in the body", body_facts(), "2")?;
    case("upcast from version 1", header_facts(), "1")
}

fn case(name: &str, envelope: EnvelopeSpec, version: &str) -> Result<(), Box<dyn Error>> {
    let structured = !envelope.data.is_empty();
    let messages: Vec<Message> = (1..=BATCH).map(|seq| message(seq, version, structured)).collect();
    let bytes: usize = messages.iter().map(|message| message.payload.len()).sum();
    let decoder = Decoder::new(Arc::new(schema(envelope))).map_err(|problems| format!("{problems:?}"))?;

    let (mut ours, mut theirs) = (Duration::MAX, Duration::MAX);
    for _ in 0..RUNS {
        let start = Instant::now();
        let decoded = decoder.decode(&messages, &mut Watermark::new(0, None))?;
        ours = ours.min(start.elapsed());
        if decoded.batch.len() != messages.len() {
            return Err(format!("{name}: {:?}", decoded.rejected.first()).into());
        }

        let start = Instant::now();
        for message in &messages {
            std::hint::black_box(serde_json::from_slice::<serde_json::Value>(&message.payload)?);
        }
        theirs = theirs.min(start.elapsed());
    }
    let (ours, theirs) = (ours.as_secs_f64(), theirs.as_secs_f64());
    let (rate, value_rate) = (BATCH as f64 / ours, BATCH as f64 / theirs);
    println!("{name:<28} {rate:>12.0} {:>9.0} {value_rate:>14.0} {:>8.2}", bytes as f64 / ours / 1e6, theirs / ours);
    Ok(())
}

/// About 200 bytes with five fields.
fn message(seq: u64, version: &str, structured: bool) -> Message {
    let cents = seq * 7 % 1_000_000;
    let amount = match version {
        "1" => format!("\"cents\":{cents}"),
        _ => format!("\"total\":{}.{:02}", cents / 100, cents % 100),
    };
    let payload = format!(
        "{{\"order_id\":\"0190f5fe-7c00-7000-8000-{seq:012}\",\"customer_id\":\"customer-{:06}\",{amount},\
         \"placed_at\":\"2024-05-17T10:{:02}:{:02}.{:06}Z\",\"note\":\"leave it at the door of the neighbour\"}}",
        seq % 10_000,
        seq / 60 % 60,
        seq % 60,
        seq,
    );
    let payload = match structured {
        true => format!("{{\"type\":\"OrderPlaced\",\"version\":{version},\"id\":\"{seq}\",\"data\":{payload}}}"),
        false => payload,
    };
    let headers =
        [("Nats-Msg-Id", seq.to_string()), ("Event-Type", "OrderPlaced".into()), ("Event-Version", version.into())];
    Message {
        seq,
        subject: format!("orders.customer-{:06}", seq % 10_000),
        headers: Headers(headers.map(|(name, value)| (name.to_owned(), value)).into()),
        payload: payload.into(),
        published_at_us: 1_715_940_000_000_000 + seq as i64,
        unreadable: None,
    }
}

fn schema(envelope: EnvelopeSpec) -> SourceSchema {
    let field = |name: &str, data_type, required| Field {
        name: name.into(),
        field_type: FieldType { data_type, required },
        from: None,
    };
    let version = |amount: Field| VersionSchema {
        fields: vec![
            field("order_id", DataType::String, true),
            field("customer_id", DataType::String, true),
            amount,
            field("placed_at", DataType::Timestamp(TimestampFormat::Rfc3339), false),
            field("note", DataType::String, false),
        ],
    };
    let total = field("total", DataType::Decimal { precision: 18, scale: 2 }, true);
    let placed = EventType {
        name: "OrderPlaced".into(),
        table: "order_placed".into(),
        current: 2,
        versions: BTreeMap::from([(1, version(field("cents", DataType::Int64, true))), (2, version(total))]),
        steps: BTreeMap::from([(
            1,
            UpcastStep { to: 2, set: BTreeMap::from([("total".into(), "cents / 100.0".into())]) },
        )]),
    };
    SourceSchema {
        source: "orders".into(),
        envelope,
        naming: Naming::AsWritten,
        lateness_us: 0,
        late_events: LateEvents::Correct,
        max_ahead_us: 3_600_000_000,
        unreadable_time: Default::default(),
        unknown_events: UnknownEvents::Park,
        newer_version: NewerVersion::Park,
        types: vec![placed],
    }
}

fn header_facts() -> EnvelopeSpec {
    let header = |name: &str| Locators(vec![Locator::Header(name.into())]);
    EnvelopeSpec {
        event_type: header("Event-Type"),
        version: header("Event-Version"),
        id: header("Nats-Msg-Id"),
        key: Locators(vec![Locator::Subject(2)]),
        time: Locators::default(),
        data: String::new(),
    }
}

fn body_facts() -> EnvelopeSpec {
    EnvelopeSpec {
        event_type: body("/type"),
        version: body("/version"),
        id: body("/id"),
        key: body("/data/customer_id"),
        time: body("/data/placed_at"),
        data: "/data".into(),
    }
}

fn body(pointer: &str) -> Locators {
    Locators(vec![Locator::Body(pointer.into())])
}
