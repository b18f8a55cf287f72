//! `a ASOF JOIN b MATCH_CONDITION (a.at >= b.at) ON a.k = b.k`: each row of `a` with the latest row of `b` that is not later. A row
//! without one is kept, as in Snowflake; DuckDB's `ASOF JOIN b ON a.k = b.k AND a.at >= b.at`, which is an inner join, and
//! its `ASOF LEFT JOIN` have their comparison among the conditions, or as the last column of `USING (k, at)`.
//!
//! `a JOIN b FOR SYSTEM_TIME AS OF a.at ON a.k = b.k` is the same of the events of `b`, by their `_time`.
//!
//! The parser knows Snowflake's form alone. The other reaches it under the name of a join that nothing else here has, MySQL's
//! `STRAIGHT_JOIN`, and one that keeps rows without a partner as a `GLOBAL` one. Where an author writes that name, it is the inner
//! join that MySQL means.

use std::ops::ControlFlow;

use datafusion::common::{Result, plan_err};
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Ident, Join, JoinConstraint, JoinOperator, Select, SetExpr, TableAlias, TableFactor,
    TableVersion, visit_expressions,
};
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Whitespace};

use super::template;

/// The tokens of a text, with DuckDB's as-of joins as the parser takes them.
pub(in crate::sql) fn as_parsed(mut tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let words: Vec<usize> = (0..tokens.len()).filter(|&at| !matches!(tokens[at].token, Token::Whitespace(_))).collect();
    for &at in &words {
        if is_word(&tokens[at], "STRAIGHT_JOIN") {
            tokens[at].token = Token::make_keyword("JOIN");
        }
    }
    for (place, &at) in words.iter().enumerate() {
        let follows = |place: usize, word: &str| words.get(place).is_some_and(|&at| is_word(&tokens[at], word));
        let keeps = follows(place + 1, "LEFT");
        let join = place + 1 + usize::from(keeps);
        if !is_word(&tokens[at], "ASOF") || !follows(join, "JOIN") || is_matched(&tokens[words[join]..]) {
            continue;
        }
        let nothing = Token::Whitespace(Whitespace::Space);
        tokens[at].token = if keeps { Token::make_keyword("GLOBAL") } else { nothing.clone() };
        if keeps {
            tokens[words[place + 1]].token = nothing;
        }
        tokens[words[join]].token = Token::make_keyword("STRAIGHT_JOIN");
    }
    tokens
}

/// Whether a join says what matches before it says ON.
fn is_matched(tokens: &[TokenWithSpan]) -> bool {
    let mut depth = 0usize;
    for token in tokens {
        match &token.token {
            Token::LParen => depth += 1,
            Token::RParen => depth = depth.saturating_sub(1),
            _ if depth > 0 => {}
            _ if is_word(token, "MATCH_CONDITION") => return true,
            _ if is_word(token, "ON") || is_word(token, "USING") => return false,
            _ => {}
        }
    }
    false
}

fn is_word(token: &TokenWithSpan, word: &str) -> bool {
    matches!(&token.token, Token::Word(found) if found.quote_style.is_none() && found.value.eq_ignore_ascii_case(word))
}

pub(super) fn as_lateral(select: &mut Select) -> Result<()> {
    for item in &mut select.from {
        if version(&mut item.relation).is_some() {
            return plan_err!(
                "FOR SYSTEM_TIME AS OF is for a table that is joined: `a JOIN b FOR SYSTEM_TIME AS OF a._time ON a.k = b.k`"
            );
        }
    }
    for item in &mut select.from {
        // Columns that both have are those of the only table before it.
        let left = name_of(&item.relation).ok();
        for (place, join) in item.joins.iter_mut().enumerate() {
            as_of(join, left.as_ref().filter(|_| place == 0))?;
        }
    }
    Ok(())
}

