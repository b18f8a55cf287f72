//! Cases of the lag, and random histories against a model that works each figure out from the whole history.
#![allow(clippy::unwrap_used)]

use super::*;

const NOW: i64 = 1_000_000_000;

fn reached(applied: Option<(u64, i64)>, covered: u64, last_sequence: u64) -> Reached {
    let applied = applied.map(|(sequence, published_at_us)| Applied { position: sequence.into(), published_at_us });
    Reached { applied, covered: covered.into(), last_sequence: last_sequence.into() }
}

/// Caught up a while ago, and heard of since.
fn caught_up() -> SourceProgress {
    let mut progress = SourceProgress::new();
    progress.fetched(reached(Some((90, NOW - 500_000_000)), 100, 100), NOW - 400_000_000);
    progress
}

#[test]
fn lag_is_0_when_caught_up_however_long_nothing_came() {
    let mut progress = caught_up();
    progress.fetched(reached(None, 100, 100), NOW - 1_000_000);
    assert_eq!(progress.lag_seconds(NOW), Some(0.0));
}

#[test]
fn lag_grows_from_the_last_word_of_a_dead_source() {
    let mut progress = caught_up();
    progress.fetched(reached(None, 100, 100), NOW - 1_000_000);
    progress.disconnected("no route".to_owned());
    assert_eq!(progress.lag_seconds(NOW), Some(1.0));
    let mut silent = caught_up();
    silent.fetched(reached(None, 100, 100), NOW - 60_000_000);
    assert_eq!((silent.state_at(NOW), silent.lag_seconds(NOW)), (SourceState::Disconnected, Some(60.0)));
    let mut half_open = caught_up();
    half_open.fetched(reached(None, 100, 100), NOW - 2_000_000);
    assert_eq!((half_open.state_at(NOW), half_open.lag_seconds(NOW)), (SourceState::Live, Some(2.0)));
}

#[test]
fn lag_while_catching_up_is_the_age_of_the_oldest_message_that_may_be_missing() {
    let mut progress = caught_up();
    progress.fetched(reached(None, 100, 101), NOW - 1_000_000);
    assert_eq!((progress.state_at(NOW), progress.lag_seconds(NOW)), (SourceState::CatchingUp, Some(400.0)));
    let mut nothing_yet = SourceProgress::new();
    nothing_yet.opened(101.into(), 1.into(), NOW - 1_000_000);
    assert_eq!(nothing_yet.lag_seconds(NOW), None);
}

#[test]
fn a_source_was_reached_once_anything_was_heard_of_it_by_this_process_or_the_one_before() {
    let mut progress = SourceProgress::new();
    progress.disconnected("no route".to_owned());
    assert!(!progress.was_reached());
    progress.opened(0.into(), 0.into(), NOW);
    assert!(progress.was_reached(), "its stream is known to be empty");
    for from in
        [Resumed { was_reached: true, ..Resumed::default() }, Resumed { covered: 1.into(), ..Resumed::default() }]
    {
        assert!(SourceProgress::resumed(from).was_reached());
    }
}

#[test]
fn only_a_checkpoint_leads_out_of_a_halt() {
    let mut progress = caught_up();
    progress.halted("unknown type".to_owned());
    let halted = progress.clone();
    progress.opened(200.into(), 1.into(), NOW);
    progress.fetched(reached(Some((101, NOW)), 101, 200), NOW);
    progress.disconnected("no route".to_owned());
    progress.ended(NOW);
    assert_eq!(progress, halted);
    let from = Resumed { applied: progress.applied(), covered: progress.covered(), ..Resumed::default() };
    let mut resumed = SourceProgress::resumed(from);
    resumed.fetched(reached(Some((101, NOW)), 101, 101), NOW);
    assert_eq!((resumed.state_at(NOW), resumed.covered()), (SourceState::Live, 101.into()));
}

