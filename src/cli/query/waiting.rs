//! Waits for what a daemon builds, and prints how what waits to be promoted differs from what serves.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde::Deserialize;

use super::NO_QUERY;
use super::client::{Answer, Client, ClientError, parse};
use super::show::printable;

/// What `GET /v1/projections` says of a build.
#[derive(Deserialize)]
pub(super) struct Projection {
    pub(super) name: String,
    state: String,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    pub(super) build: Option<Build>,
}

#[derive(Deserialize)]
pub(super) struct Build {
    state: String,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    comparison: Option<Compared>,
    sources: BTreeMap<String, Progress>,
}

/// How what was built differs from what serves.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Compared {
    equal: bool,
    rows_before: u64,
    rows_now: u64,
    only_before: u64,
    only_now: u64,
    otherwise: u64,
    #[serde(default)]
    not_compared: Vec<String>,
    #[serde(default)]
    differences: Vec<Difference>,
}

#[derive(Deserialize)]
struct Difference {
    key: String,
    difference: String,
    #[serde(default)]
    columns: BTreeMap<String, [Option<String>; 2]>,
}

#[derive(Deserialize)]
struct Progress {
    position: u64,
    target: u64,
}

/// What is built now, and waits for a person then.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ToPromote {
    projections: Vec<String>,
    unless_equal: bool,
    breaking: bool,
}

/// What will wait to be promoted, and the verb that promotes it.
pub(super) fn show_to_promote(waits: &[ToPromote], out: &mut dyn Write) -> Result<(), ClientError> {
    for ToPromote { projections, unless_equal, breaking } in waits {
        let Some(first) = projections.first() else { continue };
        let unless = if *unless_equal { "unless their rows are the same they wait" } else { "they wait" };
        let allows = if *breaking { " --allow-breaking" } else { "" };
        writeln!(
            out,
            "built beside: {}; {unless} then until `readside projection promote {first}{allows}`",
            projections.join(", ")
        )?;
    }
    Ok(())
}

/// Differences that are printed one by one; status has more.
const SHOWN: usize = 10;

/// What waits to be promoted, and how it differs from what serves.
pub(super) fn show_waiting(name: &str, build: Option<&Build>, out: &mut dyn Write) -> Result<(), ClientError> {
    let message = build.and_then(|build| build.message.as_deref()).unwrap_or("it waits");
    let is_built = build.is_some_and(|build| build.state == "shadowing");
    writeln!(out, "{name} is {}: {}", if is_built { "built" } else { "not built" }, printable(message))?;
    let Some(compared) = build.and_then(|build| build.comparison.as_ref()) else { return Ok(()) };
    let Compared { rows_before, rows_now, only_before, only_now, otherwise, .. } = compared;
    if compared.equal {
        return Ok(writeln!(out, "  its {rows_now} rows are those that serve")?);
    }
    writeln!(
        out,
        "  {rows_before} rows serve, and it has {rows_now}: {only_before} keys are gone, {only_now} are new, {otherwise} have \
         other values"
    )?;
    if !compared.not_compared.is_empty() {
        writeln!(out, "  not compared: {}", compared.not_compared.join(", "))?;
    }
    for Difference { key, difference, columns } in compared.differences.iter().take(SHOWN) {
        let cell = |cell: &Option<String>| cell.clone().unwrap_or_else(|| "NULL".to_owned());
        let values = columns.iter().map(|(name, [before, now])| format!(" {name} {} → {}", cell(before), cell(now)));
        writeln!(out, "  {} {difference}{}", printable(key), printable(&values.collect::<Vec<_>>().join(",")))?;
    }
    Ok(())
}

const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Waits until these projections are there as they are declared, and gives those that wait for a person: to be promoted, and of
/// `others` those that are not built before somebody wants it, or has what they read go on.
///
/// # Errors
/// One of those that were waited for does not serve as it should, because it could not be built, or is in error.
pub(super) fn wait(client: &Client, names: &[String], others: &[String]) -> Result<Vec<Projection>, ClientError> {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{msg} {bar:30} {pos}/{len} ({per_sec}, {eta})") {
        bar.set_style(style);
    }
    loop {
        let body = client.get(&["v1", "projections"], NO_QUERY)?;
        let all: Vec<Projection> = parse::<Answer<Projection>>(&body)?.items;
        let (wanted, rest): (Vec<_>, Vec<_>) = all.into_iter().partition(|one| names.contains(&one.name));
        // What has taken no place of anything is there, as what has failed.
        let fails = |one: &&Projection| one.build.is_none() && one.state == "failed";
        if let Some(Projection { name, error, .. }) = wanted.iter().find(fails) {
            bar.abandon();
            let message = error.clone().unwrap_or_else(|| "it has failed".to_owned());
            return Err(ClientError::Build { name: name.clone(), message });
        }
        let built: Vec<Projection> = wanted.into_iter().filter(|one| one.build.is_some()).collect();
        let failed =
            built.iter().find_map(|one| Some((one, one.build.as_ref().filter(|build| build.state == "failed")?)));
        if let Some((projection, build)) = failed {
            bar.abandon();
            let message = build.message.as_deref().unwrap_or("its build has failed");
            return Err(ClientError::Build { name: projection.name.clone(), message: message.to_owned() });
        }
        let shadows = |one: &Projection| one.build.as_ref().is_some_and(|build| build.state == "shadowing");
        if built.iter().all(shadows) {
            bar.finish_and_clear();
            let is_held = |one: &Projection| {
                let held =
                    one.build.as_ref().filter(|build| ["waiting", "rolled-back"].contains(&build.state.as_str()));
                held.is_some() && others.contains(&one.name)
            };
            return Ok(built.into_iter().chain(rest.into_iter().filter(is_held)).collect());
        }
        let sources = built.iter().filter_map(|one| one.build.as_ref()).flat_map(|build| build.sources.values());
        let (position, target) =
            sources.fold((0, 0), |(position, target), one| (position + one.position, target + one.target));
        bar.set_length(target);
        bar.set_position(position);
        bar.set_message(built.iter().map(|one| one.name.as_str()).collect::<Vec<_>>().join(", "));
        std::thread::sleep(LOOK_EVERY);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use expect_test::expect;

    use super::*;

    #[test]
    fn what_will_wait_is_told_with_what_it_waits_for() {
        let waits: Vec<ToPromote> = serde_json::from_str(
            r#"[{"projections":["sizes","totals"],"unlessEqual":false,"breaking":false},
            {"projections":["found"],"unlessEqual":true,"breaking":false},
            {"projections":["pairs"],"unlessEqual":false,"breaking":true}]"#,
        )
        .unwrap();
        let mut out = Vec::new();
        show_to_promote(&waits, &mut out).unwrap();
        expect![[r"
            built beside: sizes, totals; they wait then until `readside projection promote sizes`
            built beside: found; unless their rows are the same they wait then until `readside projection promote found`
            built beside: pairs; they wait then until `readside projection promote pairs --allow-breaking`
        "]]
        .assert_eq(&String::from_utf8(out).unwrap());
    }
}