fn as_of(join: &mut Join, left: Option<&Ident>) -> Result<()> {
    if let Some(moment) = version(&mut join.relation) {
        return of_moment(join, moment);
    }
    match &join.join_operator {
        JoinOperator::AsOf { match_condition, constraint } => {
            let (compared, constraint) = (match_condition.clone(), constraint.clone());
            let keys = match constraint {
                JoinConstraint::On(keys) => Some(keys),
                JoinConstraint::None => None,
                JoinConstraint::Using(_) | JoinConstraint::Natural => {
                    return plan_err!("ASOF JOIN takes ON: write `ON a.k = b.k`");
                }
            };
            latest(join, &compared, keys, true, "*")
        }
        // How the parser was told of DuckDB's form.
        JoinOperator::StraightJoin(JoinConstraint::On(condition)) => {
            let (compared, keys): (Vec<Expr>, Vec<Expr>) = conjunction(condition).into_iter().partition(is_range);
            let [compared] = compared.as_slice() else {
                return plan_err!("ASOF JOIN takes one comparison by <, <=, > or >= beside its equalities");
            };
            let (compared, keeps) = (compared.clone(), join.global);
            latest(join, &compared, all(keys)?, keeps, "*")
        }
        JoinOperator::StraightJoin(JoinConstraint::Using(columns)) => {
            let columns: Vec<Ident> =
                columns.iter().filter_map(|column| column.0.last()?.as_ident().cloned()).collect();
            let (Some(left), Some((time, keys))) = (left, columns.split_last()) else {
                return plan_err!(
                    "ASOF JOIN takes USING between two tables alone: write `ON a.k = b.k AND a.at >= b.at`"
                );
            };
            let right = name_of(&join.relation)?;
            let of = |table: &Ident, column: &Ident| Expr::CompoundIdentifier(vec![table.clone(), column.clone()]);
            let equal = |column| template::expression("$__0 = $__1", &[of(left, column), of(&right, column)]);
            let keys = all(keys.iter().map(equal).collect::<Result<_>>()?)?;
            let compared = template::expression("$__0 >= $__1", &[of(left, time), of(&right, time)])?;
            // The columns that both have are those of the left side.
            let names: Vec<String> = columns.iter().map(ToString::to_string).collect();
            let keeps = join.global;
            latest(join, &compared, keys, keeps, &format!("* EXCLUDE ({})", names.join(", ")))
        }
        JoinOperator::StraightJoin(_) => {
            plan_err!("ASOF JOIN takes ON: write `ON a.k = b.k AND a.at >= b.at`")
        }
        _ => Ok(()),
    }
}

fn all(conditions: Vec<Expr>) -> Result<Option<Expr>> {
    let conditions = conditions.into_iter().map(Ok);
    conditions.reduce(|all, one| template::expression("($__0) AND ($__1)", &[all?, one?])).transpose()
}

/// Takes the moment as of which a table is read.
fn version(relation: &mut TableFactor) -> Option<Expr> {
    let TableFactor::Table { version, .. } = relation else { return None };
    match version.take()? {
        TableVersion::ForSystemTimeAsOf(moment) => Some(moment),
        other => {
            *version = Some(other);
            None
        }
    }
}

/// A join with the events as they stood at a moment of the left side.
fn of_moment(join: &mut Join, moment: Expr) -> Result<()> {
    let TableFactor::Table { name, .. } = &join.relation else { return Ok(()) };
    if name.0.len() < 2 {
        return plan_err!(
            "FOR SYSTEM_TIME AS OF reads events by their _time, and `{name}` is none: write `ASOF LEFT JOIN {name} AS b ON a.k = b.k AND \
             a.at >= b.valid_from`, with the column that says from when a row of it is valid"
        );
    }
    let (keys, keeps) = match &join.join_operator {
        JoinOperator::Join(JoinConstraint::On(keys)) | JoinOperator::Inner(JoinConstraint::On(keys)) => (keys, false),
        JoinOperator::Left(JoinConstraint::On(keys)) | JoinOperator::LeftOuter(JoinConstraint::On(keys)) => {
            (keys, true)
        }
        _ => {
            return plan_err!(
                "FOR SYSTEM_TIME AS OF takes JOIN or LEFT JOIN with ON: \
                 `a JOIN b FOR SYSTEM_TIME AS OF a._time ON a.k = b.k`"
            );
        }
    };
    let keys = keys.clone();
    let time = Expr::CompoundIdentifier(vec![name_of(&join.relation)?, Ident::new("_time")]);
    let compared = template::expression("$__0 >= $__1", &[moment, time])?;
    latest(join, &compared, Some(keys), keeps, "*")
}

fn name_of(relation: &TableFactor) -> Result<Ident> {
    let name = match relation {
        TableFactor::Table { alias: Some(alias), .. } | TableFactor::Derived { alias: Some(alias), .. } => {
            Some(alias.name.clone())
        }
        TableFactor::Table { name, .. } => name.0.last().and_then(|part| part.as_ident()).cloned(),
        _ => None,
    };
    match name {
        Some(name) => Ok(name),
        None => plan_err!("give what is joined a name: `ASOF JOIN … AS b`"),
    }
}