#[test]
fn what_is_not_read_lags_by_what_the_stream_has_by_now() {
    let caught_up = |stop: fn(&mut SourceProgress)| {
        let mut progress = SourceProgress::new();
        progress.fetched(reached(Some((100, NOW - 5_000_000)), 100, 100), NOW - 1_000_000);
        stop(&mut progress);
        progress
    };
    let stops: [fn(&mut SourceProgress); 2] =
        [|progress| progress.paused("by ann".to_owned()), |progress| progress.halted("gone".to_owned())];
    for stop in stops {
        let mut progress = caught_up(stop);
        let state = progress.state_at(NOW);
        progress.ends(130.into());
        assert_eq!((progress.lag_events(), progress.lag_seconds(NOW)), (30, Some(1.0)));
        assert_eq!((progress.state_at(NOW), progress.covered()), (state, 100.into()));
        progress.ends(7.into());
        assert_eq!((progress.lag_events(), progress.last_sequence()), (0, 100.into()));
    }
}

/// What can happen, with the time at which it does.
#[derive(Debug, Clone)]
enum Happening {
    Opened(u64),
    Fetched { applied: Option<(u64, i64)>, covered: u64, last_sequence: u64 },
    Disconnected,
    Halted,
    Ended,
}

/// The whole history since the start, from which each figure is worked out anew.
struct History {
    began_at: (u64, u64),
    happened: Vec<(i64, Happening)>,
}

/// The figures as of one moment of the history.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
struct Figures {
    applied: u64,
    covered: u64,
    last_sequence: u64,
}

impl History {
    /// All that counts: nothing does after a halt.
    fn counted(&self) -> &[(i64, Happening)] {
        let halt = self.happened.iter().position(|(_, one)| matches!(one, Happening::Halted));
        &self.happened[..halt.unwrap_or(self.happened.len())]
    }

    /// The figures after the first `count` happenings.
    fn figures(&self, count: usize) -> Figures {
        let (mut applied, mut covered) = self.began_at;
        for (_, one) in &self.counted()[..count] {
            if let Happening::Fetched { applied: message, covered: to, .. } = one {
                applied = applied.max(message.map_or(0, |(sequence, _)| sequence));
                covered = covered.max(*to).max(applied);
            }
        }
        let said = self.counted()[..count].iter().rev().find_map(|(_, one)| match one {
            Happening::Opened(last) | Happening::Fetched { last_sequence: last, .. } => Some(*last),
            Happening::Ended => Some(0),
            _ => None,
        });
        Figures { applied, covered, last_sequence: said.unwrap_or(0).max(covered) }
    }

    fn now(&self) -> Figures {
        self.figures(self.counted().len())
    }

    fn lag_events(&self) -> u64 {
        self.now().last_sequence - self.now().covered
    }

    fn state_at(&self, now_us: i64) -> SourceState {
        if self.counted().len() < self.happened.len() {
            return SourceState::Halted;
        }
        let said = match self.counted().last() {
            Some((_, Happening::Opened(_) | Happening::Fetched { .. })) if self.lag_events() == 0 => SourceState::Live,
            Some((_, Happening::Opened(_) | Happening::Fetched { .. })) => SourceState::CatchingUp,
            Some((_, Happening::Ended)) => return SourceState::Idle,
            _ => return SourceState::Disconnected,
        };
        if self.is_quiet(now_us, 10_000_000) { SourceState::Disconnected } else { said }
    }

    fn is_quiet(&self, now_us: i64, after_us: i64) -> bool {
        let last = self.counted().last();
        !matches!(last, None | Some((_, Happening::Ended))) && last.is_some_and(|(at, _)| now_us - at > after_us)
    }

    /// The latest time up to which all that was published by then is known to be applied.
    fn complete_until(&self) -> Option<i64> {
        let whole = (1..=self.counted().len()).filter(|&count| {
            let figures = self.figures(count);
            !matches!(self.counted()[count - 1].1, Happening::Disconnected) && figures.covered == figures.last_sequence
        });
        let caught_up = whole.map(|count| self.counted()[count - 1].0).max();
        let mut published = (self.began_at.0, None);
        for (_, one) in self.counted() {
            if let Happening::Fetched { applied: Some((sequence, at)), .. } = one
                && *sequence >= published.0
            {
                published = (*sequence, Some(*at));
            }
        }
        caught_up.max(published.1)
    }

