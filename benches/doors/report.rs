//! Tables in Markdown: figures, goals, and whether they were met.

use crate::catching_up::CaughtUp;
use crate::intake::Seen;
use crate::large::LargeResult;
use crate::load::percentile;
use crate::readings::Reading;
use crate::stage::Measured;

/// By so much less may come in beside readers.
const EFFECT_MAX: f64 = 0.10;

/// Prints a row at once, so that who waits sees how far it is.
fn row(cells: &[String]) {
    println!("| {} |", cells.join(" | "));
}

fn head(title: &str, columns: &[&str]) {
    println!("\n**{title}**\n");
    println!("| {} |", columns.join(" | "));
    println!("|{}", "---|".repeat(columns.len()));
}

pub(crate) fn at_rest_head() {
    let columns = [
        "Reading",
        "Connections",
        "A second",
        "of a core",
        "p50, ms",
        "p99, ms",
        "Cores: daemon + readers",
        "Goal",
        "Met",
    ];
    head("At rest", &columns);
}

pub(crate) fn at_rest(reading: &Reading, measured: &Measured) {
    let answered = &measured.answered;
    let (p99, of_a_core) = (percentile(&answered.times, 0.99), answered.a_second_of_a_core());
    let mut goals = Vec::new();
    if let Some(most) = reading.goal.p99 {
        goals.push((format!("p99 ≤ {most} ms"), p99.is_some_and(|p99| p99 <= most)));
    }
    if let Some(least) = reading.goal.of_a_core {
        goals.push((format!("≥ {} of a core", thousands(least)), of_a_core >= least));
    }
    row(&[
        reading.name.to_owned(),
        connections(reading),
        thousands(answered.a_second()),
        thousands(of_a_core),
        milliseconds(percentile(&answered.times, 0.5)),
        milliseconds(p99),
        cores(&[answered.usage.daemon, answered.usage.clients], answered.seconds()),
        stated(&goals),
        met(&goals),
    ]);
}

pub(crate) fn beside_intake_head(rate: u64) {
    let columns = [
        "Reading",
        "Connections",
        "A second",
        "p50, ms",
        "p99, ms",
        "Published/s",
        "Found/s",
        "Effect",
        "Lag p50, ms",
        "Lag p99, ms",
        "Cores: daemon + readers and publisher + nats-server",
        "Goal",
        "Met",
    ];
    head(&format!("While {} events/s come in", thousands(rate as f64)), &columns);
}

/// A way of reading, or nobody who reads; `alone` is the share of what was published that is found then.
pub(crate) fn beside_intake(reading: Option<&Reading>, measured: &Measured, alone: Option<f64>) {
    let answered = &measured.answered;
    let Some(seen) = &measured.seen else { return };
    let p99 = percentile(&answered.times, 0.99);
    let mut goals = Vec::new();
    if let Some(most) = reading.and_then(|reading| reading.goal.p99) {
        goals.push((format!("p99 ≤ {most} ms"), p99.is_some_and(|p99| p99 <= most)));
    }
    let effect = alone.map(|alone| seen.kept_up() / alone - 1.0);
    goals.extend(effect.map(effect_goal));
    let usage = answered.usage;
    let mut cells = vec![
        reading.map_or("nobody", |reading| reading.name).to_owned(),
        reading.map_or(none(), connections),
        if answered.times.is_empty() { none() } else { thousands(answered.a_second()) },
        milliseconds(percentile(&answered.times, 0.5)),
        milliseconds(p99),
    ];
    cells.extend(intake(seen, effect));
    cells.extend([cores(&[usage.daemon, usage.clients, usage.nats], answered.seconds()), stated(&goals), met(&goals)]);
    row(&cells);
}

