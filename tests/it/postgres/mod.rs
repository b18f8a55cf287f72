//! Reading over the PostgreSQL protocol with clients that others wrote: psql and psycopg here, tools and their driver in `tools`.

mod tools;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::crash::daemon::Daemon;

const SOURCE: &str = r#"
source: events
file: {path: events.ndjson, follow: true}
envelope: {type: body:/type}
events:
  Thing:
    fields: {id: string!, n: int64, small: int32, price: "decimal(9,2)", rate: float64, ok: bool, day: date, at: timestamp,
      tags: list<string>, sizes: list<int64>, address: "struct<city: string, zip: string>", counts: "map<string,int64>",
      tenant: string}
  Number: {fields: {n: int64!}}
  Sample:
    fields: {id: string!, ratio: float32, doc: json, flags: list<bool>, days: list<date>, moments: list<timestamp>,
      rates: list<float64>, prices: "list<decimal(9,2)>", parts: "list<struct<name: string, n: int64>>"}
  Reading: {fields: {sensor: string!, at: timestamp!, watts: float64}}
"#;
const PROJECTIONS: &str = r#"
policy: own
row_filter: tenant = claim('tenant')
---
projection: things
key: [id]
sql: SELECT id, n, small, price, rate, ok, day, at, tags, sizes, address, counts FROM events.thing
---
projection: numbers
key: [n]
sql: SELECT n FROM events.number
---
projection: totals
kind: view
sql: SELECT count(*) AS n FROM numbers
---
projection: guarded
key: [id]
access: {policies: [own]}
sql: SELECT id, tenant FROM events.thing
---
projection: samples
key: [id]
sql: SELECT id, ratio, doc, flags, days, moments, rates, prices, parts FROM events.sample
---
projection: readings
key: [sensor, at]
sql: SELECT sensor, at, watts FROM events.reading
"#;

/// What the other columns of types have, and what a panel draws: two sensors in turn, a value a minute, and one without a value.
const SAMPLE: &str = r#"{"type":"Sample","id":"s","ratio":0.5,"doc":{"a":[1,null]},"flags":[true,null,false],"days":["2024-02-29"],
    "moments":["2024-02-29T12:30:01.25Z",null],"rates":[0.1,-2.5],"prices":["19.90","-0.05"],"parts":[{"name":"x","n":1}]}"#;

fn readings() -> String {
    let reading = |minute: usize| {
        let (sensor, watts) =
            (["a", "b"][minute % 2], if minute == 7 { "null".to_owned() } else { minute.to_string() });
        format!(
            "{{\"type\":\"Reading\",\"sensor\":\"{sensor}\",\"at\":\"2024-03-01T00:{minute:02}:30Z\",\"watts\":{watts}}}\n"
        )
    };
    (0..12).map(reading).collect()
}

/// A daemon with what the clients expect, and its folder.
struct World {
    home: TempDir,
    daemon: Daemon,
    port: String,
}

impl World {
    fn start(settings: &str) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), settings)
    }

    fn start_in(home: TempDir, settings: &str) -> Self {
        let config = format!(
            "data_dir: data\nsources: source.yaml\nprojections: projections.yaml\nhttp: {{listen: \"127.0.0.1:0\"}}\n\
             metrics: {{listen: \"127.0.0.1:0\"}}\n{settings}"
        );
        let thing = r#"{"type":"Thing","id":"a","n":9007199254740993,"small":-7,"price":"19.90","rate":0.1,"ok":true,"day":"2024-02-29",
            "at":"2024-02-29T12:30:01.25Z","tags":["x","y,\"z\"",null],"sizes":[1,2],"address":{"city":"Köln","zip":null},"counts":{"k":1},
            "tenant":"t"}"#;
        let mut events = thing.replace('\n', "") + "\n{\"type\":\"Thing\",\"id\":\"b\",\"tenant\":\"other\"}\n";
        events += &format!("{}\n{{\"type\":\"Sample\",\"id\":\"t\"}}\n{}", SAMPLE.replace('\n', ""), readings());
        (0..1_000).for_each(|n| events += &format!("{{\"type\":\"Number\",\"n\":{n}}}\n"));
        let files = [
            ("readside.yaml", config.as_str()),
            ("source.yaml", SOURCE),
            ("projections.yaml", PROJECTIONS),
            ("events.ndjson", &events),
        ];
        for (name, text) in files {
            std::fs::write(home.path().join(name), text).unwrap();
        }
        let daemon = Daemon::start(&home.path().join("readside.yaml"));
        let line: Value = serde_json::from_str(&daemon.logged("\"listening\"").unwrap()).unwrap();
        let port = line["fields"]["postgres"].as_str().unwrap().rsplit(':').next().unwrap().to_owned();
        let world = Self { home, daemon, port };
        world.daemon.wait("all rows", crate::support::DEADLINE, |daemon| {
            let rows = |name: &str| daemon.metric("projection_rows", &[&format!("\"{name}\"")]);
            let small = rows("things") == 2.0 && rows("samples") == 2.0 && rows("readings") == 12.0;
            (rows("numbers") == 1_000.0 && small).then_some(())
        });
        world
    }

    fn connection(&self, more: &str) -> String {
        format!("host=127.0.0.1 port={} user=ada dbname=readside {more}", self.port)
    }

    fn psql(&self, more: &str, commands: &str) -> Output {
        let psql = programs().join("psql");
        let arguments = ["--no-psqlrc", "--no-align", "--tuples-only", "-v", "ON_ERROR_STOP=1", "-c", commands];
        Command::new(psql).arg(self.connection(more)).args(arguments).env("PGCONNECT_TIMEOUT", "10").output().unwrap()
    }

    /// What psql says to somebody with this token.
    fn psql_as(&self, token: &str, commands: &str) -> String {
        let output = self.psql(&format!("password={token}"), commands);
        let said = if output.status.success() { output.stdout } else { output.stderr };
        String::from_utf8(said).unwrap()
    }

    fn psql_says(&self, commands: &str) -> String {
        let output = self.psql("", commands);
        assert!(output.status.success(), "{commands}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a check of `client.py`.
    fn check(&self, check: &str) {
        let Some(mut client) = self.client(check) else { return };
        client.stdin(Stdio::null());
        succeeded(check, &client.output().unwrap());
    }

    fn client(&self, check: &str) -> Option<Command> {
        self.client_with("", check)
    }

    fn client_with(&self, more: &str, check: &str) -> Option<Command> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/postgres/client.py");
        let mut command = Command::new(python()?);
        command.arg(script).arg(self.connection(&format!("connect_timeout=10 {more}"))).arg(check);
        Some(command)
    }
}

