//! `readside checkpoint`: what a data directory has, beside a daemon that goes on.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::crash::daemon::{Daemon, binary};
use crate::reload::{CUSTOMERS, FOUND, TOTALS, World};
use crate::support::DEADLINE;

/// The exit code of a verb, and what it prints.
pub(crate) fn checkpoint(arguments: &[&str]) -> (i32, String) {
    let output = Command::new(binary()).arg("checkpoint").args(arguments).output().unwrap();
    let told = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
    (output.status.code().unwrap(), told)
}

fn parsed((code, told): (i32, String)) -> Value {
    assert_eq!(code, 0, "{told}");
    serde_json::from_str(&told).unwrap()
}

/// Waits until a checkpoint has all events that were published.
fn checkpointed(world: &World) -> Value {
    let data = world.path("data");
    world.daemon().wait("a checkpoint", DEADLINE, |_| {
        let told = parsed(checkpoint(&["list", "--json", "--data-dir", data.to_str().unwrap()]));
        let last = told["checkpoints"].as_array()?.last()?.clone();
        (last["positions"]["orders"] == world.events).then_some(last)
    })
}

/// A daemon over other data, with the files of a world.
fn start_over(world: &World, data: &Path) -> Daemon {
    let config = fs::read_to_string(world.path("readside.yaml")).unwrap();
    let config = config.replace("data_dir: data", &format!("data_dir: {}", data.display()));
    world.write("other.yaml", &config);
    Daemon::start(&world.path("other.yaml"))
}

fn orders(daemon: &Daemon) -> Value {
    daemon.sql("SELECT count(*) AS customers, sum(orders) AS orders FROM totals")["items"][0].clone()
}

#[test]
fn checkpoints_are_listed_and_read_beside_a_daemon() {
    let world = World::start(&[TOTALS, FOUND]);
    let last = checkpointed(&world);
    assert_eq!((&last["state"], &last["epoch"]), (&json!("readable"), &json!(1)));
    let names: Vec<&str> =
        last["projections"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["found", "totals"]);
    assert!(last["bytes"]["stores"].as_u64() > Some(0) && last["bytes"]["indexes"].as_u64() > Some(0), "{last}");
    let config = world.path("readside.yaml");
    let (code, told) = checkpoint(&["list", "--config", config.to_str().unwrap()]);
    assert!(code == 0 && told.contains("orders:1000") && told.contains("found totals"), "{told}");
    let (code, told) = checkpoint(&["verify", "--config", config.to_str().unwrap()]);
    assert!(code == 0 && told.contains(" is whole: "), "{told}");
    let (code, told) = checkpoint(&["verify", "--number", "4711", "--config", config.to_str().unwrap()]);
    assert!(code == 1 && told.contains("there is no checkpoint 4711 in"), "{code}: {told}");
}

#[test]
fn a_place_without_checkpoints_is_said_to_be_one() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().to_str().unwrap();
    assert_eq!(checkpoint(&["list", "--data-dir", place]), (0, format!("no checkpoint in {place}\n")));
    let (code, told) = checkpoint(&["verify", "--data-dir", place]);
    assert!(code == 1 && told.contains("there is no checkpoint in"), "{code}: {told}");
    let (code, told) = checkpoint(&["list", "--data-dir", &format!("{place}/nowhere")]);
    assert!(code == 1 && told.contains("nowhere") && told.contains("No such file"), "{code}: {told}");
    assert!(!folder.path().join("nowhere").exists(), "looking creates nothing");
    let (code, told) = checkpoint(&["export", "--data-dir", place, &format!("{place}/copy")]);
    assert!(code == 1 && told.contains("there is no checkpoint in"), "{code}: {told}");
}

