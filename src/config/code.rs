//! The kinds of problems, each with a code that stays when its text gets better. What each means is a page of `docs/errors.md`, which a
//! test holds to this list.

use std::fmt;

use serde::{Serialize, Serializer};

/// The kind of a problem; its number is that of its code, and is never used for another kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Code {
    FileUnreadable = 1,
    NoFile = 2,
    NotYaml = 3,
    RepeatedKey = 4,
    Environment = 5,
    NothingDeclared = 6,
    UnknownKey = 101,
    UnsupportedKey = 102,
    MissingKey = 103,
    WrongKind = 104,
    EmptyValue = 105,
    NotANumber = 106,
    NotADuration = 107,
    NotAnAmount = 108,
    NotAFlag = 109,
    NotAChoice = 110,
    NotTogether = 111,
    /// Only in cases.
    NotATime = 112,
    BadName = 201,
    Repeated = 202,
    UnknownPolicy = 203,
    BadAddress = 204,
    BadSubject = 205,
    OpenListener = 206,
    UnusedPolicy = 207,
    BadContext = 208,
    BadType = 301,
    BadPlace = 302,
    BadTimeFormat = 303,
    BadHistory = 304,
    BadStep = 305,
    SharedPlace = 306,
    NeedsQuotes = 307,
    UnchangedColumn = 308,
    UnknownField = 309,
    BadParameter = 401,
    BadWords = 402,
    NotSql = 501,
    UnknownRelation = 502,
    UnknownColumn = 503,
    NotAQuery = 504,
    NotAccepted = 505,
    NeverComputed = 506,
    NotAFunctionOfEvents = 507,
    NoOrder = 508,
    NotKept = 509,
    ReadsNothing = 510,
    SeveralRows = 511,
    Circle = 512,
    OverAView = 513,
    SameColumn = 514,
    KeyNotSelected = 515,
    NoKey = 516,
    BrokenContract = 517,
    ColumnNotSelected = 518,
    NotSearchable = 519,
    ParametersDoNotFit = 520,
    OverEvents = 521,
    PolicyDoesNotFit = 522,
    Unguarded = 523,
}

/// The pages of all codes, each below a heading `## RS0101: …`.
const PAGES: &str = include_str!("../../docs/errors.md");

/// The page of a code, from the text of its heading on; none if there is no such code.
pub fn page(code: &str) -> Option<&'static str> {
    PAGES.split("\n## ").skip(1).find(|page| page.split(':').next() == Some(code)).map(str::trim_end)
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RS{:04}", *self as u16)
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