fn succeeded(check: &str, output: &Output) {
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.ends_with("ok\n"),
        "{check}: {said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The folder of psql.
pub(crate) fn programs() -> PathBuf {
    found("POSTGRES_BIN", "postgres").expect("a psql").into()
}

/// A Python with psycopg. None where there is none; CI does not allow that.
fn python() -> Option<String> {
    let python = found("POSTGRES_CLIENTS_PYTHON", "postgres-clients");
    if python.is_none() {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "scripts/postgres-clients finds no Python");
        eprintln!("skipped: scripts/postgres-clients finds no Python");
    }
    python
}

/// What a variable names, or a script prints.
fn found(variable: &str, script: &str) -> Option<String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts").join(script);
    let named = std::env::var(variable).ok().or_else(|| {
        let output = Command::new(script).output().ok().filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    });
    named.filter(|named| named != "none")
}

const OPEN: &str = "postgres: {listen: \"127.0.0.1:0\"}\n";

#[test]
fn psql_reads_rows_and_what_they_are() {
    let world = World::start(OPEN);
    let thing = world.psql_says("SELECT * FROM things WHERE id = 'a'");
    assert_eq!(
        thing,
        "a|9007199254740993|-7|19.90|0.1|t|2024-02-29|2024-02-29 12:30:01.25+00|{x,\"y,\\\"z\\\"\",NULL}|{1,2}|\
         {\"city\":\"Köln\",\"zip\":null}|{\"k\":1}\n"
    );
    assert_eq!(world.psql_says("SELECT count(*) AS n FROM numbers; SELECT 1 AS one"), "1000\n1\n");
    let output = world.psql("", "BEGIN; SELECT 1 AS one; COMMIT; SELECT nothing FROM things; SELECT 2 AS two");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "BEGIN\n1\nCOMMIT\n", "what came before the error is told");
    let refused = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(refused.starts_with("ERROR:  ") && refused.contains("nothing"), "{refused}");
    for (command, answer) in [
        ("SHOW server_version", concat!("15.0 (Readside ", env!("CARGO_PKG_VERSION"), ")\n")),
        ("SET max_lag TO '1h'; SHOW readside.max_lag", "SET\n1h\n"),
        ("SHOW default_transaction_read_only", "on\n"),
    ] {
        assert_eq!(world.psql_says(command), answer, "{command}");
    }
    // Names of columns as PostgreSQL gives them, and two of one name.
    let named = "SELECT count(*), max(n)::text, 1 + 1, n AS max FROM numbers GROUP BY n ORDER BY n LIMIT 1";
    let heads = Command::new(programs().join("psql")).args([&world.connection(""), "-XAc", named]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&heads.stdout), "count|max|?column?|max\n1|0|2|0\n(1 row)\n");
    assert_eq!(world.psql_says("SELECT n, n, * FROM numbers ORDER BY n LIMIT 1"), "0|0|0\n");
    let written = world.psql("", "DELETE FROM things");
    assert!(String::from_utf8_lossy(&written.stderr).contains("only queries can be run here"));
}

