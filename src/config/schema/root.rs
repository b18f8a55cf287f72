//! The first document of `readside.yaml`.

use serde_json::{Value, json};

use super::shape::{
    bytes, bytes_or_none, choice, count, duration, flag, integer, interval, mapping, may, need, promotion, text, texts,
    with,
};

pub(super) fn root() -> Value {
    mapping([
        may("nats", nats(), "The server that JetStream sources read from, and that notices are published to."),
        may(
            "data_dir",
            text(),
            "Where checkpoints are: a local folder (`./data` by default), an object store (`s3://bucket/prefix`, `gs://…`, `az://container/…`), or `memory://` for none that outlives the process.",
        ),
        may(
            "object_store",
            object_store(),
            "How an object store at `data_dir` is reached, as far as the environment does not say it.",
        ),
        may(
            "sources",
            texts(),
            "The files of sources: a pattern, or a list of them. `*` and `?` stand within a name, `**` for any depth; paths begin at the folder of this file. A pattern that matches nothing is an error.",
        ),
        may(
            "projections",
            texts(),
            "The files of projections, views and queries: a pattern, or a list of them. It passes over files that end in `.test.yaml`, which hold cases.",
        ),
        may("commit", commit(), "How much of what has arrived one commit takes."),
        may(
            "search",
            mapping([may(
                "commit",
                interval(),
                "How long changes of search indexes are gathered before searches see them (`200ms` by default).",
            )]),
            "Search indexes.",
        ),
        may(
            "checkpoint",
            mapping([may("interval", interval(), "The time between two checkpoints (`5s` by default).")]),
            "What makes state durable.",
        ),
        may("http", http(), "The listener for readers: queries, searches and status."),
        may(
            "metrics",
            mapping([may("listen", text(), "Host and port of `/metrics` (`127.0.0.1:9464` by default).")]),
            "The listener for Prometheus.",
        ),
        may(
            "health",
            mapping([need("listen", text(), "Host and port of `/livez` and `/readyz`, which `http` answers too.")]),
            "A listener for probes alone, so that they open nothing else.",
        ),
        may(
            "postgres",
            postgres(),
            "A listener for psql, drivers and tools that read from PostgreSQL; none by default.",
        ),
        may(
            "auth",
            auth(),
            "Who may ask. Needed where `http` or `postgres` listens on another address than a loopback one.",
        ),
        may("parked", parked(), "Events that cannot be decoded or computed are parked and shown, never skipped."),
        may("limits", limits(), "What one query of a reader may take, and all together; and what state may."),
        may(
            "verify",
            verify(),
            "Recomputes projections in batch and compares them with their rows, beside everything else.",
        ),
        may(
            "promotion",
            promotion(),
            "When what was built takes the place of what serves, where a projection does not say it: `auto`, `when-equal` (if the rows are the same) or `manual`. Without it: `when-equal` where the rows mean the same, `manual` where they mean something else.",
        ),
        may(
            "keep",
            duration(),
            "For how long a generation that was replaced goes on beside, for an instant rollback, where a projection does not say it (`24h` by default; `0s` keeps nothing).",
        ),
    ])
}

fn nats() -> Value {
    mapping([
        may(
            "context",
            text(),
            "A context of the command line tool `nats`: its name, or the path of its file. What is beside it here counts in its place.",
        ),
        may("url", texts(), "The server, such as `nats://127.0.0.1:4222` (the default) or `tls://host:4222`."),
        may("urls", texts(), "The servers of a cluster."),
        may("user", text(), "Authenticates by name, together with `password`."),
        may("password", text(), "Best taken from the environment: `${NAME}`."),
        may("token", text(), "Authenticates by a token."),
        may("credentials_file", text(), "Authenticates by a `.creds` file."),
        may("nkey_file", text(), "Authenticates by a file with the seed of an NKey."),
        may("jetstream_domain", text(), "The domain of JetStream, where there are several."),
        may(
            "jetstream_api_prefix",
            text(),
            "What the subjects of JetStream's API begin with, where it is imported from another account.",
        ),
        may("inbox_prefix", text(), "What the subjects of answers begin with (`_INBOX` by default)."),
        may("tls", nats_tls(), "How the server proves itself, and this client to it, beyond `tls://`."),
    ])
}

