//! Clauses of SELECT, kinds of joins and of tables. The fields of queries, SELECTs and tables are all named, and so are the kinds of joins, so
//! that one that a later parser adds has to be thought of here.

use std::ops::ControlFlow;

use datafusion::common::{Result, plan_err};
use datafusion::execution::SessionState;
use datafusion::sql::sqlparser::ast::{
    Expr, ForClause, GroupByExpr, Join, JoinConstraint, JoinOperator, LimitClause, ObjectName, OrderBy, Query, Select,
    SetExpr, SetOperator, TableAlias, TableFactor, TableWithJoins, visit_expressions,
};

use super::super::spelling::instead_of;
use super::called;

pub(super) fn of_query(query: &Query) -> Result<()> {
    // A pipe operator that is not planned has a message of its own; FETCH has become LIMIT.
    let Query {
        with: _,
        body,
        order_by,
        limit_clause,
        fetch: _,
        locks,
        for_clause,
        settings,
        format_clause,
        pipe_operators: _,
    } = query;
    if let Some(OrderBy { interpolate: Some(_), .. }) = order_by {
        return plan_err!("there is no INTERPOLATE: join what is there to a relation that has every point in time");
    }
    if let Some(LimitClause::LimitOffset { limit_by, .. }) = limit_clause
        && !limit_by.is_empty()
    {
        return plan_err!("there is no LIMIT … BY: write `QUALIFY row_number() OVER (PARTITION BY a ORDER BY b) <= 3`");
    }
    if let Some(LimitClause::LimitOffset { limit, offset, .. }) = limit_clause {
        let numbers = limit.iter().chain(offset.iter().map(|offset| &offset.value));
        if let Some(other) = numbers.into_iter().find(|number| is_of_rows(number)) {
            return plan_err!(
                "LIMIT and OFFSET take a number and not `{other}`: write `QUALIFY row_number() OVER (ORDER BY a) <= …`"
            );
        }
    }
    if let Some(lock) = locks.first() {
        return plan_err!("nothing can be locked, for a read model is written by its events alone: leave out {lock}");
    }
    match for_clause {
        Some(ForClause::Json { .. }) => {
            return plan_err!(
                "there is no FOR JSON: write `SELECT jsonb_agg(t) FROM (…) AS t`, or read the rows over HTTP"
            );
        }
        Some(ForClause::Xml { .. }) => return plan_err!("there is no FOR XML: nothing here is XML"),
        Some(ForClause::Browse) => return plan_err!("there is no FOR BROWSE: leave it out"),
        None => {}
    }
    if settings.is_some() {
        return plan_err!("there is no SETTINGS: leave it out");
    }
    if format_clause.is_some() {
        return plan_err!("there is no FORMAT: who asks says in which format the rows come");
    }
    of_sets(body)
}

/// Whether it names a column or reads rows.
fn is_of_rows(number: &Expr) -> bool {
    let is_column = |expr: &Expr| match expr {
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) | Expr::Subquery(_) => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    visit_expressions(number, is_column).is_break()
}

fn of_sets(body: &SetExpr) -> Result<()> {
    match body {
        SetExpr::SetOperation { op: SetOperator::Minus, .. } => plan_err!("there is no MINUS: write EXCEPT"),
        SetExpr::SetOperation { left, right, .. } => of_sets(left).and_then(|()| of_sets(right)),
        SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
            plan_err!("a read model is written by its events alone: a query has no INSERT, UPDATE, DELETE or MERGE")
        }
        SetExpr::Table(_) => plan_err!("there is no TABLE t: write `SELECT * FROM t`"),
        SetExpr::Select(_) | SetExpr::Query(_) | SetExpr::Values(_) => Ok(()),
    }
}

