//! The log: a line for a thing, and each of its fields once.

use crate::reload::{SIZES, TOTALS, World};

#[test]
fn the_log_has_a_line_for_a_thing_and_a_field_once_in_it() {
    let mut world = World::start(&[TOTALS, SIZES]);
    world.publish_others("Unheard", 3);
    world.daemon().says("\"unknown_type\"");
    // What is built reads the same events once more.
    world.declare(&[&TOTALS.replace("sum(cents)", "max(cents)"), SIZES]);
    assert!(!world.reloaded().is_empty());
    assert_eq!(world.daemon().all_logged("an event is parked").len(), 1);
    std::fs::rename(world.path("events.ndjson"), world.path("away")).unwrap();
    world.daemon().says("\"source disconnected\"");
    for line in world.daemon().all_logged("") {
        assert_eq!(line.matches("\"message\":").count(), 1, "{line}");
    }
}
