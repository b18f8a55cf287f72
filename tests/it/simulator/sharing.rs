//! Projections that share an operator, through starts in which one of them comes, goes, changes or fails.

use readside::lifecycle::Parked;
use readside::progress::Phase;

use super::daemon::{Daemon, Started};
use super::definitions::{Definitions, LONELY};
use super::starts::Place;

/// Takes everything in, more of it than before, and makes a checkpoint.
async fn go_on(place: &mut Place, daemon: &mut Daemon) {
    (0..10).for_each(|_| place.log.publish(&mut place.random, 10));
    daemon.commit_all(&place.log);
    daemon.check(&place.log);
    place.save(daemon).await;
}

/// A start of which it is known how many projections go on and how many are built.
async fn start(place: &mut Place, definitions: &Definitions, resumed: usize, built: usize) -> Daemon {
    let (daemon, started) = place.start(definitions).await;
    let Started { resumed: found_resumed, built: found_built, .. } = started;
    assert_eq!((found_resumed, found_built), (resumed, built));
    daemon.check(&place.log);
    daemon
}

/// The stores of operators in the last checkpoint, by the generation in which they were born.
fn stores(daemon: &Daemon) -> Vec<&str> {
    let stores = daemon.checkpointer.manifest().stores.keys().map(String::as_str);
    let operators = stores.filter(|store| *store != "parked" && !store.ends_with("/rows"));
    operators.filter_map(|store| Some(store.rsplit_once('/')?.0)).collect()
}

#[tokio::test]
async fn one_state_is_written_and_goes_on() {
    let (mut place, definitions) = (Place::new(100), Definitions::of(&["customers", "regulars"]));
    let mut daemon = place.start(&definitions).await.0;
    go_on(&mut place, &mut daemon).await;
    assert_eq!(stores(&daemon), ["customers/1"]);
    for _ in 0..3 {
        daemon = start(&mut place, &definitions, 2, 0).await;
        assert_eq!((daemon.shared("customers"), daemon.shared("regulars")), (1, 1));
        go_on(&mut place, &mut daemon).await;
        assert_eq!(stores(&daemon), ["customers/1"]);
    }
}

#[tokio::test]
async fn who_comes_later_shares_what_is_there() {
    let mut place = Place::new(100);
    let mut daemon = place.start(&Definitions::of(&["regulars"])).await.0;
    go_on(&mut place, &mut daemon).await;
    let definitions = Definitions::of(&["customers", "regulars"]);
    let mut daemon = start(&mut place, &definitions, 1, 1).await;
    assert_eq!((daemon.shared("customers"), daemon.shared("regulars")), (1, 1));
    go_on(&mut place, &mut daemon).await;
    assert_eq!(stores(&daemon), ["regulars/1"]);
    let mut daemon = start(&mut place, &definitions, 2, 0).await;
    assert_eq!(daemon.shared("customers"), 1);
    go_on(&mut place, &mut daemon).await;
}

#[tokio::test]
async fn a_change_of_one_leaves_the_other_as_it_is() {
    let (mut place, mut definitions) = (Place::new(100), Definitions::of(&["customers", "regulars"]));
    let mut daemon = place.start(&definitions).await.0;
    go_on(&mut place, &mut daemon).await;
    definitions.set_variant("customers", 1);
    let mut daemon = start(&mut place, &definitions, 1, 1).await;
    assert_eq!((daemon.shared("customers"), daemon.shared("regulars")), (0, 0));
    go_on(&mut place, &mut daemon).await;
    assert_eq!(stores(&daemon), ["customers/1", "customers/2"]);
    // And back: its old state is still there, with the other one.
    definitions.set_variant("customers", 0);
    let mut daemon = start(&mut place, &definitions, 1, 1).await;
    assert_eq!((daemon.shared("customers"), daemon.shared("regulars")), (1, 1));
    go_on(&mut place, &mut daemon).await;
    assert_eq!(stores(&daemon), ["customers/1"]);
    // A change that keeps what is shared.
    definitions.set_variant("regulars", 1);
    let mut daemon = start(&mut place, &definitions, 1, 1).await;
    assert_eq!((daemon.shared("customers"), daemon.shared("regulars")), (1, 1));
    go_on(&mut place, &mut daemon).await;
    assert_eq!(stores(&daemon), ["customers/1"]);
}

