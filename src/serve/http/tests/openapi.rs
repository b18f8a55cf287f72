//! The document of the routes is held to the router, to what reads parameters, and to the page about errors.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use super::super::admin::{PROJECTION_VERBS, SOURCE_VERBS};
use super::*;
use crate::config::Auth;
use crate::event::Reason;
use crate::serve::auth::{NewToken, Role};

const DOCUMENT: &str = "/v1/openapi.json";

fn document(daemon: &Daemon) -> Value {
    let answer = daemon.get(DOCUMENT);
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"), "{}", answer.json);
    answer.json
}

/// The parameters of an operation by their place and name, with what references mean.
fn parameters<'a>(document: &'a Value, path: &str, method: &str) -> BTreeMap<(&'a str, &'a str), &'a Value> {
    let listed = document["paths"][path][method]["parameters"].as_array().into_iter().flatten();
    let meant = listed.map(|parameter| match parameter["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap(),
        None => parameter,
    });
    meant.map(|one| ((one["in"].as_str().unwrap(), one["name"].as_str().unwrap()), one)).collect()
}

fn query_names(document: &Value, path: &str) -> BTreeSet<String> {
    let all = parameters(document, path, "get");
    all.keys().filter(|(place, _)| *place == "query").map(|(_, name)| (*name).to_owned()).collect()
}

/// What stands in quotation marks behind each of these beginnings.
fn quoted<'a>(text: &'a str, beginning: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(beginning).skip(1).map(|rest| rest.split('"').next().unwrap())
}

#[test]
fn every_route_is_described() {
    let document = document(&Daemon::usual());
    let routes = include_str!("../mod.rs").lines().filter_map(|line| line.trim().strip_prefix(".route(\""));
    let routes = routes.flat_map(|route| {
        let (path, handlers) = route.split_once('"').unwrap();
        let methods = ["get", "post"].into_iter().filter(move |method| handlers.contains(&format!("{method}(")));
        methods.map(move |method| format!("{method} {path}"))
    });
    let routes: BTreeSet<String> = routes.collect();
    let paths = document["paths"].as_object().unwrap();
    let described = paths.iter().flat_map(|(path, operations)| {
        operations.as_object().unwrap().keys().map(move |method| format!("{method} {path}"))
    });
    // Those of single relations and queries are further ones of the same routes.
    let single = ["/v1/tables/orders", "/v1/tables/broken", "/v1/queries/"];
    let is_single = |one: &String| single.iter().any(|path| one.contains(path)) && !one.contains("{name}");
    let described: BTreeSet<String> = described.filter(|one| !is_single(one)).collect();
    assert_eq!(described, routes);
    assert!(routes.len() > 25, "{routes:?}");

    let mut ids = BTreeSet::new();
    for (path, operations) in paths {
        for (method, operation) in operations.as_object().unwrap() {
            assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{method} {path} has the id of another");
            assert!(operation["responses"]["200"].is_object(), "{method} {path}");
            assert_eq!(operation["x-problems"], Value::Null, "{method} {path}");
            let described = parameters(&document, path, method);
            let in_path: BTreeSet<&str> = path.split('{').skip(1).map(|part| part.split('}').next().unwrap()).collect();
            let of_path = described.keys().filter(|(place, _)| *place == "path").map(|(_, name)| *name);
            assert_eq!(of_path.collect::<BTreeSet<_>>(), in_path, "{method} {path}");
        }
    }
}

#[test]
fn every_parameter_that_is_read_is_described() {
    let document = document(&Daemon::usual());
    let taken = |text: &str| -> BTreeSet<String> {
        let production = text.split("#[cfg(test)]").next().unwrap_or_default();
        let all = quoted(production, "take(&mut pairs, \"").chain(quoted(production, "take(pairs, \""));
        all.map(str::to_owned).collect()
    };
    let demand = taken(include_str!("../parameters.rs"));
    assert_eq!(demand.len(), 4, "{demand:?}");
    let of = |texts: &[&str]| texts.iter().flat_map(|text| taken(text)).chain(demand.clone()).collect::<BTreeSet<_>>();
    assert_eq!(query_names(&document, "/v1/tables/{name}"), of(&[include_str!("../list_parameters.rs")]));
    assert_eq!(query_names(&document, "/v1/tables/{name}/{k1}"), demand);
    assert_eq!(query_names(&document, "/v1/queries/{name}"), of(&[include_str!("../sql.rs")]));
    let mut search = of(&[include_str!("../search_parameters.rs"), include_str!("../nearest_parameters.rs")]);
    search.extend(["rankConstant", "textWeight", "vectorWeight"].map(str::to_owned));
    assert_eq!(query_names(&document, "/v1/search/{name}"), search);
    let in_body = document["components"]["schemas"]["Search"]["properties"].as_object().unwrap();
    assert_eq!(in_body.keys().cloned().collect::<BTreeSet<_>>(), search);
    assert_eq!(query_names(&document, "/v1/history"), taken(include_str!("../history.rs")));
    let mut parked = taken(include_str!("../parked.rs"));
    parked.extend(["source", "projection", "type", "reason", "since", "until"].map(str::to_owned));
    assert_eq!(query_names(&document, "/v1/parked"), parked);
}