/// What psql's own commands ask the catalog, and what it makes of the answers.
#[test]
fn psql_finds_what_there_is() {
    let world = World::start(OPEN);
    let things = "public|things|table|readside\n";
    for (command, wanted) in [
        ("\\dt", things),
        ("\\d", "public|totals|view|readside\n"),
        ("\\dv", "public|totals|view|readside\n"),
        ("\\dt+", "public|things|table|readside|permanent|heap|0 bytes|\n"),
        ("\\dn", "public|readside\n"),
        ("\\l", "readside|readside|UTF8|C|C||libc|\n"),
        ("\\l+", "readside|readside|UTF8|C|C||libc||0 bytes|pg_default|\n"),
        ("\\di", "public|things_pkey|index|readside|things\n"),
        ("\\du", "ada||{}\n"),
        ("\\df", ""),
        ("\\d things", "id|text||not null|\n"),
        ("\\d things", "price|numeric(9,2)|||\n"),
        ("\\d things", "at|timestamp with time zone|||\n"),
        ("\\d things", "tags|text[]|||\n"),
        ("\\d things", "address|json|||\n"),
        ("\\d+ things", "n|bigint||||plain|||\n"),
        ("\\d totals", "n|bigint||not null|\n"),
    ] {
        let answer = world.psql_says(command);
        assert!(answer.contains(wanted), "{command}: {answer}");
    }
    assert!(world.psql_says("\\dt th*").contains(things));
    // What stands below the columns.
    let footer =
        Command::new(programs().join("psql")).args([&world.connection(""), "-Xc", "\\d things"]).output().unwrap();
    let footer = String::from_utf8(footer.stdout).unwrap();
    assert!(footer.ends_with("Indexes:\n    \"things_pkey\" PRIMARY KEY, btree (id)\n\n"), "{footer}");
    for (sql, answer) in [
        ("SELECT current_database(), current_user, current_schema()", "readside|ada|public\n"),
        ("SELECT version()", concat!("PostgreSQL 15.0 (Readside ", env!("CARGO_PKG_VERSION"), ")\n")),
        ("SELECT 'things'::regclass::oid = c.oid AS same FROM pg_class c WHERE c.relname = 'things'", "t\n"),
        (
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1",
            "numbers\nreadings\nsamples\nthings\ntotals\n",
        ),
        ("SELECT current_setting('server_version_num')", "150000\n"),
        ("SELECT count(*) FROM pg_catalog.pg_trigger", "0\n"),
        // Lists of which PostgreSQL writes the elements with blanks, and counts them from 0.
        ("SELECT indkey, indkey[0], indkey[1] FROM pg_index WHERE indexrelid = 'readings_pkey'::regclass", "1 2|1|2\n"),
        (
            "SELECT r FROM pg_catalog.generate_series(1, 3) AS s(r), pg_class WHERE relname = 'things' ORDER BY r",
            "1\n2\n3\n",
        ),
        (
            "SELECT typinput = 'array_in'::regproc AS is_array, typinput::regproc FROM pg_type WHERE typname = '_text'",
            "t|array_in\n",
        ),
        (
            "SELECT format('%I.%s', table_schema, table_name)::regclass::oid = 'things'::regclass::oid AS same \
          FROM information_schema.tables WHERE table_name = 'things'",
            "t\n",
        ),
        ("SELECT TABLE_NAME FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_TYPE = 'VIEW'", "totals\n"),
    ] {
        assert_eq!(world.psql_says(sql), answer, "{sql}");
    }
}

#[test]
fn psycopg_reads_every_type_by_parameters_of_every_type() {
    let world = World::start(OPEN);
    for check in ["types", "parameters", "cursors", "freshness", "cancels", "bounds", "reflection"] {
        world.check(check);
    }
}