#[tokio::test]
async fn who_goes_leaves_the_state_to_the_other() {
    let (mut place, both) = (Place::new(100), Definitions::of(&["customers", "regulars"]));
    let mut daemon = place.start(&both).await.0;
    go_on(&mut place, &mut daemon).await;
    let one = both.clone().without("customers");
    for _ in 0..2 {
        let mut daemon = start(&mut place, &one, 1, 0).await;
        assert_eq!(daemon.shared("regulars"), 0);
        go_on(&mut place, &mut daemon).await;
        assert_eq!(stores(&daemon), ["customers/1"]);
    }
    // It comes again, as another generation than the one whose state the other has.
    let mut daemon = start(&mut place, &both, 1, 1).await;
    assert_eq!(daemon.engine.generations.iter().map(|one| one.id.number).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(daemon.shared("regulars"), 1);
    go_on(&mut place, &mut daemon).await;
    assert_eq!(stores(&daemon), ["customers/1"]);
    let mut daemon = start(&mut place, &both.without("regulars"), 1, 0).await;
    go_on(&mut place, &mut daemon).await;
    assert_eq!(stores(&daemon), ["customers/1"]);
}

#[tokio::test]
async fn who_is_in_error_is_so_alone() {
    // The state is by name that of the one that is in error.
    let (mut place, definitions) = (Place::new(0), Definitions::of(&[LONELY, "customers"]));
    let failed =
        |daemon: &Daemon| daemon.engine.generations.iter().map(|one| one.status().state == Phase::Failed).collect();
    let mut daemon = place.start(&definitions).await.0;
    place.save(&mut daemon).await;
    let mut daemon = start(&mut place, &definitions, 2, 0).await;
    assert_eq!((daemon.shared(LONELY), failed(&daemon)), (1, vec![false, false]));
    for _ in 0..3 {
        go_on(&mut place, &mut daemon).await;
        assert_eq!(failed(&daemon), [true, false]);
        assert_eq!(stores(&daemon), ["buyer/1", "buyer/1"]);
        daemon = start(&mut place, &definitions, 2, 0).await;
    }
    assert_eq!(failed(&daemon), [true, false]);
}

#[tokio::test]
async fn who_rejects_the_same_events_shares_and_each_parks_them() {
    let (mut place, mut definitions) = (Place::new(100), Definitions::of(&["high_rates", "rates"]));
    let mut daemon = place.start(&definitions).await.0;
    go_on(&mut place, &mut daemon).await;
    let parked = |daemon: &Daemon, name: &str| {
        let of = |parked: &&Parked| parked.generation.as_ref().is_some_and(|id| *id.projection == *name);
        daemon.engine.parked.iter().filter(of).count()
    };
    assert_eq!((daemon.shared("rates"), daemon.shared("high_rates")), (1, 1));
    assert!(parked(&daemon, "rates") > 0);
    assert_eq!(parked(&daemon, "rates"), parked(&daemon, "high_rates"));
    // Now one of them takes them.
    definitions.set_variant("rates", 1);
    let mut daemon = start(&mut place, &definitions, 1, 1).await;
    assert_eq!((daemon.shared("rates"), daemon.shared("high_rates")), (0, 0));
    go_on(&mut place, &mut daemon).await;
    assert_eq!(parked(&daemon, "rates"), 0);
    definitions.set_variant("high_rates", 1);
    let mut daemon = start(&mut place, &definitions, 1, 1).await;
    assert_eq!((daemon.shared("rates"), daemon.shared("high_rates")), (1, 1));
    go_on(&mut place, &mut daemon).await;
}

#[tokio::test]
async fn a_changed_projection_goes_on_from_the_operators_that_did_not_change() {
    let (mut place, mut definitions) = (Place::new(300), Definitions::of(&["regulars", "order_state"]));
    let mut daemon = place.start(&definitions).await.0;
    go_on(&mut place, &mut daemon).await;
    // Another HAVING over the same aggregate: no event is read, and its state stays where it is.
    definitions.set_variant("regulars", 1);
    let (mut daemon, started) = place.start(&definitions).await;
    assert_eq!((started.resumed, started.built, started.read.len()), (1, 1, 0));
    daemon.check(&place.log);
    let born = stores(&daemon).iter().map(|store| (*store).to_owned()).collect::<Vec<_>>();
    go_on(&mut place, &mut daemon).await;
    assert_eq!(stores(&daemon), born);
    let (daemon, started) = place.start(&definitions).await;
    assert_eq!((started.resumed, started.built), (2, 0));
    daemon.check(&place.log);
}

#[tokio::test]
async fn what_lies_below_an_adopted_operator_is_computed_again_if_it_cannot_be_adopted() {
    let (mut place, mut definitions) = (Place::new(300), Definitions::of(&["noted"]));
    let mut daemon = place.start(&definitions).await.0;
    go_on(&mut place, &mut daemon).await;
    definitions.set_variant("noted", 1);
    let (mut daemon, started) = place.start(&definitions).await;
    assert_eq!((started.built, started.read.len()), (1, 1));
    go_on(&mut place, &mut daemon).await;
}

#[tokio::test]
async fn events_that_were_parked_stay_parked_where_none_is_read() {
    let (mut place, definitions) = (Place::new(300), Definitions::of(&["rates"]));
    let mut daemon = place.start(&definitions).await.0;
    go_on(&mut place, &mut daemon).await;
    let parked = daemon.engine.parked.len();
    assert!(daemon.engine.parked.iter().any(|parked| parked.generation.is_some()));
    // Its rows are lost, and what its operator keeps is not.
    super::state::rewrite(&place.store, 3, |manifest| {
        manifest["stores"].as_object_mut().unwrap().retain(|store, _| !store.ends_with("/rows"));
    })
    .await;
    let (daemon, started) = place.start(&definitions).await;
    assert_eq!((started.resumed, started.built, started.read.len(), daemon.engine.parked.len()), (0, 1, 0, parked));
    daemon.check(&place.log);
}
