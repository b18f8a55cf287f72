//! The relations that statements read, as Readside has them and as judges are given them.

use readside::config::{Config, Files, load};
use readside::event::{DataType, EventType, Headers, Message};
use readside::trial::{Given, Outcome, Refused, attempt, tried};

use super::json::Json;
use super::readside::Answer;
use super::table::{Engine, Statement};

pub(super) const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/statements/fixture");
const SOURCE: &str = "shop";

pub(super) struct Fixture {
    config: Config,
    /// As they are in the file.
    lines: Vec<String>,
}

/// The events of one type.
pub(super) struct Events<'a> {
    /// With its schema.
    pub(super) relation: String,
    /// In order, with what a judge calls their types.
    pub(super) columns: Vec<(&'a str, String)>,
    /// JSON objects of the columns.
    pub(super) rows: Vec<String>,
}

impl Fixture {
    pub(super) fn read() -> Self {
        let root = format!("{FOLDER}/readside.yaml");
        let read = |path: &str| std::fs::read_to_string(path);
        let list = |_: &str| Ok(Vec::new());
        let loaded = load(&root, &Files { list: &list, read: &read }, &|_| None);
        let config = loaded.unwrap_or_else(|problems| panic!("{}", problems[0])).config;
        let lines = std::fs::read_to_string(format!("{FOLDER}/events.ndjson")).unwrap();
        Self { config, lines: lines.lines().map(str::to_owned).collect() }
    }

    pub(super) fn events(&self) -> usize {
        self.lines.len()
    }

    /// The statement as a projection that is kept over the commits that the configuration says.
    ///
    /// # Errors
    /// Why it is refused, with what to write instead.
    pub(super) fn kept(&self, statement: &Statement) -> Result<Answer, String> {
        let program = tried(&self.config, &statement.sql, &statement.key).map_err(|refused| {
            let (Refused::Configuration(problems) | Refused::Sql(problems)) = refused;
            let told = problems.into_iter().map(|problem| match problem.hint {
                Some(hint) => format!("{}; {hint}", problem.message),
                None => problem.message,
            });
            told.collect::<Vec<_>>().join("; ")
        })?;
        let message = |(number, line): (usize, &String)| Message {
            seq: number as u64 + 1,
            subject: String::new(),
            headers: Headers::default(),
            payload: line.clone().into(),
            published_at_us: 0,
            unreadable: None,
        };
        let messages: Vec<Message> = self.lines.iter().enumerate().map(message).collect();
        let given = Given::from([(SOURCE.into(), messages)]);
        let outcome = attempt(program, &self.config, given, false, 0).map_err(|error| error.to_string())?;
        if !outcome.is_whole() || !outcome.parked.is_empty() {
            let Outcome { error, row_errors, parked, .. } = outcome;
            return Err(format!("it fails over the events: {error:?} {row_errors:?} {parked:?}"));
        }
        let rows = outcome.rows.iter().map(|row| Json::parse(row.get()).unwrap().into_values());
        Ok(Answer { types: outcome.columns.into_iter().map(|column| column.data_type).collect(), rows: rows.collect() })
    }

    /// The events of each type as a relation of a judge.
    pub(super) fn relations(&self, engine: Engine) -> Vec<Events<'_>> {
        self.config.sources[0].schema.types.iter().map(|of_type| self.relation(of_type, engine)).collect()
    }

    fn relation<'a>(&self, of_type: &'a EventType, engine: Engine) -> Events<'a> {
        let name = |data_type: &DataType| judged_type(data_type, engine);
        let fields = of_type.versions[&of_type.current].fields.iter();
        let metadata = [("_seq", name(&DataType::Int64)), ("_time", name(&DataType::Timestamp(Default::default())))];
        let columns =
            metadata.into_iter().chain(fields.map(|field| (field.name.as_str(), name(&field.field_type.data_type))));
        let is_of_type = format!("{{\"type\": \"{}\", \"time\": ", of_type.name);
        let row = |(number, line): (usize, &String)| {
            let rest = line.strip_prefix(&is_of_type)?;
            Some(format!("{{\"_seq\": {}, \"_time\": {rest}", number + 1))
        };
        Events {
            relation: format!("{SOURCE}.{}", of_type.table),
            columns: columns.collect(),
            rows: self.lines.iter().enumerate().filter_map(row).collect(),
        }
    }

    /// Name, key and SQL of the tables over the events.
    pub(super) fn tables(&self) -> impl Iterator<Item = (&str, &[String], &str)> {
        self.config.projections.iter().map(|projection| {
            (projection.name.as_str(), projection.key.as_deref().unwrap_or_default(), projection.sql.as_str())
        })
    }
}

fn judged_type(data_type: &DataType, engine: Engine) -> String {
    match (data_type, engine) {
        (DataType::String, _) => "text".to_owned(),
        (DataType::Bool, _) => "boolean".to_owned(),
        (DataType::Int64, _) => "bigint".to_owned(),
        (DataType::Float64, _) => "double precision".to_owned(),
        (DataType::Decimal { precision, scale }, _) => format!("numeric({precision},{scale})"),
        (DataType::Date, _) => "date".to_owned(),
        (DataType::Timestamp(_), Engine::Postgres) => "timestamptz".to_owned(),
        // With a zone DuckDB's functions of times need an extension.
        (DataType::Timestamp(_), Engine::DuckDb) => "timestamp".to_owned(),
        (DataType::Json, Engine::Postgres) => "jsonb".to_owned(),
        (DataType::Json, Engine::DuckDb) => "json".to_owned(),
        (DataType::List(item), _) => format!("{}[]", judged_type(&item.data_type, engine)),
        (other, _) => panic!("the fixture has no field of {other:?}"),
    }
}
