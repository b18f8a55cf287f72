//! Names by which headers and members of payloads say what they are, without capitals and signs. The best come first.

pub(super) const TYPE_NAMES: &[&str] = &[
    "eventtype",
    "cetype",
    "xeventtype",
    "natseventtype",
    "messagetype",
    "msgtype",
    "eventname",
    "type",
    "event",
    "kind",
    "action",
];
pub(super) const VERSION_NAMES: &[&str] = &[
    "eventversion",
    "xeventversion",
    "schemaversion",
    "ceschemaversion",
    "cedataversion",
    "dataversion",
    "eventschemaversion",
    "typeversion",
];
/// Names that versions of something else have, too.
pub(super) const ANY_VERSION_NAMES: &[&str] = &["version", "ceversion", "v", "ver"];
pub(super) const ID_NAMES: &[&str] =
    &["natsmsgid", "ceid", "eventid", "xeventid", "messageid", "msgid", "eventuuid", "uuid", "id"];
pub(super) const KEY_NAMES: &[&str] = &[
    "aggregateid",
    "aggregatekey",
    "xaggregateid",
    "entityid",
    "entitykey",
    "streamid",
    "key",
    "partitionkey",
    "cesubject",
    "cepartitionkey",
];
pub(super) const TIME_NAMES: &[&str] = &[
    "occurredat",
    "occurredon",
    "eventtime",
    "xeventtime",
    "cetime",
    "happenedat",
    "eventtimestamp",
    "timestamp",
    "xtimestamp",
    "time",
    "ts",
    "at",
    "createdat",
    "recordedat",
    "date",
    "datetime",
];
/// Times of something that is still to come.
pub(super) const FUTURE_WORDS: &[&str] = &[
    "due",
    "expires",
    "expiry",
    "expire",
    "scheduled",
    "valid",
    "deadline",
    "until",
    "birth",
    "delivery",
    "planned",
    "next",
];
