//! Which columns are computed from sensitive fields, and what is said where nothing hides them.
#![allow(clippy::unwrap_used)]

use expect_test::{Expect, expect};

use super::*;
use crate::config::{Files, Loaded, load};
use crate::plan::program::program;

const SOURCE: &str = r#"source: crm
file: {path: e.ndjson}
envelope: {type: body:/type}
types: {Line: {sku: string!, note: string}}
events:
  Registered:
    fields: {id: string!, email: string, tier: string, address: "struct<street: string, city: string>", lines: list<Line>, phones: "map<string,string>"}
    sensitive: [email, address.street, lines.note, phones]
  Closed: {fields: {id: string!, reason: string}}
"#;

/// A projection with what it needs to be served.
const CONTACTS: &str = "projection: contacts
key: [id]
sql: SELECT id, latest(email) AS mail, latest(address) AS home, count(*) AS n FROM crm.registered GROUP BY id
access: {mask: {mail: 'NULL', home: 'NULL'}}
";

fn loaded(root: &str, projections: &str) -> Loaded {
    let read = |path: &str| {
        Ok(match path {
            "s.yaml" => SOURCE.to_owned(),
            "p.yaml" => projections.to_owned(),
            _ => format!("sources: s.yaml\nprojections: p.yaml\n{root}"),
        })
    };
    let files = Files { list: &|_| Ok(Vec::new()), read: &read };
    load("readside.yaml", &files, &|_| None).unwrap()
}

/// The sensitive fields of each column that comes out; `-` where it has none.
fn shown(sql: &str) -> String {
    let config = loaded("", CONTACTS).config;
    let scope = program(&config).unwrap().scope();
    let of_contacts = lineages(&config.projections[0].sql, &scope, &config.sources, &BTreeMap::new()).unwrap();
    let of_contacts = ["id", "mail", "home", "n"].map(str::to_owned).into_iter().zip(of_contacts).collect();
    let known = BTreeMap::from([("contacts".to_owned(), of_contacts)]);
    let lineages = lineages(sql, &scope, &config.sources, &known).unwrap_or_else(|error| panic!("{sql}: {error}"));
    let column = |lineage: &Lineage| {
        let fields: Vec<String> = lineage.fields().into_keys().map(|field| field.field.clone()).collect();
        if fields.is_empty() { "-".to_owned() } else { fields.join("+") }
    };
    lineages.iter().map(column).collect::<Vec<_>>().join(" ")
}

#[test]
fn values_are_followed_to_the_columns_that_show_them() {
    let cases = [
        ("SELECT id, email FROM crm.registered", "- email"),
        (
            "SELECT lower(email) || id AS a, sha256(email) AS b, email = 'x' AS c FROM crm.registered",
            "email email email",
        ),
        (
            "SELECT CASE WHEN tier = 'a' THEN email END AS a, coalesce(tier, email) AS b FROM crm.registered",
            "email email",
        ),
        ("SELECT DISTINCT email FROM crm.registered", "email"),
        ("SELECT email, count(*) AS n FROM crm.registered GROUP BY email", "email -"),
        ("SELECT email, tier, count(*) AS n FROM crm.registered GROUP BY ROLLUP (email, tier)", "email - -"),
        (
            "SELECT id, min(email) AS a, array_agg(email ORDER BY id) AS b, string_agg(email, ',' ORDER BY id) AS c, \
             latest(email) AS d, max_by(email, id) AS e FROM crm.registered GROUP BY id",
            "- email email email email email",
        ),
        ("SELECT id, lag(email) OVER (ORDER BY _seq) AS a FROM crm.registered", "- email"),
        ("WITH a AS (SELECT email AS e, id FROM crm.registered) SELECT id, x.e FROM (SELECT * FROM a) AS x", "- email"),
        ("SELECT id, tier AS t FROM crm.registered UNION ALL SELECT id, email FROM crm.registered", "- email"),
        ("SELECT id, (SELECT max(r.email) FROM crm.registered r WHERE r.id = c.id) AS e FROM crm.closed c", "- email"),
        (
            "SELECT id, (SELECT max(c.reason || r.email) FROM crm.closed c WHERE c.id = r.id) AS e FROM crm.registered r",
            "- email",
        ),
        ("SELECT id, reason IN (SELECT email FROM crm.registered) AS a FROM crm.closed", "- email"),
        ("SELECT r.id, l.e FROM crm.registered r, LATERAL (SELECT r.email AS e) l", "- email"),
        ("SELECT id, mail, n FROM contacts", "- email -"),
    ];
    for (sql, expected) in cases {
        assert_eq!(shown(sql), expected, "{sql}");
    }
}

