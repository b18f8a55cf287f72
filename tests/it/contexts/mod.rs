//! Contexts of the command line tool `nats`: each way in which one says who the daemon is, at real servers with TLS.

use std::path::PathBuf;
use std::process::Command;

use async_nats::ConnectOptions;
use async_nats::jetstream::stream;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::access::{material, written_by};
use crate::crash::daemon::{Daemon, binary};
use crate::support::nats::{NatsServer, create, needs_nats};

const SOURCE: &str = "---\nsource: orders\njetstream: {stream: ORDERS}\nenvelope: {type: header:Event-Type}\n\
                      events: {Placed: {fields: {id: string!}}}\n";

/// Certificates and users, a context `shop` where the tool keeps it, and a configuration.
struct Site {
    home: TempDir,
}

impl Site {
    /// None where there is no Python for it.
    fn new() -> Option<Self> {
        let home = material()?;
        written_by("tests/it/contexts/users.py", home.path())?;
        std::fs::create_dir_all(home.path().join("nats/context")).unwrap();
        Some(Self { home })
    }

    fn path(&self, name: &str) -> String {
        self.home.path().join(name).display().to_string()
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.home.path().join(name)).unwrap().trim().to_owned()
    }

    fn context(&self) -> PathBuf {
        self.home.path().join("nats/context/shop.json")
    }

    fn save(&self, context: &Value) {
        std::fs::write(self.context(), context.to_string()).unwrap();
    }

    /// With this section for NATS.
    fn configure(&self, nats: &str) -> PathBuf {
        let config = self.home.path().join("readside.yaml");
        let settings = "data_dir: data\nhttp: {listen: \"127.0.0.1:0\"}\nmetrics: {listen: \"127.0.0.1:0\"}\n";
        std::fs::write(&config, format!("{settings}nats: {nats}\n{SOURCE}")).unwrap();
        config
    }

    fn run(&self, arguments: &[&str], nats: &str) -> String {
        let mut command = Command::new(binary());
        command.args(arguments).arg("--config").arg(self.configure(nats));
        let output = command.env("XDG_CONFIG_HOME", self.home.path()).env("TOKEN", "sesame").output().unwrap();
        [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat()
    }

    /// What `readside check` says of the server and its stream.
    fn check(&self, nats: &str) -> String {
        let told = self.run(&["check", "--events", "0"], nats);
        told.lines().filter(|line| line.contains("nats") || line.contains("ORDERS")).collect::<Vec<_>>().join("\n")
    }

    /// TLS of a server, as its configuration has it.
    fn tls(&self, more: &str) -> String {
        let (certificate, key, ca) = (self.path("server.pem"), self.path("server.key"), self.path("ca.pem"));
        format!("tls {{ cert_file: \"{certificate}\", key_file: \"{key}\", ca_file: \"{ca}\", {more} }}\n")
    }
}

/// A context over the address and the authority of a server.
fn with(site: &Site, server: &NatsServer, members: &Value) -> Value {
    let mut context =
        json!({"description": "of the tests", "url": server.url(), "ca": site.path("ca.pem"), "socks_proxy": ""});
    context.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    context
}

#[test]
fn each_way_to_authenticate_is_that_of_the_tool() {
    needs_nats!();
    let Some(site) = Site::new() else { return };
    let users = "authorization { users: [{user: ada, password: sesame}] }".to_owned();
    let token = "authorization { token: sesame }".to_owned();
    let key = format!("authorization {{ users: [{{nkey: {}}}] }}", site.text("user.public"));
    let operator = site.text("operator.conf");
    let seed = |name: &str| site.text(name);
    let nobody = json!({"user": "ada", "password": "wrong"});
    std::fs::write(site.home.path().join("password"), "sesame\n").unwrap();
    let ways: [(&str, String, Vec<Value>); 5] = [
        (
            "",
            users,
            vec![
                json!({"user": "ada", "password": "sesame"}),
                json!({"user": "ada", "password": format!("file://{}", site.path("password"))}),
            ],
        ),
        ("", token, vec![json!({"token": "sesame"}), json!({"token": "env://TOKEN"})]),
        ("", key, vec![json!({"nkey": site.path("user.seed")}), json!({"nkey": "$XDG_CONFIG_HOME/user.seed"})]),
        (
            "",
            operator,
            vec![
                json!({"creds": site.path("user.creds")}),
                json!({"user_jwt": seed("user.jwt"), "user_seed": seed("user.seed")}),
                json!({"user_jwt": seed("bearer.jwt")}),
            ],
        ),
        (
            "verify: true, handshake_first: true",
            String::new(),
            vec![json!({"cert": site.path("shop.pem"), "key": site.path("shop.key"), "tls_first": true})],
        ),
    ];
    for (tls, settings, contexts) in ways {
        let server = NatsServer::start_with(format!("{}{settings}\n", site.tls(tls)));
        for members in contexts {
            site.save(&with(&site, &server, &members));
            let told = site.check("{context: shop}");
            let by = format!(", by the context `shop` in {}", site.context().display());
            assert!(told.contains("√ nats: ") && told.contains(&by), "{members}: {told}");
            assert!(told.contains("stream `ORDERS` does not exist"), "{members}: {told}");
        }
        site.save(&with(&site, &server, &nobody));
        let told = site.check("{context: shop}");
        assert!(told.contains("× nats: cannot connect to NATS") && told.contains("by the context `shop`"), "{told}");
        assert!(!told.contains("wrong"), "{told}");
    }
}

