//! The dashboard, as Grafana imports it.

use serde_json::{Value, json};

use super::Surroundings;
use super::panels::{Panel, Row, rows};
use crate::telemetry::{BUILD_INFO, PROJECTION_INFO};

/// By which Grafana knows it again, and links stay right.
const UID: &str = "readside";
/// Of the JSON, as Grafana 10.4 and later read it.
const SCHEMA_VERSION: u64 = 39;

/// Of Grafana's grid, which has 24 columns.
const WIDTH: usize = 8;
const HEIGHT: usize = 8;
const ACROSS: usize = 24 / WIDTH;

/// The dashboard's JSON.
pub fn dashboard(around: &Surroundings) -> String {
    let mut panels = Vec::new();
    let mut top = 0;
    for row in rows() {
        panels.push(heading(&row, panels.len() + 1, top));
        top += 1;
        for (index, panel) in row.panels.iter().enumerate() {
            let (x, y) = (index % ACROSS * WIDTH, top + index / ACROSS * HEIGHT);
            panels.push(graph(panel, panels.len() + 1, x, y));
        }
        top += row.panels.len().div_ceil(ACROSS) * HEIGHT;
    }
    let dashboard = json!({
        "uid": UID,
        "title": "Readside",
        "description": "Written by `readside generate dashboard`.",
        "tags": ["readside"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": true,
        "graphTooltip": 1,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": variables(around)},
        "annotations": {"list": []},
        "links": [],
        "panels": panels,
    });
    format!("{dashboard:#}\n")
}

fn variables(around: &Surroundings) -> Value {
    let variable = |name: &str, label: &str, query: String, chosen: Value, several: bool| {
        json!({
            "type": "query",
            "name": name,
            "label": label,
            "datasource": datasource(),
            "query": {"query": query, "refId": name},
            "current": chosen,
            "multi": several,
            "includeAll": several,
            "allValue": if several { json!(".*") } else { Value::Null },
            "refresh": 2,
            "sort": 1,
            "hide": 0,
        })
    };
    let all = json!({"text": ["All"], "value": ["$__all"], "selected": true});
    let job = json!({"text": around.job, "value": around.job, "selected": true});
    json!([
        {
            "type": "datasource",
            "name": "datasource",
            "label": "Prometheus",
            "query": "prometheus",
            "refresh": 1,
            "hide": 0,
        },
        variable("job", "Job", format!("label_values({BUILD_INFO}, job)"), job, false),
        variable(
            "projection",
            "Projection",
            format!("label_values({PROJECTION_INFO}{{job=\"$job\"}}, projection)"),
            all,
            true
        ),
    ])
}

fn datasource() -> Value {
    json!({"type": "prometheus", "uid": "$datasource"})
}

fn heading(row: &Row, id: usize, y: usize) -> Value {
    json!({
        "type": "row",
        "id": id,
        "title": row.title,
        "collapsed": false,
        "gridPos": {"x": 0, "y": y, "w": 24, "h": 1},
        "panels": [],
    })
}

fn graph(panel: &Panel, id: usize, x: usize, y: usize) -> Value {
    let target = |(index, query): (usize, &super::panels::Query)| {
        json!({
            "refId": char::from(b'A' + index as u8).to_string(),
            "datasource": datasource(),
            "expr": query.expression,
            "legendFormat": query.legend,
            "range": true,
        })
    };
    let targets: Vec<Value> = panel.queries.iter().enumerate().map(target).collect();
    json!({
        "type": "timeseries",
        "id": id,
        "title": panel.title,
        "description": panel.description,
        "datasource": datasource(),
        "gridPos": {"x": x, "y": y, "w": WIDTH, "h": HEIGHT},
        "fieldConfig": {
            "defaults": {"unit": panel.unit, "min": 0, "custom": {"fillOpacity": 10, "showPoints": "never"}},
            "overrides": [],
        },
        "options": {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": true, "calcs": []},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        "targets": targets,
    })
}
