//! A question, with everything that decides its answer.
//!
//! Two that are equal have the same answer. Whatever else an answer could depend on makes that there is no question: the clock,
//! chance, and the catalog.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::common::{ScalarValue, TableReference};
use datafusion::execution::SessionState;
use datafusion::logical_expr::Volatility;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{Expr, Statement as SqlStatement, visit_expressions};

use super::super::relations::{is_information_schema, relation_name};
use super::super::session::Sessions;
use crate::access::Visibility;
use crate::read_model::{ReadView, RelationRows, RowsVersion};

/// What is asked, of which rows, by whom.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(in crate::query) struct Question {
    asked: Asked,
    /// Every relation that is read, also below views, by its name.
    reads: BTreeMap<String, Read>,
    /// None where the caller sees all of it.
    visibility: Option<Visibility>,
    bytes: usize,
}

/// The request itself, as it was written.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(in crate::query) enum Asked {
    Sql {
        text: Arc<str>,
        params: Vec<(String, ScalarValue)>,
    },
    /// A page of a declared query.
    Query {
        sql: String,
        sort: Vec<(String, bool)>,
        params: Vec<(String, ScalarValue)>,
        page: (usize, Option<String>),
    },
    /// A page of a relation, with all parameters of the request.
    List {
        relation: String,
        parameters: String,
    },
}

/// What a relation has to be for an answer to hold.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Read {
    Rows(RowsVersion),
    /// A view: what it reads is among the relations too.
    Computed(String),
}

impl Question {
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Asked {
    fn bytes(&self) -> usize {
        let values = |params: &[(String, ScalarValue)]| -> usize {
            params.iter().map(|(name, value)| name.len() + size_of::<(String, ScalarValue)>() + value.size()).sum()
        };
        match self {
            Asked::Sql { text, params } => text.len() + values(params),
            Asked::Query { sql, params, page, .. } => {
                sql.len() + values(params) + page.1.as_ref().map_or(0, String::len)
            }
            Asked::List { relation, parameters } => relation.len() + parameters.len(),
        }
    }
}

/// Named values in an order of their own.
pub(in crate::query) fn sorted(values: &HashMap<String, ScalarValue>) -> Vec<(String, ScalarValue)> {
    let mut values: Vec<_> = values.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    values.sort_by(|one, other| one.0.cmp(&other.0));
    values
}

/// Whether a statement is a query in which no function is named that gives another value at another time. What becomes a function only
/// when it is planned is found there.
pub(in crate::query) fn is_steady(statement: &Statement, state: &SessionState) -> bool {
    let Statement::Statement(statement) = statement else { return false };
    if !matches!(**statement, SqlStatement::Query(_)) {
        return false;
    }
    let found = visit_expressions(&**statement, |expr| {
        let Expr::Function(function) = expr else { return ControlFlow::Continue(()) };
        let known = state.scalar_functions().get(&function.name.to_string().to_lowercase());
        let is_steady = known.is_none_or(|known| known.signature().volatility == Volatility::Immutable);
        if is_steady { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    found.is_continue()
}

impl Sessions {
    /// What is asked of these relations, given that all views are parsed; none where equal questions may have unequal answers, or
    /// where a relation cannot be read.
    pub(in crate::query) fn question(
        &self,
        view: &ReadView,
        references: &[TableReference],
        asked: Asked,
    ) -> Option<Question> {
        let mut reads = BTreeMap::new();
        self.find_reads(view, references, &mut reads)?;
        let visibility = view.visibility(reads.keys().map(String::as_str));
        let named = reads.iter().map(|(name, read)| {
            let sql = if let Read::Computed(sql) = read { sql.len() } else { 0 };
            name.len() + sql + 2 * size_of::<(String, Read)>()
        });
        let bytes = size_of::<Question>() + asked.bytes() + named.sum::<usize>();
        let bytes = bytes + visibility.as_ref().map_or(0, Visibility::size);
        Some(Question { asked, reads, visibility, bytes })
    }

    fn find_reads(
        &self,
        view: &ReadView,
        references: &[TableReference],
        found: &mut BTreeMap<String, Read>,
    ) -> Option<()> {
        for reference in references {
            if is_information_schema(reference) {
                return None;
            }
            let name = relation_name(view, reference).ok()?;
            if found.contains_key(name) {
                continue;
            }
            match view.open(name).ok()?.rows() {
                RelationRows::Kept(table) => drop(found.insert(name.to_owned(), Read::Rows(table.version()))),
                RelationRows::Computed { sql } => {
                    let below = self.parsed(sql).filter(|parsed| parsed.is_steady)?;
                    found.insert(name.to_owned(), Read::Computed(sql.to_owned()));
                    self.find_reads(view, &below.references, found)?;
                }
            }
        }
        Some(())
    }
}