pub(crate) fn large_results(title: &str, results: &[LargeResult], alone: Option<f64>) {
    let columns = [
        "Format",
        "Readside, rows/s",
        "of a core",
        "PostgreSQL, rows/s",
        "of a core",
        "Ratio",
        "Published/s",
        "Found/s",
        "Effect",
        "Lag p50, ms",
        "Lag p99, ms",
    ];
    head(title, &columns);
    for result in results {
        // What intake takes cannot be told from what the answer does.
        let of_a_core = result.seen.is_none().then_some(result.ours.a_second_of_a_core);
        let mut cells = vec![
            result.format.to_owned(),
            thousands(result.ours.a_second),
            of_a_core.map_or(none(), thousands),
            thousands(result.postgres.a_second),
            thousands(result.postgres.a_second_of_a_core),
            format!("{:.2}", result.ratio),
        ];
        match &result.seen {
            Some(seen) => cells.extend(intake(seen, alone.map(|alone| seen.kept_up() / alone - 1.0))),
            None => cells.extend(std::iter::repeat_with(none).take(5)),
        }
        row(&cells);
    }
}

pub(crate) fn catching_up_head(backlog: u64) {
    let title = format!("Catching up with {} events beside readers who do not pause", thousands(backlog as f64));
    head(&title, &["Readers", "Events/s without them", "Events/s beside them", "Effect", "Goal", "Met"]);
}

pub(crate) fn catching_up(caught_up: &CaughtUp) {
    let effect = caught_up.beside / caught_up.alone - 1.0;
    let goals = [effect_goal(effect)];
    row(&[
        caught_up.readers.clone(),
        thousands(caught_up.alone),
        thousands(caught_up.beside),
        percent(effect),
        stated(&goals),
        met(&goals),
    ]);
}

fn intake(seen: &Seen, effect: Option<f64>) -> [String; 5] {
    [
        thousands(seen.published),
        thousands(seen.visible),
        effect.map_or(none(), percent),
        milliseconds(percentile(&seen.lags, 0.5)),
        milliseconds(percentile(&seen.lags, 0.99)),
    ]
}

fn connections(reading: &Reading) -> String {
    let pace = reading.pace.map(|pace| format!(", {} a second", thousands(pace as f64)));
    format!("{}{}", reading.connections, pace.unwrap_or_default())
}

fn cores(seconds: &[f64], of: f64) -> String {
    seconds.iter().map(|taken| format!("{:.2}", taken / of)).collect::<Vec<_>>().join(" + ")
}

fn effect_goal(effect: f64) -> (String, bool) {
    (format!("≥ −{:.0} %", EFFECT_MAX * 100.0), effect >= -EFFECT_MAX)
}

fn stated(goals: &[(String, bool)]) -> String {
    match goals {
        [] => none(),
        goals => goals.iter().map(|(goal, _)| goal.as_str()).collect::<Vec<_>>().join("; "),
    }
}

fn met(goals: &[(String, bool)]) -> String {
    let word = |met: bool| if met { "yes" } else { "**no**" };
    match goals {
        [] => none(),
        goals => goals.iter().map(|(_, met)| word(*met)).collect::<Vec<_>>().join("; "),
    }
}

fn none() -> String {
    "–".to_owned()
}

fn milliseconds(time: Option<f64>) -> String {
    match time {
        None => none(),
        Some(time) if time < 10.0 => format!("{time:.2}"),
        Some(time) => format!("{time:.0}"),
    }
}

fn percent(share: f64) -> String {
    if !share.is_finite() {
        return none();
    }
    format!("{:+.0} %", share * 100.0).replace('-', "−")
}

fn thousands(number: f64) -> String {
    if !number.is_finite() {
        return none();
    }
    if number < 100.0 {
        return format!("{number:.1}");
    }
    let digits = format!("{number:.0}");
    let (first, rest) = digits.split_at((digits.len() - 1) % 3 + 1);
    let groups = rest.as_bytes().chunks(3).map(|group| format!(",{}", String::from_utf8_lossy(group)));
    format!("{first}{}", groups.collect::<String>())
}
