//! `scripts/bench-doors`: that the benchmark of what readers get works. Its figures are nothing that a test looks at.

use std::process::{Command, Stdio};

use crate::postgres::programs;
use crate::support::nats::{binary, needs_nats};

#[test]
fn the_benchmark_of_what_readers_get_works() {
    needs_nats!();
    let output = Command::new("scripts/bench-doors")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .arg("--quick")
        .env("READSIDE_BIN", env!("CARGO_BIN_EXE_readside"))
        .env("NATS_SERVER", binary().as_ref().expect("a nats-server"))
        .env("POSTGRES_BIN", programs())
        .stdin(Stdio::null())
        .output()
        .expect("the benchmark runs");
    let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}\n{errors}");
    for shown in [
        "\n| row by key | 64, 5,000 a second | ",
        "\n| page of 50 rows, by an index | 4 | ",
        "\n| SQL, sum by group, repeated | 4 | ",
        "\n| search, the best 10 at each key that is pressed | 4 | ",
        "\n| nobody | – | ",
        "\n| binary | ",
        "\n| 1 × large result | ",
    ] {
        assert!(text.contains(shown), "`{shown}` is missing in\n{text}");
    }
}
