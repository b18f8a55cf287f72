//! What is told of numbers, apart from how they are found.

use expect_test::{Expect, expect};

use super::clock::clock;
use super::events::judge as judge_parked;
use super::machine::judge;
use super::streams::history;
use super::{Checked, written};
use crate::event::Reason;
use crate::source::{StreamStock, StreamTerms};
use crate::trial::ParkedBecause;

fn told(checked: &[Checked], expected: Expect) {
    let lines = checked.iter().map(|one| format!("{:?} {}: {}\n", one.outcome, one.subject, one.told));
    expected.assert_eq(&lines.collect::<String>());
}

#[test]
fn clocks_may_differ_a_little() {
    let apart = [0, -900_000, 1_500_000, -2_000_000, 61_000_000, -3_600_000_000].map(clock);
    told(
        &apart,
        expect![[r#"
            Fine clock: this machine's and the server's are less than a second apart
            Fine clock: this machine's and the server's are less than a second apart
            Warning clock: the server's clock is 1.500 s ahead of this machine's
            Warning clock: the server's clock is 2.000 s behind this machine's
            Wrong clock: the server's clock is 61.000 s ahead of this machine's
            Wrong clock: the server's clock is 3600.000 s behind this machine's
        "#]],
    );
}

#[test]
fn readers_may_not_take_all_memory() {
    let of = |allowed: u64, state: u64| judge(allowed << 20, state << 20, 2 << 30, "container's limit");
    told(
        &[of(832, 100), of(832, 1_300), of(2_304, 0)],
        expect![[r#"
            Fine memory: 2.0 GiB (container's limit), of which 1.1 GiB are left to tables, indexes and operators at the least
            Warning memory: queries and the like may take 832 MiB, and the last checkpoint has 1.2 GiB: more than the container's limit of 2.0 GiB
            Wrong memory: queries, answers, verification and parked events may take 2.2 GiB, all of the container's limit of 2.0 GiB
        "#]],
    );
}

#[test]
fn a_stream_that_lets_go_is_told_apart_from_one_that_keeps() {
    let hours = |hours: i64| hours * 3_600 * 1_000_000_000;
    let all = StreamStock { messages: 9, first_seq: 1, last_seq: 9, ..StreamStock::default() };
    let late = StreamStock { first_seq: 5, ..all.clone() };
    let of = |max_age, max_msgs, discard: &str, stock: &StreamStock, is_known| {
        let terms = StreamTerms { max_age, max_msgs, discard: discard.to_owned(), ..StreamTerms::default() };
        history("stream A", "a", &terms, stock, is_known)
    };
    told(
        &[
            of(0, -1, "old", &all, false),
            of(hours(1) / 2, -1, "old", &all, false),
            of(hours(24 * 30), 1_000, "old", &all, false),
            of(0, 1_000, "new", &all, false),
            of(0, -1, "old", &late, false),
            of(0, -1, "old", &late, true),
        ],
        expect![[r#"
            Fine stream A, history: kept without limits
            Wrong stream A, history: messages go after 30 min
            Warning stream A, history: messages go after 30 days and beyond 1000 messages
            Warning stream A, history: publishers are refused beyond 1000 messages
            Warning stream A, history: it begins at 5: what was before is gone, and projections say `since`
            Fine stream A, history: kept without limits
        "#]],
    );
}

#[test]
fn amounts_are_written_as_they_are_read() {
    assert_eq!([0, 1, 3 << 20, (1 << 30) + (1 << 29)].map(written), ["0 KiB", "1 KiB", "3 MiB", "1.5 GiB"]);
}

#[test]
fn what_would_be_parked_is_told_with_what_fits_it() {
    let because = |reason: Reason, detail: &str| ParkedBecause {
        reason: reason.label(),
        pointer: None,
        detail: detail.to_owned(),
    };
    let misfits = ["a", "b", "c", "d", "e", "f", "g", "g"].map(|detail| because(Reason::WrongType, detail));
    let unknown = because(Reason::UnknownType, "type `T` is not declared");
    let some: Vec<&ParkedBecause> = misfits.iter().collect();
    let found =
        [judge_parked("events", 9, &[]), judge_parked("events", 9, &some), judge_parked("events", 9, &[&unknown])];
    assert_eq!(found.each_ref().map(|one| one.advice.split(' ').next()), [Some(""), Some("correct"), Some("declare")]);
    told(
        &found,
        expect![[r#"
            Fine events: the last 9 are declared and fit
            Warning events: of the last 9 8 would be parked: g (2); a (1); b (1); c (1); d (1); … and 2 more
            Warning events: of the last 9 1 would be parked: type `T` is not declared (1)
        "#]],
    );
}
