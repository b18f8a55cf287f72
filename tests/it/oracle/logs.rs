//! Random logs: events with repeated values, NULLs, late ones and poison; cuts of any size; captures and restarts;
//! events that are held back and admitted later.

use std::collections::BTreeMap;

use super::admission::Place;
use super::case::{Entry, Event};
use super::types::{EventType, value, value_or_null};

/// A log of up to `events_max` events of types that may be repeated to be more frequent. It ends with a cut.
pub(super) fn log(random: &mut fastrand::Rng, types: &[EventType], events_max: usize) -> Vec<Entry> {
    let begin = if random.bool() { vec![Entry::Cut(Vec::new())] } else { Vec::new() };
    // Some cases cut after every event, some seldom; some hold many events back, some none; some restart often.
    let cut_share = [0.15, 0.3, 1.0][random.usize(..3)];
    let held_share = [0.0, 0.15, 0.3, 0.3, 0.5][random.usize(..5)];
    let (capture_share, restart_share) = [(0.1, 0.05), (0.2, 0.15), (0.3, 0.2)][random.usize(..3)];
    let mut log = Log { random, types, entries: begin, now: 0, read: BTreeMap::new(), held: Vec::new(), cuts_left: 8 };
    for _ in 0..log.random.usize(events_max / 2..=events_max) {
        log.event(held_share);
        if log.random.f64() < cut_share && log.cuts_left > 2 {
            log.cut();
        }
        if log.random.u8(..4) == 0 {
            log.readmit();
        }
        if log.random.f64() < capture_share {
            log.entries.push(Entry::Capture);
        }
        if log.random.f64() < restart_share {
            log.entries.push(Entry::Restart);
        }
    }
    if !log.held.is_empty() {
        log.cut();
        while log.random.u8(..4) > 0 && !log.held.is_empty() {
            log.readmit();
        }
    }
    log.cut();
    log.entries
}

/// A log under construction.
struct Log<'a> {
    random: &'a mut fastrand::Rng,
    types: &'a [EventType],
    entries: Vec<Entry>,
    now: i64,
    /// Messages by source.
    read: BTreeMap<String, i64>,
    held: Vec<Place>,
    cuts_left: usize,
}

impl Log<'_> {
    fn cut(&mut self) {
        self.entries.push(Entry::Cut(Vec::new()));
        self.cuts_left = self.cuts_left.saturating_sub(1);
    }

    /// Adds an event, now and then the same as the last one.
    fn event(&mut self, held_share: f64) {
        let twin = self.entries.iter().rev().find_map(|entry| match entry {
            Entry::Event(event) => Some(event.clone()),
            _ => None,
        });
        let event = match twin {
            Some(twin) if self.random.u8(..8) == 0 => twin,
            _ => self.new_event(),
        };
        let held = self.random.f64() < held_share;
        let seq = self.read.entry(event.source.clone()).or_default();
        *seq += 1;
        if held {
            self.held.push((event.source.clone(), *seq));
        }
        self.entries.push(Entry::Event(Event { held, ..event }));
    }

    fn readmit(&mut self) {
        if !self.held.is_empty() {
            let place = self.held.swap_remove(self.random.usize(..self.held.len()));
            self.entries.push(Entry::Readmit(place));
        }
    }

    fn new_event(&mut self) -> Event {
        let random = &mut *self.random;
        let event_type = &self.types[random.usize(..self.types.len())];
        self.now += random.i64(0..4);
        let at_seconds = match random.u8(..10) {
            0 => None,
            1 => Some(self.now - 60),
            _ => Some(self.now),
        };
        // Some are values of fields, too.
        let key = ["a", "b", "k"].get(random.usize(..4)).map(|key| (*key).to_owned());
        let name = if random.u8(..60) == 0 { "unknown" } else { &event_type.name };
        Event {
            source: event_type.source.clone(),
            event_type: name.to_owned(),
            key,
            at_seconds,
            held: false,
            payload: payload(random, event_type),
        }
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
