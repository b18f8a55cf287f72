//! Random logs: events with repeated values, NULLs, late ones and poison; cuts of any size; captures and restarts.

use super::case::{Entry, Event};
use super::types::{EventType, value, value_or_null};

/// A log of up to `events_max` events. It ends with a cut.
pub(super) fn log(random: &mut fastrand::Rng, types: &[EventType], events_max: usize) -> Vec<Entry> {
    let mut log = Vec::new();
    if random.bool() {
        log.push(Entry::Cut(Vec::new()));
    }
    // Some cases cut after every event, some hardly ever.
    let cut_share = [0.1, 0.25, 1.0][random.usize(..3)];
    let mut cuts_left: usize = 8;
    let mut now = 0;
    for _ in 0..random.usize(1..=events_max) {
        let twin = log.iter().rev().find(|entry| matches!(entry, Entry::Event(_)));
        let event = match twin {
            Some(Entry::Event(twin)) if random.u8(..8) == 0 => twin.clone(),
            _ => event(random, types, &mut now),
        };
        log.push(Entry::Event(event));
        if random.f64() < cut_share && cuts_left > 1 {
            log.push(Entry::Cut(Vec::new()));
            cuts_left -= 1;
        }
        match random.u8(..20) {
            0 | 1 => log.push(Entry::Capture),
            2 => log.push(Entry::Restart),
            _ => {}
        }
    }
    log.push(Entry::Cut(Vec::new()));
    log
}

fn event(random: &mut fastrand::Rng, types: &[EventType], now: &mut i64) -> Event {
    let event_type = &types[random.usize(..types.len())];
    *now += random.i64(0..4);
    let at_seconds = match random.u8(..10) {
        0 => None,
        1 => Some(*now - 60),
        _ => Some(*now),
    };
    let key = ["k1", "k2", "k3"].get(random.usize(..4)).map(|key| (*key).to_owned());
    let name = if random.u8(..60) == 0 { "unknown" } else { &event_type.name };
    Event {
        source: event_type.source.clone(),
        event_type: name.to_owned(),
        key,
        at_seconds,
        payload: payload(random, event_type),
    }
}

fn payload(random: &mut fastrand::Rng, event_type: &EventType) -> String {
    match random.u8(..50) {
        0 => return "{\"n\":".to_owned(),
        1 => return "{\"n\": [true]}".to_owned(),
        2 => return "{}".to_owned(),
        _ => {}
    }
    let mut members = Vec::new();
    for field in &event_type.fields {
        let text = match field.required {
            true => value(random, &field.field_type),
            false if random.u8(..10) == 0 => continue,
            false => value_or_null(random, &field.field_type),
        };
        members.push(format!("\"{}\": {text}", field.name));
    }
    format!("{{{}}}", members.join(", "))
}
