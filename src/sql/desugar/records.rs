//! `jsonb_to_record(j) AS r(a int, b text)` in FROM: the members of an object as columns of the types that are named, and with
//! `jsonb_to_recordset` a row for each object of a list.

use datafusion::common::{Result, plan_err};
use datafusion::sql::sqlparser::ast::{
    CastKind, DataType, Expr, SelectItem, SetExpr, TableAlias, TableFactor, TableFunctionArgs, Value,
};

use super::set_functions::{plain_name, values};
use super::template::{self, Copies};

/// # Errors
/// If the columns are not named with their types.
pub(super) fn as_subquery(factor: &mut TableFactor) -> Result<()> {
    let (name, arguments, alias) = match &*factor {
        TableFactor::Table { name, args: Some(TableFunctionArgs { args, .. }), alias, .. } => (name, args, alias),
        TableFactor::Function { name, args, alias, .. } => (name, args, alias),
        _ => return Ok(()),
    };
    let Some(name) = plain_name(name) else { return Ok(()) };
    let is_set = match name.as_str() {
        "jsonb_to_record" | "json_to_record" => false,
        "jsonb_to_recordset" | "json_to_recordset" => true,
        _ => return Ok(()),
    };
    let arguments = values(arguments).unwrap_or_default();
    let ([json], Some(alias)) = (arguments.as_slice(), alias) else {
        return plan_err!("write `{name}(j) AS r(a text, b int)`");
    };
    let object = match is_set {
        true => template::expression("unnest(json_elements($__0))", std::slice::from_ref(json))?,
        false => json.clone(),
    };
    let (mut items, mut copies) = (Vec::new(), Copies::default());
    for column in &alias.columns {
        let Some(data_type) = &column.data_type else {
            return plan_err!("write the types of the columns: `{name}(j) AS r(a text, b int)`");
        };
        let key = Expr::value(Value::SingleQuotedString(column.name.value.clone()));
        let member = member(copies.of(&object)?, key, data_type)?;
        items.push(SelectItem::ExprWithAlias { expr: member, alias: column.name.clone() });
    }
    let mut subquery = template::query("SELECT 1", &[])?;
    if let SetExpr::Select(select) = subquery.body.as_mut() {
        select.projection = items;
    }
    let alias = TableAlias { columns: Vec::new(), ..alias.clone() };
    *factor = TableFactor::Derived { lateral: true, subquery: Box::new(subquery), alias: Some(alias), sample: None };
    Ok(())
}

/// The member of that key: JSON as it is, anything else from its text.
fn member(object: Expr, key: Expr, data_type: &DataType) -> Result<Expr> {
    let member = match data_type {
        DataType::JSON | DataType::JSONB => return template::expression("($__0) -> $__1", &[object, key]),
        _ => template::expression("(($__0) ->> $__1)", &[object, key])?,
    };
    Ok(Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(member),
        data_type: data_type.clone(),
        array: false,
        format: None,
    })
}
