use std::io;

use expect_test::{Expect, expect};

use super::*;

/// What comes of a context with this text: what is used of it, or what is wrong.
fn shown(text: &str) -> String {
    let env = |name: &str| match name {
        "HOME" => Some("/home/ada".to_owned()),
        "KEYS" => Some("/keys".to_owned()),
        "TOKEN" => Some("from-a-variable".to_owned()),
        _ => None,
    };
    let read = |path: &str| match path {
        "/home/ada/.config/nats/context/prod.json" => Ok(text.to_owned()),
        "/keys/password" => Ok("from-a-file\n".to_owned()),
        _ => Err(io::Error::from(ErrorKind::NotFound)),
    };
    match super::read("prod", &Values { env: &env, read: &read, folder: "config" }) {
        Err(faults) => faults.iter().map(|fault| format!("{}\n  {}\n", fault.message, fault.hint)).collect(),
        Ok(nats) => {
            let Nats { user, password, token, credentials_file, nkey_file, credentials, nkey, bearer_jwt, .. } = &nats;
            let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
            let parts = [
                ("user", user.clone()),
                ("password", password.clone()),
                ("token", token.clone()),
                ("credentials_file", path(credentials_file)),
                ("nkey_file", path(nkey_file)),
                ("credentials", credentials.clone()),
                ("nkey", nkey.clone()),
                ("bearer_jwt", bearer_jwt.clone()),
                ("ca", path(&nats.tls.ca)),
                ("certificate", path(&nats.tls.certificate)),
                ("key", path(&nats.tls.key)),
                ("first", nats.tls.first.then(|| "true".to_owned())),
                ("api", Some(nats.api_prefix()).filter(|prefix| prefix != "$JS.API")),
                ("inbox", nats.inbox_prefix.clone()),
            ];
            let parts = parts.into_iter().filter_map(|(name, value)| Some(format!("{name}={}\n", value?.trim_end())));
            format!("{}\n{}", nats.urls.join(" "), parts.collect::<String>())
        }
    }
}

fn check(text: &str, expected: &Expect) {
    expected.assert_eq(&shown(text));
}