    fn lag_seconds(&self, now_us: i64) -> Option<f64> {
        let reachable = !matches!(self.state_at(now_us), SourceState::Disconnected | SourceState::Halted);
        if reachable && self.lag_events() == 0 && !self.is_quiet(now_us, 1_500_000) {
            return Some(0.0);
        }
        self.complete_until().map(|until| (now_us - until) as f64 / 1e6)
    }
}

/// Something that may happen next, now and then what should not: sequences that go back.
fn random_happening(random: &mut fastrand::Rng, covered: u64, now_us: i64) -> Happening {
    match random.u8(..20) {
        0..3 => Happening::Opened(covered.saturating_sub(3) + random.u64(..8)),
        3..15 => {
            let applied =
                random.bool().then(|| (covered.saturating_sub(1) + random.u64(..4), now_us - random.i64(0..9)));
            let to = covered.saturating_sub(2) + random.u64(..6);
            Happening::Fetched { applied, covered: to, last_sequence: to + random.u64(..3) }
        }
        15..18 => Happening::Disconnected,
        18 => Happening::Ended,
        _ => Happening::Halted,
    }
}

fn apply(progress: &mut SourceProgress, happening: &Happening, now_us: i64) {
    match happening.clone() {
        Happening::Opened(last) => progress.opened(last.into(), 1.into(), now_us),
        Happening::Fetched { applied, covered, last_sequence } => {
            progress.fetched(reached(applied, covered, last_sequence), now_us);
        }
        Happening::Disconnected => progress.disconnected("no route".to_owned()),
        Happening::Halted => progress.halted("gone".to_owned()),
        Happening::Ended => progress.ended(now_us),
    }
}

#[test]
fn every_figure_is_what_the_whole_history_makes_of_it() {
    for seed in 0..400 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut now_us = NOW;
        let mut progress = SourceProgress::new();
        let mut history = History { began_at: (0, 0), happened: Vec::new() };
        for step in 0..40 {
            now_us += random.i64(1..40_000_000);
            if random.u8(..15) == 0 {
                let Figures { applied, covered, .. } = history.now();
                let from = Resumed { applied: applied.into(), covered: covered.into(), ..Resumed::default() };
                progress = SourceProgress::resumed(from);
                history = History { began_at: (applied, covered), happened: Vec::new() };
            } else {
                let happening = random_happening(&mut random, progress.covered().sequence(), now_us);
                apply(&mut progress, &happening, now_us);
                history.happened.push((now_us, happening));
            }
            let later_us = now_us + random.i64(0..60_000_000);
            let about = || format!("seed {seed}, step {step}: {progress:?}");
            check(&progress, &history, now_us, &about);
            check(&progress, &history, later_us, &about);
        }
    }
}

fn check(progress: &SourceProgress, history: &History, now_us: i64, about: &dyn Fn() -> String) {
    let positions = (progress.applied(), progress.covered(), progress.last_sequence());
    assert!(positions.0 <= positions.1 && positions.1 <= positions.2, "{}", about());
    let Figures { applied, covered, last_sequence } = history.now();
    assert_eq!(positions, (applied.into(), covered.into(), last_sequence.into()), "{}", about());
    assert_eq!(progress.state_at(now_us), history.state_at(now_us), "{}", about());
    assert_eq!(progress.lag_events(), history.lag_events(), "{}", about());
    assert_eq!(progress.lag_seconds(now_us), history.lag_seconds(now_us), "{}", about());
    assert!(!progress.has_ended() || progress.state_at(now_us) == SourceState::Idle, "{}", about());
    // At the very moment at which all was known to be applied, a source that is lost lags by nothing yet.
    let complete_now = history.complete_until() == Some(now_us);
    let caught_up = progress.lag_events() == 0 && progress.state_at(now_us) < SourceState::Disconnected;
    assert!(progress.lag_seconds(now_us) != Some(0.0) || caught_up || complete_now, "{}", about());
}