fn object_store() -> Value {
    mapping([
        may("endpoint", text(), "Another server than the provider's own (`AWS_ENDPOINT_URL`)."),
        may("allow_http", flag(), "Whether `endpoint` may be reached without TLS (`false` by default)."),
        may("region", text(), "Of s3:// (`AWS_REGION`)."),
        may("access_key_id", text(), "Of s3:// (`AWS_ACCESS_KEY_ID`), together with `secret_access_key`."),
        may("secret_access_key", text(), "Of s3:// (`AWS_SECRET_ACCESS_KEY`). Best taken from a file: `${file:PATH}`."),
        may("session_token", text(), "Of s3:// (`AWS_SESSION_TOKEN`), of keys that last a while."),
        may("service_account", text(), "Of gs://: the text of a service account's key, as `${file:PATH}`."),
        may("account", text(), "Of az://: the storage account (`AZURE_STORAGE_ACCOUNT_NAME`)."),
        may("account_key", text(), "Of az://: its key (`AZURE_STORAGE_ACCOUNT_KEY`)."),
        may("timeout", interval(), "Of one request (`30s` by default)."),
    ])
}

fn commit() -> Value {
    mapping([
        may(
            "max_delay",
            duration(),
            "The longest that a commit gathers what keeps arriving (`20ms` by default); with nothing queued it begins at once.",
        ),
        may("max_events", count(), "The most messages that one commit takes (65536 by default)."),
    ])
}

fn http() -> Value {
    mapping([
        may("listen", text(), "Host and port (`127.0.0.1:8080` by default)."),
        may(
            "hosts",
            texts(),
            "Names that readers may use in `Host`, beside addresses, `localhost` and names without a dot, where `listen` is a loopback address.",
        ),
        may("cors", cors(), "Pages of which other origins a browser lets read; without it, of none."),
        may(
            "tls",
            listener_tls(),
            "What the listener proves itself by. Without it whoever listens on the way can read along.",
        ),
        may("max_connections", count(), "Connections of readers (2048 by default)."),
        may("max_connections_per_peer", count(), "Connections of one address (three quarters of all by default)."),
        may(
            "header_timeout",
            interval(),
            "From a connection, or the first byte of a request, to the end of its head (`10s` by default).",
        ),
        may("body_timeout", interval(), "From the head of a request to the end of its body (`30s` by default)."),
        may("idle_timeout", interval(), "Between two requests (`60s` by default)."),
        may("write_timeout", interval(), "For a MiB of an answer, or its rest, to be taken (`30s` by default)."),
        may(
            "answers",
            bytes(),
            "Bytes of all answers that are rendered and not yet taken (`256MiB` by default); beyond them 503.",
        ),
    ])
}

fn postgres() -> Value {
    mapping([
        need("listen", text(), "Host and port: `127.0.0.1:5432`."),
        may(
            "tls",
            listener_tls(),
            "What the listener proves itself by. With it, who does not speak TLS is refused; without it whoever listens on the way can read along.",
        ),
        may("max_connections", count(), "Connections of readers (512 by default)."),
        may("max_connections_per_peer", count(), "Connections of one address (three quarters of all by default)."),
        may(
            "header_timeout",
            interval(),
            "From a connection to the end of its startup, and from the first byte of a message to its last (`10s` by default).",
        ),
        may("idle_timeout", interval(), "Between two statements (`10m` by default)."),
        may("write_timeout", interval(), "For a MiB of an answer, or its rest, to be taken (`30s` by default)."),
    ])
}

fn auth() -> Value {
    mapping([
        may(
            "tokens",
            text(),
            "The file of bearer tokens, a line each, as `readside token create` prints them. It is followed.",
        ),
        may(
            "anonymous",
            choice(["deny", "read"]),
            "What who has no token may do: nothing (`deny`, the default), or `read`.",
        ),
        may("jwt", jwt(), "Whose JSON Web Tokens are taken, beside the tokens of the file."),
        may(
            "mtls",
            mtls(),
            "Who shows a certificate by an authority of `http.tls.client_ca`, or of `postgres`, is who it names.",
        ),
        may("require", texts(), "Policies of every projection that does not say `access: public`, beside its own."),
    ])
}