#[test]
fn an_export_of_a_running_daemon_is_where_another_one_goes_on_from() {
    let mut world = World::start(&[TOTALS, FOUND]);
    checkpointed(&world);
    let (data, copy, other) = (world.path("data"), world.path("copy"), world.path("other"));
    let [data, copy, other] = [&data, &copy, &other].map(|path| path.to_str().unwrap());
    let told = parsed(checkpoint(&["export", "--json", "--data-dir", data, copy]));
    assert_eq!(told["checkpoint"]["positions"]["orders"], 1_000);
    // What comes later is in the stream alone.
    world.publish(200);
    let (code, told) = checkpoint(&["verify", "--data-dir", copy]);
    assert!(code == 0 && told.contains(" is whole: "), "{told}");
    let (code, told) = checkpoint(&["import", "--data-dir", other, copy]);
    assert!(code == 0 && told.contains("every byte read again"), "{told}");
    let daemon = start_over(&world, &world.path("other"));
    daemon.catch_up(1_200, DEADLINE);
    assert!(daemon.says("continuing from the last checkpoint").contains("1000"));
    assert_eq!(orders(&daemon), json!({"customers": CUSTOMERS, "orders": 1_200}));
    assert_eq!(daemon.get("/v1/search/found?q=c7&minPosition=orders:1200&wait=30s").1["total"], 1);
    world.check();

    for place in [copy, other, data] {
        for (verb, from) in [("export", data), ("import", copy)] {
            let arguments = if verb == "export" { [data, place] } else { [place, from] };
            let (code, told) = checkpoint(&[verb, "--data-dir", arguments[0], arguments[1]]);
            assert!(code == 3 && told.contains("is not empty"), "{verb} {place}: {code}: {told}");
        }
    }
}

#[test]
fn what_is_copied_while_checkpoints_come_and_go_is_one_of_them() {
    let mut world = World::start(&[TOTALS, FOUND]);
    checkpointed(&world);
    let data = world.path("data");
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let copies = scope.spawn(|| {
            let folder = tempfile::tempdir().unwrap();
            for number in 0..8 {
                let copy = folder.path().join(number.to_string());
                let (code, told) =
                    checkpoint(&["export", "--data-dir", data.to_str().unwrap(), copy.to_str().unwrap()]);
                assert_eq!(code, 0, "{told}");
                let (code, told) = checkpoint(&["verify", "--data-dir", copy.to_str().unwrap()]);
                assert_eq!(code, 0, "{told}");
                let (code, told) = checkpoint(&["verify", "--data-dir", data.to_str().unwrap()]);
                assert_eq!(code, 0, "{told}");
            }
            is_done.store(true, Ordering::Relaxed);
        });
        while !is_done.load(Ordering::Relaxed) && !copies.is_finished() {
            world.publish(50);
        }
        copies.join().unwrap();
    });
    world.check();
}

#[test]
fn damage_is_named_and_is_a_finding() {
    let mut world = World::start(&[TOTALS, FOUND]);
    checkpointed(&world);
    let (data, copy) = (world.path("data"), world.path("copy"));
    assert!(world.daemon.take().unwrap().terminate().0.success());
    let (code, told) = checkpoint(&["export", "--data-dir", data.to_str().unwrap(), copy.to_str().unwrap()]);
    assert_eq!(code, 0, "{told}");
    let mut objects: Vec<_> = fs::read_dir(copy.join("objects")).unwrap().map(|entry| entry.unwrap().path()).collect();
    objects.sort();
    let (flipped, gone) = (&objects[0], &objects[1]);
    let mut bytes = fs::read(flipped).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(flipped, bytes).unwrap();
    fs::remove_file(gone).unwrap();
    let (code, told) = checkpoint(&["verify", "--data-dir", copy.to_str().unwrap()]);
    assert_eq!(code, 2, "{told}");
    for (path, problem) in [(flipped, "checksum mismatch"), (gone, "missing")] {
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(told.lines().any(|line| line.contains(name) && line.ends_with(problem)), "{name} {problem}: {told}");
    }
    let (code, told) =
        checkpoint(&["import", "--data-dir", world.path("other").to_str().unwrap(), copy.to_str().unwrap()]);
    assert!(code == 1 && told.contains("`readside checkpoint verify` says what is wrong"), "{code}: {told}");
    let left = fs::read_dir(world.path("other/objects")).map(Iterator::count).unwrap_or(0);
    assert_eq!(left, 0, "nothing is left of what was not copied");
}
