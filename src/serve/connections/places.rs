//! Who holds the places of a listener, and who has to go when there are none left. No socket and no clock lives here.
//!
//! A connection that has no request under way only waits, so it is ended before anybody is refused: the one that has waited
//! longest. Where every connection is busy, a new one gets a place in the reserve, which answers health and nothing else.

use std::collections::BTreeMap;
use std::net::IpAddr;

use tokio::sync::oneshot;

/// Connections beyond the limit that are answered all the same, if only about health: a quarter of them, and no more than this.
const RESERVE_MAX: usize = 32;

/// Whether a connection is answered in full or, beyond the limit, about health alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    Full,
    Reserve,
}

/// Identifies a connection of a listener.
pub(super) type ConnectionId = u64;

/// A connection that was let in.
#[derive(Debug)]
pub(super) struct Entered {
    pub(super) id: ConnectionId,
    pub(super) lane: Lane,
    /// Resolves when the connection has to go.
    pub(super) evicted: oneshot::Receiver<()>,
}

#[derive(Debug)]
pub(super) struct Places {
    max: usize,
    max_per_peer: usize,
    reserve: usize,
    held: BTreeMap<ConnectionId, Holder>,
    /// Counts connections, and turns of waiting: a smaller number came earlier.
    turn: u64,
}

#[derive(Debug)]
struct Holder {
    peer: IpAddr,
    lane: Lane,
    /// When it began to wait for a request; none while one is under way.
    waiting_since: Option<u64>,
    evict: oneshot::Sender<()>,
}

impl Places {
    pub(super) fn new(max: usize, max_per_peer: usize) -> Self {
        Places { max, max_per_peer, reserve: (max / 4).clamp(1, RESERVE_MAX), held: BTreeMap::new(), turn: 0 }
    }

    pub(super) fn held(&self) -> usize {
        self.held.len()
    }

    /// Lets a connection in, at the cost of another where need be; none if even the reserve is busy.
    pub(super) fn enter(&mut self, peer: IpAddr) -> Option<Entered> {
        let of_peer = self.held.values().filter(|one| one.lane == Lane::Full && one.peer == peer).count();
        let full = self.held.values().filter(|one| one.lane == Lane::Full).count();
        let has_room = if of_peer >= self.max_per_peer {
            self.evict(|one| one.lane == Lane::Full && one.peer == peer)
        } else {
            full < self.max || self.evict(|one| one.lane == Lane::Full)
        };
        let lane = if has_room { Lane::Full } else { Lane::Reserve };
        if lane == Lane::Reserve {
            let in_reserve = self.held.len() - full;
            if in_reserve >= self.reserve && !self.evict(|one| one.lane == Lane::Reserve) {
                return None;
            }
        }
        let (evict, evicted) = oneshot::channel();
        let id = self.next_turn();
        self.held.insert(id, Holder { peer, lane, waiting_since: Some(id), evict });
        Some(Entered { id, lane, evicted })
    }

    /// A request has begun.
    pub(super) fn is_busy(&mut self, id: ConnectionId) {
        if let Some(holder) = self.held.get_mut(&id) {
            holder.waiting_since = None;
        }
    }

    /// The answer is handed over.
    pub(super) fn waits(&mut self, id: ConnectionId) {
        let turn = self.next_turn();
        if let Some(holder) = self.held.get_mut(&id) {
            holder.waiting_since = Some(turn);
        }
    }

    pub(super) fn leave(&mut self, id: ConnectionId) {
        self.held.remove(&id);
    }

    /// Ends the one that has waited longest among these; its place is free at once.
    fn evict(&mut self, is_meant: impl Fn(&Holder) -> bool) -> bool {
        let waiting = self.held.iter().filter(|(_, one)| is_meant(one));
        let longest = waiting.filter_map(|(id, one)| Some((one.waiting_since?, *id))).min();
        let Some(holder) = longest.and_then(|(_, id)| self.held.remove(&id)) else { return false };
        // A connection that is ending by itself listens no more.
        let _ = holder.evict.send(());
        true
    }

    fn next_turn(&mut self) -> u64 {
        self.turn += 1;
        self.turn
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::net::Ipv4Addr;

    use super::*;

    fn peer(number: u8) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(10, 0, 0, number))
    }

    fn is_evicted(entered: &mut Entered) -> bool {
        entered.evicted.try_recv().is_ok()
    }

    #[test]
    fn who_has_waited_longest_goes_first() {
        let mut places = Places::new(2, 2);
        let (mut first, mut second) = (places.enter(peer(1)).unwrap(), places.enter(peer(1)).unwrap());
        places.is_busy(first.id);
        places.waits(first.id);
        let third = places.enter(peer(2)).unwrap();
        assert_eq!((third.lane, is_evicted(&mut first), is_evicted(&mut second)), (Lane::Full, false, true));
        assert_eq!(places.held(), 2);
    }

    #[test]
    fn a_peer_at_its_limit_costs_nobody_else() {
        let mut places = Places::new(10, 2);
        let mut other = places.enter(peer(1)).unwrap();
        let mut own: Vec<Entered> = (0..2).map(|_| places.enter(peer(2)).unwrap()).collect();
        places.is_busy(own[0].id);
        assert_eq!(places.enter(peer(2)).unwrap().lane, Lane::Full);
        assert_eq!((is_evicted(&mut own[0]), is_evicted(&mut own[1]), is_evicted(&mut other)), (false, true, false));
    }

    #[test]
    fn while_all_are_busy_new_ones_are_asked_about_health_alone() {
        let mut places = Places::new(8, 8);
        let busy: Vec<Entered> = (0..8).map(|_| places.enter(peer(1)).unwrap()).collect();
        busy.iter().for_each(|one| places.is_busy(one.id));
        let mut reserve: Vec<Entered> = (0..2).map(|_| places.enter(peer(2)).unwrap()).collect();
        assert!(reserve.iter().all(|one| one.lane == Lane::Reserve));
        // One that only waits makes room for the next; where none waits, the next is refused.
        assert_eq!(places.enter(peer(3)).unwrap().lane, Lane::Reserve);
        assert!(is_evicted(&mut reserve[0]));
        let ids: Vec<_> = places.held.keys().copied().collect();
        ids.iter().for_each(|id| places.is_busy(*id));
        assert!(places.enter(peer(3)).is_none());
        places.leave(busy[0].id);
        assert_eq!(places.enter(peer(3)).unwrap().lane, Lane::Full);
    }
}