#[test]
fn what_decides_and_what_is_counted_shows_no_value() {
    let cases = [
        ("SELECT id FROM crm.registered WHERE email = 'x' ORDER BY email LIMIT 3", "-"),
        ("SELECT count(*) AS n FROM crm.registered GROUP BY email", "-"),
        ("SELECT DISTINCT ON (email) id FROM crm.registered ORDER BY email, id", "-"),
        ("SELECT email IS NULL AS a, CASE WHEN email IS NOT NULL THEN 1 END AS b FROM crm.registered", "- -"),
        (
            "SELECT id, count(email) AS a, count(DISTINCT email) AS b, count(*) FILTER (WHERE email = 'x') AS c, \
             first_value(tier ORDER BY email) AS d FROM crm.registered GROUP BY id",
            "- - - - -",
        ),
        (
            "SELECT id, row_number() OVER (PARTITION BY email ORDER BY email) AS a, count(email) OVER () AS b \
             FROM crm.registered",
            "- - -",
        ),
        (
            "SELECT a.id, b.reason, a.email FROM crm.registered a JOIN crm.closed b ON a.id = b.id AND a.email = b.reason",
            "- - email",
        ),
        ("SELECT id FROM crm.closed c WHERE EXISTS (SELECT 1 FROM crm.registered r WHERE r.email = c.reason)", "-"),
    ];
    for (sql, expected) in cases {
        assert_eq!(shown(sql), expected, "{sql}");
    }
}

#[test]
fn of_structs_lists_and_maps_the_parts_are_followed() {
    let cases = [
        (
            "SELECT address, address['street'] AS a, address['city'] AS b FROM crm.registered",
            "address.street address.street -",
        ),
        (
            "SELECT a['city'] AS a, a['street'] AS b FROM (SELECT latest(address) AS a FROM crm.registered)",
            "- address.street",
        ),
        ("SELECT s['a'] AS a, s['b'] AS b FROM (SELECT {'a': email, 'b': tier} AS s FROM crm.registered)", "email -"),
        ("SELECT unnest(address) FROM crm.registered", "address.street -"),
        (
            "SELECT l, l['sku'] AS a, l['note'] AS b FROM (SELECT unnest(lines) AS l FROM crm.registered)",
            "lines.note - lines.note",
        ),
        ("SELECT lines[1]['sku'] AS a, lines[1]['note'] AS b FROM crm.registered", "- lines.note"),
        (
            "SELECT a[1]['city'] AS a, a[1]['street'] AS b FROM (SELECT array_agg(address ORDER BY id) AS a FROM crm.registered)",
            "- address.street",
        ),
        ("SELECT phones['home'] AS a FROM crm.registered", "phones"),
        // How many there are is computed from all of them, as far as is known.
        ("SELECT array_length(lines) AS a FROM crm.registered", "lines.note"),
        (
            "SELECT registered['email'] AS a, registered['tier'] AS b, registered['address']['city'] AS c, closed FROM crm.events",
            "email - - -",
        ),
        ("SELECT registered FROM crm.events", "address.street+email+lines.note+phones"),
        ("SELECT home['city'] AS a, home['street'] AS b FROM contacts", "- address.street"),
    ];
    for (sql, expected) in cases {
        assert_eq!(shown(sql), expected, "{sql}");
    }
}