/// `taken` says which columns of the joined table come out.
fn latest(join: &mut Join, compared: &Expr, keys: Option<Expr>, keeps: bool, taken: &str) -> Result<()> {
    let name = name_of(&join.relation)?;
    let Some((time, earlier)) = time_of(&name, compared) else {
        return plan_err!("ASOF JOIN compares a time of the left side with one of `{name}`, as in `a.at >= {name}.at`");
    };
    let condition = match keys {
        Some(keys) => template::expression("($__0) AND ($__1)", &[keys, compared.clone()])?,
        None => compared.clone(),
    };
    let order = if earlier { "DESC" } else { "ASC" };
    let mut rows = template::query(
        &format!("SELECT {taken} FROM placeholder WHERE $__0 ORDER BY $__1 {order} LIMIT 1"),
        &[condition, time],
    )?;
    if let SetExpr::Select(select) = rows.body.as_mut()
        && let Some(from) = select.from.first_mut()
    {
        from.relation = join.relation.clone();
        if let TableFactor::Table { alias: alias @ None, .. } = &mut from.relation {
            *alias = Some(alias_of(name.clone()));
        }
    }
    join.relation =
        TableFactor::Derived { lateral: true, subquery: Box::new(rows), alias: Some(alias_of(name)), sample: None };
    join.global = false;
    let always = JoinConstraint::On(template::expression("true", &[])?);
    join.join_operator = if keeps { JoinOperator::Left(always) } else { JoinOperator::Inner(always) };
    Ok(())
}

fn alias_of(name: Ident) -> TableAlias {
    TableAlias { explicit: true, name, columns: Vec::new(), at: None }
}

/// The side of a comparison that is the joined table's, and whether it is the earlier one.
fn time_of(name: &Ident, compared: &Expr) -> Option<(Expr, bool)> {
    let Expr::BinaryOp { left, op, right } = compared else { return None };
    let is_greater = match op {
        BinaryOperator::Gt | BinaryOperator::GtEq => true,
        BinaryOperator::Lt | BinaryOperator::LtEq => false,
        _ => return None,
    };
    match (is_of(name, left), is_of(name, right)) {
        (false, true) => Some((right.as_ref().clone(), is_greater)),
        (true, false) => Some((left.as_ref().clone(), !is_greater)),
        _ => None,
    }
}

/// Whether an expression names a column of the table.
fn is_of(name: &Ident, expr: &Expr) -> bool {
    let mut found = false;
    let _ = visit_expressions(expr, |part| {
        if let Expr::CompoundIdentifier(parts) = part
            && parts.len() > 1
        {
            found |= parts[parts.len() - 2].value.eq_ignore_ascii_case(&name.value);
        }
        ControlFlow::<()>::Continue(())
    });
    found
}

fn is_range(part: &Expr) -> bool {
    use BinaryOperator::{Gt, GtEq, Lt, LtEq};
    matches!(part, Expr::BinaryOp { op: Gt | GtEq | Lt | LtEq, .. })
}

fn conjunction(condition: &Expr) -> Vec<Expr> {
    match condition {
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => [conjunction(left), conjunction(right)].concat(),
        Expr::Nested(inner) => conjunction(inner),
        other => vec![other.clone()],
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use datafusion::prelude::SessionContext;

    use crate::sql::parse_statement;

    #[test]
    fn only_what_says_so_is_an_as_of_join() {
        let state = SessionContext::new().state();
        let parsed = |sql: &str| parse_statement(&state, sql).unwrap().to_string();
        let on = "b ON a.k = b.k AND a.at >= b.at";
        let inner = parsed(&format!("SELECT * FROM a STRAIGHT_JOIN {on}"));
        assert_eq!(inner, parsed(&format!("SELECT * FROM a JOIN {on}")));
        assert!(!inner.contains("LATERAL"), "{inner}");
        let latest = parsed(&format!("SELECT * FROM a ASOF JOIN {on}"));
        assert!(latest.contains("JOIN LATERAL") && latest.contains("ORDER BY b.at DESC LIMIT 1"), "{latest}");
        assert!(parsed(&format!("SELECT * FROM a ASOF LEFT JOIN {on}")).contains("LEFT JOIN LATERAL"));
    }
}
