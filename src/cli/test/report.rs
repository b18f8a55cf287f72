//! What came of the cases: for people, and for CI.

use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};
use serde::Serialize;

use crate::cli::query::{count, printable};
use crate::trial::Finding;

/// What came of one case.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) file: String,
    /// From 1.
    pub(super) line: usize,
    pub(super) case: String,
    /// In how many ways its events came.
    pub(super) ways: usize,
    pub(super) seconds: f64,
    pub(super) findings: Vec<Finding>,
}

impl Report {
    pub(super) fn holds(&self) -> bool {
        self.findings.is_empty()
    }

    /// The findings, a line each with a heading above those that are about the same.
    fn findings(&self) -> Vec<String> {
        let one = |finding: &Finding| {
            let lines = finding.lines.iter().map(|line| format!("  {}", printable(line)));
            std::iter::once(printable(&finding.about)).chain(lines).collect::<Vec<_>>()
        };
        self.findings.iter().flat_map(one).collect()
    }
}

/// One case as a person reads it.
pub(super) fn told(report: &Report) -> String {
    let Report { file, line, case, .. } = report;
    let verdict = if report.holds() { "ok  " } else { "FAIL" };
    let findings = report.findings().into_iter().map(|line| format!("\n        {line}")).collect::<String>();
    format!("{verdict}  {file}:{line}: {}{findings}", printable(case))
}

/// All cases in one line.
pub(super) fn summary(reports: &[Report]) -> String {
    let ways: usize = reports.iter().map(|report| report.ways).sum();
    let failed = reports.iter().filter(|report| !report.holds()).count();
    let seconds: f64 = reports.iter().map(|report| report.seconds).sum();
    let failed = if failed == 0 { "all hold".to_owned() } else { format!("{failed} failed") };
    format!("{} in {ways} ways, {seconds:.2} s: {failed}", count(reports.len(), "case"))
}

/// All cases as JUnit reports them, a suite a file.
///
/// # Errors
/// The report cannot be written as XML, as a sentence.
pub(super) fn junit(reports: &[Report]) -> Result<String, String> {
    let mut all = quick_junit::Report::new("readside test");
    for of_file in reports.chunk_by(|one, other| one.file == other.file) {
        let mut suite = TestSuite::new(of_file[0].file.clone());
        for report in of_file {
            let status = match report.findings.first() {
                None => TestCaseStatus::success(),
                Some(first) => {
                    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
                    status.set_message(first.about.clone()).set_description(report.findings().join("\n"));
                    status
                }
            };
            let mut case = TestCase::new(report.case.clone(), status);
            case.set_classname(report.file.clone()).set_time(std::time::Duration::from_secs_f64(report.seconds));
            suite.add_test_case(case);
        }
        all.add_test_suite(suite);
    }
    all.to_string().map_err(|error| error.to_string())
}
