//! The clock of this machine against that of the server: lag, freshness and `max_ahead` are differences of both.

use super::Checked;

const SUBJECT: &str = "clock";
/// Lag in seconds is as wrong as this.
const NOTICED_US: i64 = 1_000_000;
/// Beyond it events are taken for such of the future, or sources for silent.
const WRONG_US: i64 = 60_000_000;

/// `ahead_us` is how far the server is ahead.
pub(super) fn clock(ahead_us: i64) -> Checked {
    let difference = ahead_us.unsigned_abs();
    let seconds = format!("{}.{:03} s", difference / 1_000_000, difference % 1_000_000 / 1_000);
    let side = if ahead_us < 0 { "behind" } else { "ahead of" };
    let advice = "let both keep time by NTP: lag, freshness and `event_time.max_ahead` compare the two clocks";
    let told = format!("the server's clock is {seconds} {side} this machine's");
    match ahead_us.abs() {
        0..NOTICED_US => Checked::fine(SUBJECT, "this machine's and the server's are less than a second apart"),
        NOTICED_US..WRONG_US => Checked::warning(SUBJECT, told, advice),
        _ => Checked::wrong(SUBJECT, told, advice),
    }
}