pub(super) fn of_select(select: &Select) -> Result<()> {
    // SELECT INTO is no query, which is said of the statement; the flavour is where FROM stands.
    let Select {
        select_token: _,
        optimizer_hints: _,
        distinct: _,
        select_modifiers,
        top,
        top_before_distinct: _,
        projection: _,
        exclude,
        into: _,
        from,
        lateral_views,
        prewhere,
        selection: _,
        connect_by,
        group_by,
        cluster_by,
        distribute_by,
        sort_by,
        having: _,
        named_window: _,
        qualify: _,
        window_before_qualify: _,
        value_table_mode,
        flavor: _,
    } = select;
    if let Some(modifiers) = select_modifiers.as_ref().filter(|modifiers| modifiers.is_any_set()) {
        return plan_err!("there is no{modifiers}: leave it out");
    }
    if top.is_some() {
        return plan_err!("there is no TOP: write `ORDER BY … LIMIT 3` at the end");
    }
    if exclude.is_some() {
        return plan_err!("what is left out stands behind the star: write `SELECT * EXCLUDE (a)`");
    }
    if value_table_mode.is_some() {
        return plan_err!("there is no SELECT AS STRUCT: write `SELECT {{'a': a, 'b': b}} AS s`");
    }
    if !lateral_views.is_empty() {
        return plan_err!("there is no LATERAL VIEW: write `FROM t, unnest(t.list) AS x`");
    }
    if prewhere.is_some() {
        return plan_err!("there is no PREWHERE: write WHERE");
    }
    if !connect_by.is_empty() {
        return plan_err!("there is no START WITH … CONNECT BY: join the relation with itself, once for each level");
    }
    if !cluster_by.is_empty() || !distribute_by.is_empty() || !sort_by.is_empty() {
        return plan_err!(
            "there is no CLUSTER BY, DISTRIBUTE BY or SORT BY: write `ORDER BY … LIMIT …`, or leave it out"
        );
    }
    if let GroupByExpr::All(modifiers) | GroupByExpr::Expressions(_, modifiers) = group_by
        && !modifiers.is_empty()
    {
        return plan_err!("there is no GROUP BY … WITH ROLLUP: write `GROUP BY ROLLUP (a, b)`");
    }
    from.iter().try_for_each(of_joins)
}

/// SEMI and ANTI JOIN have become those of the left side, and ASOF JOIN, which the parser may have been given as STRAIGHT_JOIN, a lateral
/// one, where they stand in FROM itself.
fn of_joins(from: &TableWithJoins) -> Result<()> {
    from.joins.iter().try_for_each(|Join { relation: _, global, join_operator }| {
        if *global {
            return plan_err!("there is no GLOBAL JOIN: write JOIN");
        }
        of_join(join_operator)
    })
}

fn of_join(join: &JoinOperator) -> Result<()> {
    match join {
        JoinOperator::Join(_)
        | JoinOperator::Inner(_)
        | JoinOperator::Left(_)
        | JoinOperator::LeftOuter(_)
        | JoinOperator::Right(_)
        | JoinOperator::RightOuter(_)
        | JoinOperator::FullOuter(_)
        | JoinOperator::CrossJoin(JoinConstraint::None)
        | JoinOperator::LeftSemi(_)
        | JoinOperator::RightSemi(_)
        | JoinOperator::LeftAnti(_)
        | JoinOperator::RightAnti(_) => Ok(()),
        JoinOperator::CrossJoin(_) => plan_err!("a CROSS JOIN has no condition: write JOIN with it"),
        JoinOperator::Semi(_) | JoinOperator::Anti(_) | JoinOperator::AsOf { .. } | JoinOperator::StraightJoin(_) => {
            plan_err!(
                "an ASOF, SEMI or ANTI JOIN stands in FROM itself: write a subquery in the place of the parentheses"
            )
        }
        JoinOperator::CrossApply => plan_err!("there is no CROSS APPLY: write `CROSS JOIN LATERAL (SELECT …) AS x`"),
        JoinOperator::OuterApply => {
            plan_err!("there is no OUTER APPLY: write `LEFT JOIN LATERAL (SELECT …) AS x ON true`")
        }
        JoinOperator::ArrayJoin | JoinOperator::LeftArrayJoin | JoinOperator::InnerArrayJoin => {
            plan_err!("there is no ARRAY JOIN: write `CROSS JOIN unnest(t.list) AS x`")
        }
    }
}