/// What is said of these projections.
fn check(root: &str, projections: &str, expected: Expect) {
    let loaded = loaded(root, projections);
    let problems = program(&loaded.config).err().unwrap_or_default();
    let said: Vec<String> = problems.iter().map(|problem| loaded.places.diagnostic(problem).to_string()).collect();
    expected.assert_eq(&said.join("\n"));
}

fn projection(select: &str, lines: &str) -> String {
    format!("projection: p\nkey: [id]\nsql: SELECT {select} FROM crm.registered\n{lines}")
}

#[test]
fn what_is_hidden_by_a_mask_or_a_policy_is_accepted() {
    let policy = "\n---\npolicy: own\nrow_filter: id = claim('sub')\n";
    let own = format!("access: {{policies: [own]}}{policy}");
    for (root, lines, select) in [
        ("", "access: {mask: {email: 'NULL'}}", "id, email"),
        ("", own.as_str(), "id, email"),
        ("auth: {tokens: t, require: [own]}\n", policy, "id, email"),
        ("", "access: public", "id, tier, email IS NULL AS has_none"),
    ] {
        check(root, &projection(select, lines), expect![""]);
    }
    let view = format!("{CONTACTS}---\nprojection: v\nkind: view\nsql: SELECT mail FROM contacts\naccess: public\n");
    check("", &view, expect![""]);
}

#[test]
fn what_nothing_hides_is_refused() {
    check(
        "",
        &projection("id, email, address", "access: {mask: {address: 'NULL'}}"),
        expect![[r#"
            error[RS0523]: nothing hides `email` of `p`, which is computed from the sensitive `email` of `Registered` in `crm`
             --> p.yaml:1:13
              |
            1 | projection: p
              |             ^
            hint: write `access: {mask: {email: 'NULL'}}`, name a policy in `access.policies`, or leave the column out of the query
        "#]],
    );
    check(
        "auth: {tokens: t, require: [own]}\n",
        &projection("id, email", "access: public\n---\npolicy: own\nrow_filter: id = claim('sub')\n"),
        expect![[r#"
            error[RS0523]: nothing hides `email` of `p`, which is computed from the sensitive `email` of `Registered` in `crm`
             --> p.yaml:4:9
              |
            4 | access: public
              |         ^^^^^^
            hint: in the place of `access: public` write `access: {mask: {email: 'NULL'}}`, name a policy in `access.policies`, or leave the column out of the query
        "#]],
    );
    check(
        "",
        &format!(
            "{CONTACTS}---\nprojection: mails\nkey: [mail]\nsql: SELECT mail, count(*) AS n FROM contacts GROUP BY mail\n"
        ),
        expect![[r#"
            error[RS0523]: nothing hides `mail` of `mails`, which is computed from the sensitive `email` of `Registered` in `crm` by way of `contacts`
             --> p.yaml:6:13
              |
            6 | projection: mails
              |             ^^^^^
            hint: name a policy in `access.policies`, or leave the column out of the query
        "#]],
    );
    check(
        "",
        "projection: found\nkind: search\nkey: [id]\nsql: SELECT id, tier || email AS names FROM crm.registered\nfields: {names: text}\n",
        expect![[r#"
            error[RS0523]: nothing hides `names` of `found`, which is computed from the sensitive `email` of `Registered` in `crm`
             --> p.yaml:1:13
              |
            1 | projection: found
              |             ^^^^^
            hint: write `access: {mask: {names: 'NULL'}}`, name a policy in `access.policies`, or leave the column out of the query
        "#]],
    );
}

#[test]
fn what_is_sensitive_decides_nothing_that_is_computed() {
    let mut source = loaded("", CONTACTS).config.sources.remove(0);
    let marked = source.identity();
    assert!(!source.sensitive.is_empty());
    source.sensitive.clear();
    assert_eq!(source.identity(), marked);
}