fn nats_tls() -> Value {
    let tls = mapping([
        may("ca", text(), "A PEM file of authorities, in place of the system's."),
        may("certificate", text(), "The PEM file of the client's certificate."),
        may("key", text(), "The PEM file of its key."),
        may("first", flag(), "Whether TLS begins before the server says anything, as its `handshake_first` asks."),
    ]);
    with(tls, &json!({"dependencies": {"certificate": ["key"], "key": ["certificate"]}}))
}

fn cors() -> Value {
    mapping([
        need(
            "origins",
            texts(),
            "Origins as browsers write them, such as `https://app.example`; or `*` alone, where nobody reads without a token.",
        ),
        may("max_age", duration(), "How long a browser need not ask again whether a page may (`10m` by default)."),
    ])
}

fn listener_tls() -> Value {
    mapping([
        need(
            "certificate",
            text(),
            "The PEM file of the certificate and those between it and its authority. It is followed, as its key is.",
        ),
        need("key", text(), "The PEM file of the certificate's key."),
        may("client_ca", text(), "The PEM file of the authorities of clients, for `auth.mtls`."),
    ])
}

fn mtls() -> Value {
    mapping([may("admins", texts(), "SPIFFE IDs, and common names of subjects without one, whose holders administer.")])
}

fn jwt() -> Value {
    mapping([
        need(
            "keys",
            text(),
            "The JSON Web Key Set of who signs: a file, which is followed, or a URL, which is asked again every five minutes.",
        ),
        may("issuer", texts(), "Whom a token is by (`iss`): one of these."),
        may(
            "audience",
            texts(),
            "Whom a token is for (`aud`): one of these. Without it no token is taken that has an `aud`.",
        ),
        may("leeway", duration(), "By how much clocks may differ (`60s` by default)."),
        may("roles", text(), "The claim that has the roles (`roles` by default): `realm_access.roles`."),
        may("admin_role", text(), "The role whose holders administer. Without it no token's holder does."),
    ])
}

fn parked() -> Value {
    let subject = need(
        "subject",
        text(),
        "A subject of the server at `nats`. One that a source's `filter_subjects` let through is refused.",
    );
    mapping([
        may(
            "max_events",
            count(),
            "The most parked events of one source, or of one projection (10000 by default). A source stops before the next one; a projection fails with it, alone.",
        ),
        may("max_bytes", bytes(), "The most bytes of a source's parked messages (`64MiB` by default)."),
        may("notify", mapping([subject]), "Where it is told that events were parked."),
    ])
}

fn limits() -> Value {
    mapping([
        may("max_rows", count(), "The most rows of one answer in SQL (10000 by default)."),
        may("memory", bytes(), "The memory of one query; its answer may have a quarter of it (`256MiB` by default)."),
        may("timeout", interval(), "The time of one query (`30s` by default)."),
        may("concurrency", count(), "Queries at once (8 by default); four times as many wait, up to a second."),
        may(
            "scan_limit",
            count(),
            "A filter that no index serves is refused on a table of more rows (100000 by default).",
        ),
        may(
            "result_cache",
            bytes_or_none(),
            "The bytes of answers that are kept for those who ask the same of the same rows (`64MiB` by default); 0 keeps none.",
        ),
        may(
            "state",
            bytes(),
            "The bytes of state of all projections from which on nothing more is built; without it, there is no such limit.",
        ),
        may(
            "per_principal",
            mapping([
                may("requests_per_second", count(), "Requests of one principal in a second; without it, any number."),
                may("concurrent", count(), "Requests of one principal at once; without it, any number."),
            ]),
            "How much one principal may ask, or one address where nobody needs a token; beyond it 429.",
        ),
    ])
}

fn verify() -> Value {
    mapping([
        may("every", interval(), "How often a projection is verified, one after the other; never if it is left out."),
        may(
            "shares",
            integer(1, Some(10_000)),
            "Into how many shares the keys of a projection are divided (1 by default). Each turn looks at one of them.",
        ),
        may(
            "memory",
            bytes(),
            "What a verification may hold of its events (`1GiB` by default). Where they take more, it reads the sources several times, each time for fewer keys.",
        ),
    ])
}