pub(super) fn of_table(factor: &TableFactor, state: &SessionState) -> Result<()> {
    let alias = match factor {
        TableFactor::Table {
            name,
            alias,
            args,
            with_hints,
            version,
            with_ordinality,
            partitions,
            json_path,
            sample,
            index_hints,
        } => {
            if sample.is_some() {
                return sampled();
            }
            if let Some(version) = version {
                return plan_err!(
                    "there is no {version} of one table: the rows of now are read; a table that keeps its versions is joined, as in `a JOIN b FOR \
                     SYSTEM_TIME AS OF a._time ON a.k = b.k`"
                );
            }
            if !partitions.is_empty() || json_path.is_some() {
                return plan_err!("`{factor}` reads a part of a table: write a condition");
            }
            if !with_hints.is_empty() || !index_hints.is_empty() {
                return plan_err!("there are no hints: write `{name}` alone");
            }
            if *with_ordinality && args.is_none() {
                return plan_err!("a table has no order: WITH ORDINALITY is for functions in FROM");
            }
            if args.is_some() {
                of_function(name, state)?;
            }
            alias
        }
        TableFactor::Derived { sample: Some(_), .. } => return sampled(),
        TableFactor::Derived { lateral: _, subquery: _, alias, sample: None } => alias,
        TableFactor::NestedJoin { table_with_joins, alias } => {
            of_joins(table_with_joins)?;
            alias
        }
        TableFactor::Function { name, alias, .. } => {
            of_function(name, state)?;
            alias
        }
        TableFactor::UNNEST { with_offset: true, .. } => {
            return plan_err!(
                "there is no WITH OFFSET: write `unnest(list) WITH ORDINALITY AS t(x, n)`, where `n` begins at 1"
            );
        }
        TableFactor::UNNEST { alias, .. } => alias,
        TableFactor::TableFunction { .. } => {
            return plan_err!("a function stands in FROM without TABLE: write `FROM unnest(list) AS x`");
        }
        TableFactor::JsonTable { .. } | TableFactor::OpenJsonTable { .. } => {
            return plan_err!(
                "there is no JSON_TABLE or OPENJSON: write `FROM t, jsonb_to_recordset(t.j -> 'items') AS i(a int, b text)`, or \
                 `jsonb_to_record` of one object"
            );
        }
        TableFactor::XmlTable { .. } => return plan_err!("there is no XMLTABLE: nothing here is XML"),
        TableFactor::Pivot { .. } => {
            return plan_err!(
                "there is no PIVOT: write `sum(x) FILTER (WHERE kind = 'a') AS a` for each column, with GROUP BY"
            );
        }
        TableFactor::Unpivot { .. } => {
            return plan_err!(
                "there is no UNPIVOT: write `FROM t, LATERAL (VALUES ('a', t.a), ('b', t.b)) AS v(name, value)`"
            );
        }
        TableFactor::MatchRecognize { .. } => {
            return plan_err!(
                "there is no MATCH_RECOGNIZE: compare rows with `lag(x) OVER (…)` and `lead(x) OVER (…)`"
            );
        }
        TableFactor::SemanticView { .. } => return plan_err!("there is no SEMANTIC_VIEW: select from a relation"),
    };
    match alias {
        Some(TableAlias { at: Some(_), .. }) => plan_err!("there is no AT behind an alias: write `WITH ORDINALITY`"),
        _ => Ok(()),
    }
}

fn sampled() -> Result<()> {
    plan_err!("TABLESAMPLE picks other rows each time: pick them by what they are, as in `WHERE _seq % 10 = 0`")
}

/// What is still a function in FROM is one of the session's, or none.
fn of_function(name: &ObjectName, state: &SessionState) -> Result<()> {
    let function = called(name);
    if state.table_functions().contains_key(&function) {
        return Ok(());
    }
    if let Some(instead) = instead_of(&function) {
        return plan_err!("there is no `{function}`: write {instead}");
    }
    if state.scalar_functions().contains_key(&function) {
        return plan_err!(
            "`{function}` gives one value and no rows: call it in SELECT, or write `LATERAL (SELECT {function}(…) AS x)`"
        );
    }
    plan_err!(
        "there is no function `{function}` in FROM: rows come of `unnest`, `generate_series`, `jsonb_array_elements`, `jsonb_each`, \
         `jsonb_to_recordset`, `regexp_matches`, `string_to_table`, and windows of `TUMBLE`, `HOP` and `SESSION`"
    )
}