#[test]
fn what_stands_beside_a_context_counts_in_its_place() {
    needs_nats!();
    let Some(site) = Site::new() else { return };
    let users = "authorization { users: [{user: ada, password: sesame}] }";
    let server = NatsServer::start_with(format!("{}{users}\n", site.tls("")));
    let fine = |nats: &str| {
        let told = site.check(nats);
        assert!(told.contains("√ nats: "), "{nats}: {told}");
    };
    site.save(&with(&site, &server, &json!({"user": "ada", "password": "sesame", "url": "nats://127.0.0.1:1"})));
    fine(&format!("{{context: shop, url: \"{}\"}}", server.url()));
    site.save(&with(&site, &server, &json!({"token": "of another server"})));
    fine("{context: shop, user: ada, password: sesame}");
    site.save(&with(&site, &server, &json!({"user": "ada", "password": "sesame", "ca": site.path("shop.pem")})));
    fine("{context: shop, tls: {ca: ca.pem}}");
    fine("{context: nats/context/shop.json, tls: {ca: ca.pem}}");
    let told = site.check("{context: shop, tls: {ca: none.pem}}");
    let expected = format!("× nats: cannot read {}, which TLS with NATS needs", site.path("none.pem"));
    assert!(told.contains(&expected), "{told}");

    let printed = site.run(&["print-config"], "{context: shop, tls: {ca: ca.pem}}");
    assert!(printed.contains("context: shop") && printed.contains(&server.url()), "{printed}");
    assert!(!printed.contains("sesame") && !printed.contains("user:"), "{printed}");
}

#[test]
fn nothing_is_sent_in_the_clear_where_tls_is_spoken_of() {
    needs_nats!();
    let Some(site) = Site::new() else { return };
    let server = NatsServer::start_with("authorization { users: [{user: ada, password: sesame}] }\n");
    site.save(&json!({"url": server.url(), "user": "ada", "password": "sesame"}));
    assert!(site.check("{context: shop}").contains("√ nats: "));
    site.save(&with(&site, &server, &json!({"user": "ada", "password": "sesame"})));
    assert!(site.check("{context: shop}").contains("× nats: cannot connect"));
    let own = format!("{{url: \"{}\", user: ada, password: sesame, tls: {{ca: ca.pem}}}}", server.url());
    assert!(site.check(&own).contains("× nats: cannot connect"));
}

/// JetStream of another account, and a user who may hear nothing but answers of its own.
const ACCOUNTS: &str = r#"
accounts {
  JS {
    jetstream: enabled
    users: [{user: js, password: js}]
    exports: [{service: "$JS.API.>", response_type: stream}]
  }
  SHOP {
    users: [{user: shop, password: shop, permissions: {publish: ["JS.SHOP.>"], subscribe: ["_INBOX.shop.>"]}}]
    imports: [{service: {account: JS, subject: "$JS.API.>"}, to: "JS.SHOP.>"}]
  }
}
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subjects_begin_as_a_context_says() {
    needs_nats!();
    let Some(site) = Site::new() else { return };
    let server = NatsServer::start_with(ACCOUNTS);
    let options = ConnectOptions::with_user_and_password("js".to_owned(), "js".to_owned());
    let jetstream = async_nats::jetstream::new(options.connect(server.url()).await.unwrap());
    let orders =
        stream::Config { name: "ORDERS".to_owned(), subjects: vec!["orders.>".to_owned()], ..Default::default() };
    create(&jetstream, orders).await;
    jetstream.publish("orders.1", "{}".into()).await.unwrap().await.unwrap();
    let user = json!({"url": server.url(), "user": "shop", "password": "shop"});
    let mut context = user.clone();
    context.as_object_mut().unwrap().extend([
        ("jetstream_api_prefix".to_owned(), json!("JS.SHOP")),
        ("inbox_prefix".to_owned(), json!("_INBOX.shop")),
    ]);
    site.save(&context);
    let told = site.check("{context: shop}");
    assert!(!told.contains("×") && told.contains("√ stream ORDERS, messages of a consumer: permitted"), "{told}");
    // The same without a context.
    let own = format!(
        "{{url: \"{}\", user: shop, password: shop, jetstream_api_prefix: JS.SHOP, inbox_prefix: _INBOX.shop}}",
        server.url()
    );
    assert_eq!(site.check(&own).matches('√').count(), told.matches('√').count());
    site.save(&user);
    let told = site.check("{context: shop}");
    assert!(told.contains("× stream ORDERS, the stream's facts"), "{told}");

    let server = NatsServer::start_with("jetstream: {domain: hub}\n");
    site.save(&json!({"url": server.url(), "jetstream_domain": "hub"}));
    let told = site.check("{context: shop}");
    assert!(told.contains("stream `ORDERS` does not exist"), "{told}");
}

#[test]
fn a_context_that_changes_is_noticed_and_needs_a_restart() {
    needs_nats!();
    let Some(site) = Site::new() else { return };
    let server = NatsServer::start_with("authorization { users: [{user: ada, password: sesame}] }\n");
    let context = json!({"url": server.url(), "user": "ada", "password": "sesame"});
    site.save(&context);
    let config = site.configure("{context: nats/context/shop.json}");
    let mut daemon = Daemon::start_with(&config, &["--watch-config"]);
    let mut other = context;
    other["password"] = json!("tahini");
    site.save(&other);
    let told = daemon.wait_for_log("with the context in");
    assert!(told.contains("cannot change while the daemon runs; restart it"), "{told}");
    other["password"] = json!(17);
    site.save(&other);
    daemon.wait_for_log("`password` is no text");
    for secret in ["sesame", "tahini"] {
        assert!(daemon.logged(secret).is_none(), "{secret}");
    }
}
