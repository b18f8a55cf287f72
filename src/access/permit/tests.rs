#![allow(clippy::unwrap_used)]

use arrow::array::{Int64Array, StringArray};
use datafusion::logical_expr::{col, lit};
use datafusion::prelude::{SessionContext, when};

use super::super::functions::register_claims;
use super::super::policies::RowFilter;
use super::*;

fn state() -> SessionState {
    let mut context = SessionContext::new();
    register_claims(&mut context).unwrap();
    context.state()
}

fn call(name: &str, argument: &str) -> Expr {
    state().scalar_functions()[name].call(vec![lit(argument)])
}

fn rows() -> RecordBatch {
    let schema = Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        Field::new("tenant", DataType::Utf8, true),
        Field::new("email", DataType::Utf8, false),
    ]);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(vec![1, 2, 3, 4])),
        Arc::new(StringArray::from(vec![Some("a"), Some("b"), None, Some("a")])),
        Arc::new(StringArray::from(vec!["1@x", "2@x", "3@x", "four"])),
    ];
    RecordBatch::try_new(Arc::new(schema), columns).unwrap()
}

fn permit(conditions: Vec<Expr>, masks: &[(&str, Expr)], claims: &[(&str, &str)]) -> Result<Permit, Denied> {
    let filters = conditions.into_iter().map(|condition| RowFilter { policy: "own".to_owned(), condition });
    let masks = masks.iter().map(|(column, mask)| ((*column).to_owned(), mask.clone())).collect();
    let policy = RelationPolicy { filters: filters.collect(), masks };
    let mut known = Claims::default();
    claims.iter().for_each(|(name, value)| known.add(*name, *value));
    Permit::of("orders", &policy, &known, &rows().schema(), &state())
}

fn seen(permit: &Permit) -> String {
    let permitted = permit.over(None).unwrap();
    let seen = permitted.look_at(&rows().project(&permitted.columns).unwrap()).unwrap();
    let ids: Vec<String> =
        seen.column(0).as_primitive::<arrow::datatypes::Int64Type>().iter().map(|id| id.unwrap().to_string()).collect();
    let emails: Vec<String> =
        seen.column(2).as_string::<i32>().iter().map(|email| email.unwrap_or("NULL").to_owned()).collect();
    format!("{} {}", ids.join(","), emails.join(","))
}

fn own_tenant() -> Expr {
    col("tenant").eq(call("claim", "tenant"))
}

fn for_officers() -> Expr {
    when(call("has_role", "officer"), col("email")).otherwise(lit("***")).unwrap()
}

#[test]
fn all_conditions_hold_of_what_is_seen() {
    let one = permit(vec![own_tenant()], &[], &[("tenant", "a")]).unwrap();
    assert_eq!(seen(&one), "1,4 1@x,four");
    let both = permit(vec![own_tenant(), col("id").gt(lit(1))], &[], &[("tenant", "a")]).unwrap();
    assert_eq!(seen(&both), "4 four");
    assert_eq!(both.conditions().len(), 2);
    let nobody = permit(vec![own_tenant()], &[], &[("tenant", "c")]).unwrap();
    assert_eq!(seen(&nobody), " ");
}

#[test]
fn a_claim_that_decides_and_is_missing_denies() {
    let refused = permit(vec![own_tenant()], &[], &[]).unwrap_err().to_string();
    assert_eq!(
        refused,
        "the policy `own` of `orders` asks for the claim `tenant`, which you do not have, or not with one value"
    );
    // A claim of several values is not one that equals something.
    assert!(permit(vec![own_tenant()], &[], &[("tenant", "a"), ("tenant", "b")]).is_err());
    let all = vec![call("has_role", "officer").or(own_tenant())];
    assert!(permit(all.clone(), &[], &[]).is_err());
    let officer = permit(all, &[], &[("roles", "officer")]).unwrap();
    assert!(officer.sees_every_row(), "what decides already asks for nothing more");
    assert!(permit(vec![], &[("email", call("claim", "mail"))], &[]).is_err(), "masks deny too");
}

#[test]
fn a_mask_is_seen_in_the_place_of_its_column() {
    let reader = permit(vec![own_tenant()], &[("email", for_officers())], &[("tenant", "a")]).unwrap();
    assert_eq!(seen(&reader), "1,4 ***,***");
    assert!(reader.masks(2) && !reader.masks(1));
    assert!(reader.schema().field(2).is_nullable());
    let officer = permit(vec![own_tenant()], &[("email", for_officers())], &[("tenant", "a"), ("roles", "officer")]);
    let officer = officer.unwrap();
    assert_eq!(seen(&officer), "1,4 1@x,four");
    assert!(!officer.masks(2), "the column itself is no mask");
}

#[test]
fn what_cannot_be_computed_is_hidden_and_no_error() {
    // `four` is no number, and a division by zero fails too.
    let number = datafusion::logical_expr::cast(
        datafusion::functions::expr_fn::split_part(col("email"), lit("@"), lit(1)),
        DataType::Int64,
    );
    let fails = permit(vec![number.clone().gt(lit(1))], &[], &[]).unwrap();
    assert_eq!(seen(&fails), "2,3 2@x,3@x");
    let divides = permit(vec![(lit(6) / (col("id") - lit(2))).gt(lit(-100))], &[], &[]).unwrap();
    assert_eq!(seen(&divides), "1,3,4 1@x,3@x,four");
    let masked = permit(vec![], &[("email", datafusion::logical_expr::cast(number, DataType::Utf8))], &[]).unwrap();
    assert_eq!(seen(&masked), "1,2,3,4 1,2,3,NULL");
}

#[test]
fn columns_that_are_not_asked_for_decide_all_the_same() {
    let reader = permit(vec![own_tenant()], &[("email", for_officers())], &[("tenant", "a")]).unwrap();
    let permitted = reader.over(Some(&[2])).unwrap();
    assert_eq!(permitted.columns, [1]);
    let seen = permitted.look_at(&rows().project(&permitted.columns).unwrap()).unwrap();
    assert_eq!((seen.num_columns(), seen.num_rows()), (1, 2));
    let counted = reader.over(Some(&[])).unwrap();
    assert_eq!(counted.look_at(&rows().project(&counted.columns).unwrap()).unwrap().num_rows(), 2);
}
