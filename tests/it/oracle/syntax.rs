//! SQL as trees that can be taken apart again, so that a failing query can be made smaller.

use std::fmt::{self, Write as _};

/// An expression: text with a gap for each part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Expr {
    /// `§` stands for a part.
    text: String,
    parts: Vec<Expr>,
}

/// `expr("(§ + §)", [a, b])`.
pub(super) fn expr(text: impl Into<String>, parts: impl IntoIterator<Item = Expr>) -> Expr {
    Expr { text: text.into(), parts: parts.into_iter().collect() }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Query {
    Select(Box<Select>),
    /// Several queries with a set operation between them.
    Set(&'static str, Vec<Query>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Select {
    /// What is written after SELECT: nothing, DISTINCT or DISTINCT ON.
    pub(super) distinct: Option<Distinct>,
    /// Each with the name that it gets.
    pub(super) items: Vec<(Expr, String)>,
    pub(super) from: From,
    pub(super) filter: Option<Expr>,
    /// ROLLUP, CUBE, GROUPING SETS or nothing.
    pub(super) grouping: &'static str,
    pub(super) groups: Vec<Expr>,
    pub(super) having: Option<Expr>,
    pub(super) qualify: Option<Expr>,
    pub(super) order: Vec<Expr>,
    /// `LIMIT n OFFSET m` as it is written, or nothing.
    pub(super) limit: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Distinct {
    All,
    On(Vec<Expr>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum From {
    Table(String),
    /// A subquery under a name; as a WITH clause or in place.
    Query {
        query: Query,
        name: String,
        with: bool,
    },
    Join {
        left: Box<From>,
        kind: &'static str,
        right: Box<From>,
        /// A condition, or after USING the name of a column that both have.
        on: Expr,
        using: bool,
    },
    /// A relation and what reads its rows, under a name: `left JOIN LATERAL (…) AS name ON true`, or a call in FROM.
    Lateral {
        left: Box<From>,
        kind: &'static str,
        rows: Expr,
        name: String,
    },
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = self.parts.iter();
        for letter in self.text.chars() {
            match letter {
                '§' => parts.next().map_or(Ok(()), |part| write!(f, "{part}"))?,
                letter => f.write_char(letter)?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Query::Select(select) => write!(f, "{select}"),
            Query::Set(operation, queries) => {
                let queries: Vec<String> = queries.iter().map(|query| format!("({query})")).collect();
                f.write_str(&queries.join(&format!(" {operation} ")))
            }
        }
    }
}

impl fmt::Display for Select {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named: Vec<String> = self.from.named().iter().map(|(name, query)| format!("{name} AS ({query})")).collect();
        if !named.is_empty() {
            write!(f, "WITH {} ", named.join(", "))?;
        }
        f.write_str("SELECT ")?;
        match &self.distinct {
            None => {}
            Some(Distinct::All) => f.write_str("DISTINCT ")?,
            Some(Distinct::On(keys)) => write!(f, "DISTINCT ON ({}) ", list(keys))?,
        }
        let items: Vec<String> = self.items.iter().map(|(item, name)| format!("{item} AS {name}")).collect();
        f.write_str(&items.join(", "))?;
        write!(f, " FROM {}", self.from)?;
        if let Some(filter) = &self.filter {
            write!(f, " WHERE {filter}")?;
        }
        let groups = list(&self.groups);
        match self.grouping {
            _ if groups.is_empty() => {}
            "" => write!(f, " GROUP BY {groups}")?,
            "GROUPING SETS" => {
                let single: String = self.groups.iter().map(|group| format!("({group}), ")).collect();
                write!(f, " GROUP BY GROUPING SETS (({groups}), {single}())")?;
            }
            grouping => write!(f, " GROUP BY {grouping} ({groups})")?,
        }
        if let Some(having) = &self.having {
            write!(f, " HAVING {having}")?;
        }
        if let Some(qualify) = &self.qualify {
            write!(f, " QUALIFY {qualify}")?;
        }
        if !self.order.is_empty() {
            write!(f, " ORDER BY {}", list(&self.order))?;
        }
        write!(f, "{}", self.limit)
    }
}

impl fmt::Display for From {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            From::Table(name) | From::Query { name, with: true, .. } => f.write_str(name),
            From::Query { query, name, .. } => write!(f, "({query}) AS {name}"),
            From::Join { left, kind, right, on, using: false } => write!(f, "{left} {kind} JOIN {right} ON {on}"),
            From::Lateral { left, kind, rows, name } => write!(f, "{left} {kind} JOIN {rows} AS {name} ON true"),
            From::Join { left, kind, right, on, using: true } => write!(f, "{left} {kind} JOIN {right} USING ({on})"),
        }
    }
}

fn list(exprs: &[Expr]) -> String {
    exprs.iter().map(Expr::to_string).collect::<Vec<_>>().join(", ")
}

impl Expr {
    /// The same expression made smaller in one place: a part instead of the whole.
    fn smaller(&self) -> Vec<Expr> {
        let mut smaller = self.parts.clone();
        for (place, part) in self.parts.iter().enumerate() {
            for less in part.smaller() {
                let mut whole = self.clone();
                whole.parts[place] = less;
                smaller.push(whole);
            }
        }
        smaller
    }
}

impl Query {
    /// The same query made smaller in one place. Many of them mean nothing: whoever asks has to try them.
    pub(super) fn smaller(&self) -> Vec<Query> {
        match self {
            Query::Set(operation, queries) => {
                let mut smaller = queries.clone();
                for (place, query) in queries.iter().enumerate() {
                    for less in query.smaller() {
                        let mut queries = queries.clone();
                        queries[place] = less;
                        smaller.push(Query::Set(operation, queries));
                    }
                }
                smaller
            }
            Query::Select(select) => {
                let inner = select.from.queries();
                let less = select.smaller().into_iter().map(|select| Query::Select(Box::new(select)));
                inner.into_iter().chain(less).collect()
            }
        }
    }
}

impl From {
    /// The subqueries that are written ahead.
    fn named(&self) -> Vec<(&str, &Query)> {
        match self {
            From::Query { query, name, with: true } => vec![(name, query)],
            From::Join { left, right, .. } => [left.named(), right.named()].concat(),
            From::Lateral { left, .. } => left.named(),
            _ => Vec::new(),
        }
    }

    fn queries(&self) -> Vec<Query> {
        match self {
            From::Table(_) => Vec::new(),
            From::Query { query, .. } => vec![query.clone()],
            From::Join { left, right, .. } => [left.queries(), right.queries()].concat(),
            From::Lateral { left, .. } => left.queries(),
        }
    }

    fn smaller(&self) -> Vec<From> {
        match self {
            From::Table(_) => Vec::new(),
            From::Query { query, name, with } => {
                let smaller = query.smaller().into_iter();
                smaller.map(|query| From::Query { query, name: name.clone(), with: *with }).collect()
            }
            From::Lateral { left, kind, rows, name } => {
                let lateral = |left: &From, rows: &Expr| From::Lateral {
                    left: Box::new(left.clone()),
                    kind,
                    rows: rows.clone(),
                    name: name.clone(),
                };
                let mut smaller = vec![(**left).clone()];
                smaller.extend(left.smaller().iter().map(|left| lateral(left, rows)));
                smaller.extend(rows.smaller().iter().map(|rows| lateral(left, rows)));
                smaller
            }
            From::Join { left, kind, right, on, using } => {
                let join = |left: &From, right: &From, on: &Expr| From::Join {
                    left: Box::new(left.clone()),
                    kind,
                    right: Box::new(right.clone()),
                    on: on.clone(),
                    using: *using,
                };
                let mut smaller = vec![(**left).clone(), (**right).clone()];
                smaller.extend(left.smaller().iter().map(|left| join(left, right, on)));
                smaller.extend(right.smaller().iter().map(|right| join(left, right, on)));
                smaller.extend(on.smaller().iter().map(|on| join(left, right, on)));
                smaller
            }
        }
    }
}

impl Select {
    fn smaller(&self) -> Vec<Select> {
        let mut smaller = Vec::new();
        let mut push = |change: &dyn Fn(&mut Select)| {
            let mut select = self.clone();
            change(&mut select);
            if select != *self {
                smaller.push(select);
            }
        };
        push(&|select| select.filter = None);
        push(&|select| select.having = None);
        push(&|select| select.qualify = None);
        push(&|select| select.grouping = "");
        push(&|select| select.distinct = None);
        push(&|select| select.order.clear());
        if self.items.len() > 1 {
            (0..self.items.len()).for_each(|place| push(&|select| drop(select.items.remove(place))));
        }
        for place in 0..self.groups.len() {
            push(&|select| drop(select.groups.remove(place)));
            // The item of the same place is the group's.
            push(&|select| {
                select.groups.remove(place);
                if place < select.items.len() && select.items.len() > 1 {
                    select.items.remove(place);
                }
            });
        }
        push(&|select| select.limit.clear());
        for from in self.from.smaller() {
            push(&|select| select.from = from.clone());
        }
        for (place, (item, _)) in self.items.iter().enumerate() {
            for less in item.smaller() {
                push(&|select| {
                    select.items[place].0 = less.clone();
                    // A group has to stay what its item says.
                    if let Some(group) = select.groups.get_mut(place)
                        && group == item
                    {
                        *group = less.clone();
                    }
                });
            }
        }
        for less in self.filter.iter().flat_map(Expr::smaller) {
            push(&|select| select.filter = Some(less.clone()));
        }
        for less in self.having.iter().flat_map(Expr::smaller) {
            push(&|select| select.having = Some(less.clone()));
        }
        for less in self.qualify.iter().flat_map(Expr::smaller) {
            push(&|select| select.qualify = Some(less.clone()));
        }
        smaller
    }
}