#[test]
fn words_are_those_of_the_program() {
    let document = document(&Daemon::usual());
    let words = |schema: &str| document["components"]["schemas"][schema]["enum"].clone();
    assert_eq!(words("ProjectionVerb"), json!(PROJECTION_VERBS));
    assert_eq!(words("SourceVerb"), json!(SOURCE_VERBS));
    assert_eq!(words("ParkedReason"), json!(Reason::ALL.map(Reason::label)));
    assert_eq!(words("Phase"), json!(Phase::ALL.map(Phase::label)));
    let page = include_str!("../../../../docs/http.md");
    let errors = page.split("### Errors").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows =
        errors.lines().filter(|line| line.starts_with("| ") && line[2..].starts_with(|c: char| c.is_ascii_digit()));
    let told: BTreeSet<String> = rows
        .filter_map(|row| row.split('|').nth(2))
        .flat_map(|types| types.split('`').skip(1).step_by(2))
        // These two are of no operation.
        .filter(|kind| !["wrong-method", "no-route"].contains(kind))
        .map(|kind| format!("urn:readside:problem:{kind}"))
        .collect();
    let answers = document["components"]["responses"].as_object().unwrap().values();
    let types = answers.filter_map(|answer| {
        answer.pointer("/content/application~1problem+json/schema/allOf/1/properties/type/enum")?.as_array()
    });
    let types: BTreeSet<String> = types.flatten().map(|kind| kind.as_str().unwrap().to_owned()).collect();
    let others = ["urn:readside:problem:invalid", "urn:readside:problem:no-route"].map(str::to_owned);
    assert_eq!(types, told.into_iter().chain(others).collect::<BTreeSet<_>>());
}

#[test]
fn a_relation_is_described_by_its_columns() {
    let daemon = Daemon::usual();
    let document = document(&daemon);
    let row = &document["components"]["schemas"]["tables.orders.row"];
    assert_eq!(row["required"], json!(["order_id", "status", "total", "due_at", "notes", "score"]));
    assert_eq!(row["properties"]["order_id"], json!({"type": "integer", "format": "int64"}));
    assert_eq!(row["properties"]["total"], json!({"type": ["string", "null"], "pattern": r"^-?[0-9]+\.[0-9]{2}$"}));
    assert_eq!(row["properties"]["notes"], json!({"description": "Any JSON"}));
    let names = query_names(&document, "/v1/tables/orders");
    for name in ["total", "total.gte", "status.in", "notes.isnull", "minPosition", "pageToken"] {
        assert!(names.contains(name), "{name}: {names:?}");
    }
    assert!(!names.contains("notes") && !names.contains("notes.eq"), "JSON is compared with nothing");
    let key = &parameters(&document, "/v1/tables/orders/{order_id}", "get")[&("path", "order_id")]["schema"];
    assert_eq!(key["format"], "int64");
    let limit = &parameters(&document, "/v1/queries/cheap", "get")[&("query", "limit")]["schema"];
    assert_eq!((&limit["pattern"], &limit["default"]), (&json!(r"^-?[0-9]{1,16}(\.[0-9]{1,2})?$"), &json!("0.03")));
    let page = document.pointer("/components/schemas/tables.orders.page/properties/items/items/$ref").unwrap();
    assert_eq!(page, "#/components/schemas/tables.orders.row");
    let cheap = &document["components"]["schemas"]["queries.cheap.row"]["properties"];
    assert_eq!(cheap["order_id"]["format"], "int64");
    // Of what has nothing to serve it is said that it is there.
    assert!(document["paths"]["/v1/tables/broken"]["get"].is_object());
    let positions = &document["components"]["schemas"]["Positions"]["pattern"];
    assert_eq!(positions, r"^(ORDERS|orders):[0-9]{1,19}(,(ORDERS|orders):[0-9]{1,19})*$");
    // Nobody is asked who they are.
    assert_eq!((&document["security"], &document["components"]["securitySchemes"]), (&Value::Null, &Value::Null));
}

#[test]
fn how_callers_say_who_they_are_is_described() {
    let token = NewToken::create("grafana", Role::Read, &[]).unwrap();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "{}", token.line).unwrap();
    let auth = Auth { tokens: Some(file.path().to_owned()), jwt: None, mtls: None, anonymous: true };
    let document = document(&Daemon::guarded(Gate::new(&auth).unwrap()));
    assert_eq!(document["security"], json!([{"token": []}, {}]));
    let schemes = document["components"]["securitySchemes"].as_object().unwrap();
    assert_eq!((schemes.len(), &schemes["token"]["scheme"]), (1, &json!("bearer")));
    assert_eq!(document["paths"]["/livez"]["get"]["security"], json!([]));
}

#[test]
fn the_document_is_another_once_something_else_is_served() {
    let daemon = Daemon::usual();
    let tag = daemon.get(DOCUMENT).header("etag").to_owned();
    let with_tag = |tag: &str| {
        daemon.send(Daemon::agent().get(format!("{}{DOCUMENT}", daemon.url)).header("If-None-Match", tag).call())
    };
    assert_eq!((with_tag(&tag).status, with_tag(&tag).header("etag")), (304, tag.as_str()));
    // Rows come and go without it.
    daemon.catalog.publish(snapshot(101));
    assert_eq!(with_tag(&tag).status, 304);
    let mut fewer = snapshot(101);
    fewer.projections.remove("broken");
    daemon.catalog.publish(fewer);
    assert_eq!(with_tag(&tag).status, 200);
    let stray = daemon.get("/v1/openapi.json?verbose=true");
    assert_eq!(stray.problem(400, "invalid-request"), "there is no parameter `verbose`");
}