#[test]
fn what_the_tool_writes_for_nothing_is_nothing() {
    check(
        r#"{"description": "of the shop", "url": "", "socks_proxy": "", "token": "", "user": "", "password": "", "creds": "",
            "nkey": "", "cert": "", "key": "", "ca": "", "nsc": "", "jetstream_domain": "", "jetstream_api_prefix": "",
            "jetstream_event_prefix": "", "inbox_prefix": "", "user_jwt": "", "color_scheme": "red", "tls_first": false,
            "windows_cert_store": "", "windows_cert_match_by": "", "windows_cert_match": "", "windows_ca_certs_match": null}"#,
        &expect![["
            nats://127.0.0.1:4222
        "]],
    );
}

#[test]
fn each_member_is_used() {
    check(
        r#"{"url": "tls://one:4222, two", "user": "ada", "password": "file://${KEYS}/password", "token": "env://TOKEN",
            "cert": "~/a.pem", "key": "$KEYS/a.key", "ca": "file:///ca.pem", "tls_first": true, "jetstream_domain": "hub",
            "inbox_prefix": "_INBOX.shop"}"#,
        &expect![["
            tls://one:4222 two
            user=ada
            password=from-a-file
            token=from-a-variable
            ca=/ca.pem
            certificate=/home/ada/a.pem
            key=/keys/a.key
            first=true
            api=$JS.hub.API
            inbox=_INBOX.shop
        "]],
    );
    check(
        r#"{"creds": "relative/a.creds", "jetstream_api_prefix": "JS.SHOP"}"#,
        &expect![["
            nats://127.0.0.1:4222
            credentials_file=relative/a.creds
            api=JS.SHOP
        "]],
    );
    check(
        r#"{"nkey": "data:;base64,U1VBQg=="}"#,
        &expect![["
            nats://127.0.0.1:4222
            nkey=SUAB
        "]],
    );
    check(
        r#"{"user_jwt": "a.b.c"}"#,
        &expect![["
            nats://127.0.0.1:4222
            bearer_jwt=a.b.c
        "]],
    );
    check(
        r#"{"user_jwt": "a.b.c", "user_seed": "SUAB"}"#,
        &expect![["
            nats://127.0.0.1:4222
            credentials=-----BEGIN NATS USER JWT-----
            a.b.c
            ------END NATS USER JWT------

            -----BEGIN USER NKEY SEED-----
            SUAB
            ------END USER NKEY SEED------
        "]],
    );
}

#[test]
fn what_cannot_be_used_is_refused_and_no_secret_is_shown() {
    let text = r#"{"url": "ws://ada:hidden@one", "socks_proxy": "socks5://proxy", "nsc": "nsc://a/b", "jetstream_event_prefix": "E",
        "windows_cert_store": "user", "password": "hidden", "token": 17, "creds": "op://vault/hidden", "nkey": "$NOWHERE/a.nk",
        "ca": "data:;base64,aGlkZGVu", "tls_first": "yes", "inbox_prefix": "a.>", "jetstream_domian": "hub"}"#;
    let told = shown(text);
    expect![["
        the context in /home/ada/.config/nats/context/prod.json cannot be used: nobody here knows `jetstream_domian`
          did you mean `jetstream_domain`?
        the context in /home/ada/.config/nats/context/prod.json cannot be used: `jetstream_event_prefix` is not supported
          leave it out: nothing here listens to events of JetStream
        the context in /home/ada/.config/nats/context/prod.json cannot be used: `nsc` is not supported
          write the credentials into a file by `nsc generate creds`, and name it in `creds`
        the context in /home/ada/.config/nats/context/prod.json cannot be used: `socks_proxy` is not supported
          reach the server without one: name an address in `url` to which connections can be made
        the context in /home/ada/.config/nats/context/prod.json cannot be used: `windows_cert_store` is not supported
          take certificates from PEM files: `ca`, `cert` and `key`
        the context in /home/ada/.config/nats/context/prod.json cannot be used: `password` needs `user`
          add `user` by `nats context edit`
        the context in /home/ada/.config/nats/context/prod.json cannot be used: it has both `creds` and `nkey`
          keep one way to authenticate
        the context in /home/ada/.config/nats/context/prod.json cannot be used: `creds` is looked up by the program `op`, which is not run
          write what it gives into a file, and `file:///path` into `creds`
        the context in /home/ada/.config/nats/context/prod.json cannot be used: the environment variable `NOWHERE` in `nkey` is not set
          set it for the daemon
        the context in /home/ada/.config/nats/context/prod.json cannot be used: `token` is no text
          write it between quotes
        the context in /home/ada/.config/nats/context/prod.json cannot be used: `url` has `one`, which is no address of a server here
          such as `nats://127.0.0.1:4222` or `tls://host:4222`, or several with commas between them
        the context in /home/ada/.config/nats/context/prod.json cannot be used: no subject begins with `a.>`, which is `inbox_prefix`
          tokens between dots, without `*` and `>`
        the context in /home/ada/.config/nats/context/prod.json cannot be used: `ca` names no file
          write the path of a PEM file into `ca`
        the context in /home/ada/.config/nats/context/prod.json cannot be used: `tls_first` is neither true nor false
          write `true` or `false`, without quotes
    "]]
    .assert_eq(&told);
    assert!(!told.contains("hidden"), "{told}");
    for text in ["\"hidden\"", "{\"password\": \"hidden\"", "{\"a\": hidden}"] {
        let told = shown(text);
        assert!(told.contains("cannot be used") && !told.contains("hidden"), "{told}");
    }
}

#[test]
fn a_name_is_looked_for_where_the_tool_keeps_contexts_and_a_path_is_a_path() {
    let with = |variables: &[(&str, &str)], written: &str| {
        let env = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        let values = Values { env: &env, folder: "config", ..Values::NONE };
        locate(written, &values).map_or_else(|fault| fault.message, |(name, path)| format!("{name} {path}"))
    };
    let (home, xdg) = (("HOME", "/home/ada"), ("XDG_CONFIG_HOME", "/etc/xdg"));
    assert_eq!(with(&[home], "prod.eu"), "prod.eu /home/ada/.config/nats/context/prod.eu.json");
    assert_eq!(with(&[home, xdg], "prod"), "prod /etc/xdg/nats/context/prod.json");
    assert_eq!(with(&[home, ("XDG_CONFIG_HOME", "")], "prod"), "prod /home/ada/.config/nats/context/prod.json");
    assert_eq!(with(&[], "nats.json"), "config/nats.json config/nats.json");
    assert_eq!(with(&[], "../nats.json"), "./nats.json nats.json");
    assert_eq!(with(&[home], "~/own"), "/home/ada/own /home/ada/own");
    assert_eq!(with(&[], "prod"), "there is no folder to look for the context `prod` in: HOME is not set");
    assert_eq!(with(&[home], ".."), "no context can be called `..`");
}
