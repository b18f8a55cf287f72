//! What the demo says: numbered steps, commands with their output, and checks of its own figures.

use std::fmt::Debug;
use std::io::{self, Write};

/// Prints, and counts the checks.
pub(super) struct Report<W> {
    out: W,
    steps: u32,
    passed: u32,
    failed: u32,
}

impl<W: Write> Report<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out, steps: 0, passed: 0, failed: 0 }
    }

    pub(super) fn step(&mut self, title: &str) -> io::Result<()> {
        self.steps += 1;
        writeln!(self.out, "\n{}. {title}\n", self.steps)?;
        self.out.flush()
    }

    pub(super) fn say(&mut self, text: &str) -> io::Result<()> {
        for line in text.lines() {
            writeln!(self.out, "{}", format!("   {line}").trim_end())?;
        }
        Ok(())
    }

    /// A command that anybody can type, and what it printed.
    pub(super) fn command(&mut self, command: &str, output: &str) -> io::Result<()> {
        writeln!(self.out, "   $ {command}")?;
        for line in output.lines() {
            writeln!(self.out, "{}", format!("     {line}").trim_end())?;
        }
        writeln!(self.out)
    }

    /// Compares what the daemon shows with what it should.
    pub(super) fn check<T: PartialEq + Debug>(&mut self, claim: &str, found: &T, expected: &T) -> io::Result<()> {
        if found == expected {
            self.passed += 1;
            writeln!(self.out, "   ok: {claim}")
        } else {
            self.failed += 1;
            writeln!(self.out, "   WRONG: {claim}\n     expected {expected:?}\n     found    {found:?}")
        }
    }

    /// The verdict: whether every check passed.
    pub(super) fn finish(&mut self) -> io::Result<bool> {
        match self.failed {
            0 => writeln!(self.out, "\nAll {} checks passed.", self.passed)?,
            failed => writeln!(self.out, "\n{failed} of {} checks FAILED.", self.passed + failed)?,
        }
        self.out.flush()?;
        Ok(self.failed == 0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use expect_test::expect;

    use super::*;

    #[test]
    fn one_wrong_figure_fails_the_demo() {
        let mut out = Vec::new();
        let mut report = Report::new(&mut out);
        report.step("Sums").unwrap();
        report.check("one is one", &1, &1).unwrap();
        report.check("two is two", &3, &2).unwrap();
        assert!(!report.finish().unwrap());
        expect![[r"

            1. Sums

               ok: one is one
               WRONG: two is two
                 expected 2
                 found    3

            1 of 2 checks FAILED.
        "]]
        .assert_eq(&String::from_utf8(out).unwrap());
    }
}
