//! Objects of JSON in FROM. `jsonb_to_record(j) AS r(a int, b text)` has their members as columns of the types that are named, and with
//! `jsonb_to_recordset` a row for each object of a list; `jsonb_each(j) AS e(key, value)` has a row for each member.

use datafusion::common::{Result, plan_err};
use datafusion::sql::sqlparser::ast::{
    CastKind, DataType, Expr, Ident, SelectItem, SetExpr, TableAlias, TableFactor, TableFunctionArgs, Value,
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
    if let Some(operator) = match name.as_str() {
        "jsonb_each" | "json_each" => Some("->"),
        "jsonb_each_text" | "json_each_text" => Some("->>"),
        _ => None,
    } {
        let arguments = values(arguments).unwrap_or_default();
        let [json] = arguments.as_slice() else { return plan_err!("write `{name}(j) AS e(key, value)`") };
        *factor = members(&name, json, operator, alias.clone())?;
        return Ok(());
    }
    let is_set = match name.as_str() {
        "jsonb_to_record" | "json_to_record" => false,
        "jsonb_to_recordset" | "json_to_recordset" => true,
        _ => return Ok(()),
    };
    let arguments = values(arguments).unwrap_or_default();
    let ([json], Some(alias)) = (arguments.as_slice(), alias.as_ref().filter(|alias| !alias.columns.is_empty())) else {
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

/// A row for each member of an object, with its key and its value.
fn members(name: &str, json: &Expr, operator: &str, alias: Option<TableAlias>) -> Result<TableFactor> {
    let alias =
        alias.unwrap_or_else(|| TableAlias { explicit: true, name: Ident::new(name), columns: Vec::new(), at: None });
    let named = |place: usize, name: &str| {
        alias.columns.get(place).map_or_else(|| name.to_owned(), |column| column.name.to_string())
    };
    let keys = "unnest(json_object_keys($__0))";
    let text = format!("SELECT {keys} AS {}, ($__0) {operator} {keys} AS {}", named(0, "key"), named(1, "value"));
    let subquery = Box::new(template::query(&text, std::slice::from_ref(json))?);
    let alias = Some(TableAlias { columns: Vec::new(), ..alias });
    Ok(TableFactor::Derived { lateral: true, subquery, alias, sample: None })
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
