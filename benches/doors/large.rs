//! All rows over the PostgreSQL protocol, from Readside and from PostgreSQL in turn.

use std::io;
use std::sync::atomic::Ordering;
use std::time::Instant;

use crate::events::accounts_in_postgres;
use crate::intake::{Intake, Seen, Watch};
use crate::postgres::{Format, Postgres, Session};
use crate::processes::processor_seconds;
use crate::stage::Stage;

/// The medians of all rounds.
pub(crate) struct LargeResult {
    pub(crate) format: &'static str,
    pub(crate) ours: Rows,
    pub(crate) postgres: Rows,
    /// Of the two in one round.
    pub(crate) ratio: f64,
    pub(crate) seen: Option<Seen>,
}

#[derive(Clone, Copy)]
pub(crate) struct Rows {
    pub(crate) a_second: f64,
    pub(crate) a_second_of_a_core: f64,
}

/// The condition, which every row meets, has another number in each statement.
pub(crate) fn large_result(number: u64) -> String {
    format!("SELECT account, region, payments, total, last FROM accounts WHERE payments > -{number}")
}

/// Gives PostgreSQL the rows that Readside has.
///
/// # Errors
/// What PostgreSQL says.
pub(crate) fn fill(postgres: &Postgres, rows: u64) -> io::Result<()> {
    let mut session = Session::open(postgres.address)?;
    session.rows(&accounts_in_postgres(rows), Format::Text)?;
    session.rows("VACUUM ANALYZE accounts", Format::Text).map(|_| ())
}

impl Stage {
    /// # Errors
    /// Where either fails, or has another number of rows.
    pub(crate) fn large_results(&self, postgres: &Postgres, intake: Option<&Intake>) -> io::Result<Vec<LargeResult>> {
        let Some(address) = self.daemon.postgres else { return Ok(Vec::new()) };
        let (mut ours, mut theirs) = (Session::open(address)?, Session::open(postgres.address)?);
        let their_process = theirs.process;
        let mut results = Vec::new();
        for (name, format) in [("text", Format::Text), ("binary", Format::Binary)] {
            let watch = intake.map(|intake| (Watch::begin(self.daemon.http), intake));
            let began = Instant::now();
            let mut rounds = Vec::new();
            // The first one warms up.
            for _ in 0..=self.options.rounds {
                let sql = large_result(self.numbers.fetch_add(1, Ordering::Relaxed));
                let read_ours = self.all_rows(&mut ours, self.daemon.id(), &sql, format)?;
                rounds.push((read_ours, self.all_rows(&mut theirs, their_process, &sql, format)?));
            }
            let seen = watch.map(|(watch, intake)| watch.end(&intake.published, began, Instant::now())).transpose()?;
            rounds.remove(0);
            let of = |figure: fn(&(Rows, Rows)) -> f64| median(rounds.iter().map(figure).collect());
            results.push(LargeResult {
                format: name,
                ours: Rows {
                    a_second: of(|(ours, _)| ours.a_second),
                    a_second_of_a_core: of(|(ours, _)| ours.a_second_of_a_core),
                },
                postgres: Rows {
                    a_second: of(|(_, theirs)| theirs.a_second),
                    a_second_of_a_core: of(|(_, theirs)| theirs.a_second_of_a_core),
                },
                ratio: of(|(ours, theirs)| ours.a_second / theirs.a_second),
                seen,
            });
        }
        Ok(results)
    }

    fn all_rows(&self, session: &mut Session, process: u32, sql: &str, format: Format) -> io::Result<Rows> {
        let (began, before) = (Instant::now(), processor_seconds(process)?);
        let rows = session.rows(sql, format)?;
        let (seconds, processor) = (began.elapsed().as_secs_f64(), processor_seconds(process)? - before);
        if rows != self.options.rows {
            return Err(io::Error::other(format!("{rows} rows and not {}: {sql}", self.options.rows)));
        }
        Ok(Rows { a_second: rows as f64 / seconds, a_second_of_a_core: rows as f64 / processor.max(0.01) })
    }
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
