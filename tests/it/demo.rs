//! `readside demo`: the binary with the shipped configuration, from the first event to the crash and back.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::support::nats::{NatsServer, binary, create_orders, needs_nats};

fn demo(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_readside"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["demo", "--once"])
        .args(arguments)
        .env("NATS_SERVER", binary().as_ref().expect("a nats-server"))
        .stdin(Stdio::null())
        .output()
        .expect("the demo runs")
}

#[test]
fn the_demo_shows_the_figures_of_its_own_books() {
    needs_nats!();
    let output = demo(&[]);
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}\n{errors}");
    for shown in [
        "ok: customers: orders and revenue net of refunds (12 rows",
        "/lines/0/quantity  expected int32, found a string",
        "no invoice in the [parcel]",
        "ok: no stale row in its place, but a 409",
        "ok: it continued from a checkpoint",
        "checks passed.",
    ] {
        assert!(text.contains(shown), "`{shown}` is missing in\n{text}");
    }
    assert!(!text.contains("WRONG"), "{text}");
}

#[tokio::test]
async fn the_demo_takes_no_stream_of_another() {
    needs_nats!();
    let server = NatsServer::start();
    create_orders(&server.jetstream().await).await;
    let output = demo(&["--nats", &server.url()]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(errors.contains("the stream ORDERS exists already"), "{errors}");
}

#[test]
fn a_projection_that_counts_wrong_fails_the_demo() {
    needs_nats!();
    let folder = TempDir::new().unwrap();
    for path in ["config/readside.yaml", "config/sources/orders.yaml", "config/sources/catalog.yaml"] {
        copy(path, folder.path(), |text| text);
    }
    for path in ["projections/customers.yaml", "projections/orders.yaml"] {
        copy(path, folder.path(), |text| text);
    }
    copy("projections/sales.yaml", folder.path(), |text| {
        text.replace("sum(total) AS revenue", "max(total) AS revenue")
    });
    let output = demo(&["--config", folder.path().join("config/readside.yaml").to_str().unwrap()]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("WRONG: daily_revenue: orders and revenue of each day"), "{text}");
    assert!(text.contains("ok: customers: orders and revenue net of refunds"), "{text}");
}

fn copy(path: &str, folder: &Path, change: impl Fn(String) -> String) {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    let to = folder.join(path);
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    std::fs::write(to, change(text)).unwrap();
}