#[test]
fn a_transaction_reads_one_cut() {
    let world = World::start(OPEN);
    let Some(mut client) = world.client("transactions") else { return };
    let mut client = client.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(client.stdout.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert_eq!(line, "pinned\n");
    let events = world.home.path().join("events.ndjson");
    let mut events = std::fs::OpenOptions::new().append(true).open(events).unwrap();
    events.write_all(b"{\"type\":\"Thing\",\"id\":\"c\",\"tenant\":\"t\"}\n").unwrap();
    world.daemon.wait("the third row", crate::support::DEADLINE, |daemon| {
        (daemon.get("/v1/projections/things").1["item"]["rows"] == 3).then_some(())
    });
    client.stdin.take().unwrap().write_all(b"\n").unwrap();
    std::io::Read::read_to_string(&mut said, &mut line).unwrap();
    let output = client.wait_with_output().unwrap();
    assert!(line.ends_with("ok\n"), "{line}{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_token_is_the_password_and_policies_hold() {
    let home = tempfile::tempdir().unwrap();
    let tokens = home.path().join("tokens");
    let ours = crate::access::token(home.path(), &["ours", "--claim", "tenant=t"]);
    let nobodys = crate::access::token(home.path(), &["nobodys"]);
    let world = World::start_in(home, &format!("{OPEN}auth: {{tokens: tokens, anonymous: read}}\n"));
    let guarded = "SELECT id FROM guarded";
    assert_eq!(world.psql_as(&ours, guarded), "a\n");
    let denied = world.psql_as(&nobodys, guarded);
    assert!(denied.starts_with("ERROR:  ") && denied.contains("tenant"), "{denied}");
    assert!(world.psql_as("rs_other", guarded).contains("nobody has this token"));
    // Which relations there are, they all see as far as they may read them.
    assert!(world.psql_as(&ours, "\\dt").contains("|guarded|"));
    assert!(!world.psql_as(&nobodys, "\\dt").contains("|guarded|"));
    let as_anonymous = format!("host=127.0.0.1 port={} user=anonymous dbname=readside", world.port);
    let psql = programs().join("psql");
    let arguments = [&as_anonymous, "--no-psqlrc", "--no-align", "--tuples-only", "--no-password", "-c"];
    let anonymous = |command: &str| Command::new(&psql).args(arguments).arg(command).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&anonymous("SELECT count(*) AS n FROM things").stdout), "2\n");
    assert!(String::from_utf8_lossy(&anonymous(guarded).stderr).contains("tenant"));
    for reason in ["\"unknown-token\"", "\"denied\""] {
        let told = |line: &String| line.contains("\"route\":\"postgres\"") && line.contains(reason);
        world.daemon.wait("the audit log", crate::support::DEADLINE, |daemon| {
            daemon.all_logged("a request is denied").iter().any(told).then_some(())
        });
    }
    // A token that is worth nothing any more ends the session that came by it.
    let Some(mut client) = world.client_with(&format!("password={ours}"), "token_ends") else { return };
    let mut client = client.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(client.stdout.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert_eq!(line, "reads\n");
    let lines = std::fs::read_to_string(&tokens).unwrap();
    let left: String = lines.lines().filter(|line| !line.starts_with("ours")).map(|line| format!("{line}\n")).collect();
    assert_ne!(lines, left);
    std::fs::write(&tokens, left).unwrap();
    std::io::Read::read_to_string(&mut said, &mut line).unwrap();
    let output = client.wait_with_output().unwrap();
    assert!(line.ends_with("ok\n"), "{line}{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_listener_speaks_tls_and_knows_certificates() {
    let Some(material) = crate::access::material() else { return };
    let path = |name: &str| material.path().join(name).display().to_string();
    let settings = format!(
        "postgres: {{listen: \"127.0.0.1:0\", tls: {{certificate: {}, key: {}, client_ca: {}}}}}\nauth: {{mtls: {{admins: []}}}}\n",
        path("server.pem"),
        path("server.key"),
        path("ca.pem")
    );
    let world = World::start_in(tempfile::tempdir().unwrap(), &settings);
    let verified = format!("sslmode=verify-ca sslrootcert={}", path("ca.pem"));
    let count = "SELECT count(*) AS n FROM things";
    let key = path("ada.key");
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let known = world.psql(&format!("{verified} sslcert={} sslkey={key}", path("ada.pem")), count);
    assert_eq!(String::from_utf8_lossy(&known.stdout), "2\n", "{}", String::from_utf8_lossy(&known.stderr));
    let unknown = world.psql(&format!("{verified} password=rs_other"), count);
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("nobody has this token"));
    let in_the_clear = world.psql("sslmode=disable password=rs_other", count);
    assert!(String::from_utf8_lossy(&in_the_clear.stderr).contains("speaks TLS only"));
}

/// More of them than there are places: nothing said, half a startup, a whole one, and half a statement.
#[test]
fn sessions_that_do_nothing_stop_nobody() {
    let world = World::start(OPEN);
    let body = b"\0\x03\0\0user\0ada\0\0";
    let startup = [&(body.len() as u32 + 4).to_be_bytes()[..], body].concat();
    let begun = [&startup[..], b"Q\0\0\0\x20SELECT 1"].concat();
    let said: [&[u8]; 4] = [b"", &startup[..9], &startup, &begun];
    let held: Vec<TcpStream> = (0..1_000)
        .map(|number| {
            let mut connection = TcpStream::connect(format!("127.0.0.1:{}", world.port)).unwrap();
            // It may have been closed to make room.
            let _ = connection.write_all(said[number % said.len()]);
            connection
        })
        .collect();
    assert_eq!(world.psql_says("SELECT count(*) AS n FROM numbers"), "1000\n");
    assert_eq!(world.daemon.get("/livez").0, 200);
    drop(held);
}
