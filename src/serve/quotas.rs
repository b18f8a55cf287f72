//! How much one principal may ask, over all protocols: so many requests in a second, and so many at once. Who is none counts by address.
//!
//! Time is given. How much all of them together may ask is decided in `query`.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::access::Caller;
use crate::config::PrincipalLimits;

const SECOND: Duration = Duration::from_secs(1);
/// Until one of too many requests at once may be answered.
const SOON: Duration = SECOND;
/// From so many on those that are idle are looked for, and forgotten.
const ACCOUNTS: usize = 1_024;
/// Principals and addresses that are counted apart. Those beyond them count as one until others are idle.
const ACCOUNTS_MAX: usize = 65_536;

/// Lets requests in. Cheap to clone; all clones are one.
#[derive(Debug, Clone)]
pub struct Quotas(Arc<Mutex<Ledger>>);

#[derive(Debug)]
struct Ledger {
    limits: PrincipalLimits,
    accounts: HashMap<Holder, Account>,
    /// How many accounts there may be before those that are idle are looked for again.
    room: usize,
    /// When they were looked for, if they were.
    looked_at: Option<Instant>,
}

/// Whose requests count together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Holder {
    Principal(String),
    Address(IpAddr),
    Others,
}

#[derive(Debug, Clone, Copy)]
struct Account {
    /// When nothing of the last second's requests counts any more: each one moves it on by its share of a second.
    even_at: Instant,
    running: usize,
}

/// A request that was let in, while it lasts.
#[derive(Debug)]
pub struct Admitted(Option<(Quotas, Holder)>);

/// Why a request is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Exceeded {
    #[error("you ask more than {limit} times in a second (`limits.per_principal.requests_per_second`)")]
    Rate { limit: usize, retry_after: Duration },
    #[error(
        "as many of your requests are being answered as may be at once: {limit} (`limits.per_principal.concurrent`)"
    )]
    Concurrent { limit: usize },
}

impl Exceeded {
    /// For metrics.
    pub fn label(self) -> &'static str {
        match self {
            Exceeded::Rate { .. } => "rate",
            Exceeded::Concurrent { .. } => "concurrent",
        }
    }

    /// How long to wait before the next request.
    pub fn retry_after(self) -> Duration {
        match self {
            Exceeded::Rate { retry_after, .. } => retry_after,
            Exceeded::Concurrent { .. } => SOON,
        }
    }
}

impl Quotas {
    pub fn new(limits: PrincipalLimits) -> Self {
        Self(Arc::new(Mutex::new(Ledger { limits, accounts: HashMap::new(), room: ACCOUNTS, looked_at: None })))
    }

    /// Lets requests in by these limits from now on. What runs goes on, and counts as far as it was counted.
    pub fn change(&self, limits: PrincipalLimits) {
        self.ledger().limits = limits;
    }

    /// Lets a request in; it runs for as long as what is given lasts.
    ///
    /// # Errors
    /// If the caller, or where they are none their address, asks too much. Such a request counts for nothing.
    pub fn admit(&self, caller: &Caller, address: Option<IpAddr>, now: Instant) -> Result<Admitted, Exceeded> {
        let mut ledger = self.ledger();
        if ledger.limits == PrincipalLimits::default() {
            return Ok(Admitted(None));
        }
        let Some(holder) = holder(caller, address) else { return Ok(Admitted(None)) };
        let holder = ledger.take(holder, now)?;
        Ok(Admitted(Some((self.clone(), holder))))
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ledger {
    fn take(&mut self, holder: Holder, now: Instant) -> Result<Holder, Exceeded> {
        // Where there are as many as there may be, each request would look at all of them.
        let may_look = self.room < ACCOUNTS_MAX || self.looked_at.is_none_or(|at| now.duration_since(at) >= SECOND);
        if self.accounts.len() >= self.room && may_look && !self.accounts.contains_key(&holder) {
            self.accounts.retain(|_, account| !account.is_idle(now));
            self.room = (2 * self.accounts.len()).clamp(ACCOUNTS, ACCOUNTS_MAX);
            self.looked_at = Some(now);
        }
        let is_beyond = self.accounts.len() >= ACCOUNTS_MAX && !self.accounts.contains_key(&holder);
        let holder = if is_beyond { Holder::Others } else { holder };
        let limits = self.limits;
        let account = self.accounts.entry(holder.clone()).or_insert(Account { even_at: now, running: 0 });
        account.take(limits, now)?;
        Ok(holder)
    }
}

impl Account {
    fn is_idle(&self, now: Instant) -> bool {
        self.running == 0 && self.even_at <= now
    }

    fn take(&mut self, limits: PrincipalLimits, now: Instant) -> Result<(), Exceeded> {
        if let Some(limit) = limits.concurrent.filter(|limit| self.running >= *limit) {
            return Err(Exceeded::Concurrent { limit });
        }
        if let Some(limit) = limits.requests_per_second {
            let share = SECOND / u32::try_from(limit).unwrap_or(u32::MAX).max(1);
            let even_at = self.even_at.max(now) + share;
            // Who has asked nothing for a second may ask all of it at once.
            let ahead = even_at.duration_since(now);
            if ahead > SECOND {
                return Err(Exceeded::Rate { limit, retry_after: ahead - SECOND });
            }
            self.even_at = even_at;
        }
        self.running += 1;
        Ok(())
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let Some((quotas, holder)) = self.0.take() else { return };
        if let Some(account) = quotas.ledger().accounts.get_mut(&holder) {
            account.running = account.running.saturating_sub(1);
        }
    }
}

impl Admitted {
    /// Whether it counts, and so has to be kept while the request is answered.
    pub fn is_counted(&self) -> bool {
        self.0.is_some()
    }
}

/// None of who is not limited: the daemon itself, and who is not known in any way.
fn holder(caller: &Caller, address: Option<IpAddr>) -> Option<Holder> {
    let Caller::Reader { claims, .. } = caller else { return None };
    match claims.one("sub") {
        Some(name) => Some(Holder::Principal(name.to_owned())),
        None => address.map(|address| Holder::Address(network(address))),
    }
}

/// One customer of a network provider has a whole network of 64 bits, and as many addresses.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::access::Claims;

    fn quotas(requests_per_second: Option<usize>, concurrent: Option<usize>) -> Quotas {
        Quotas::new(PrincipalLimits { requests_per_second, concurrent })
    }

    fn principal(name: &str) -> Caller {
        let mut claims = Claims::default();
        claims.add("sub", name);
        Caller::Reader { claims: Arc::new(claims), administers: false }
    }

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    /// How many of so many requests at one time are let in, each of which ends at once.
    fn let_in(quotas: &Quotas, caller: &Caller, from: Option<IpAddr>, requests: usize, now: Instant) -> usize {
        (0..requests).filter(|_| quotas.admit(caller, from, now).is_ok()).count()
    }

    #[test]
    fn so_many_requests_are_let_in_in_a_second() {
        let (quotas, began) = (quotas(Some(10), None), Instant::now());
        let (shop, other, from) = (principal("shop"), principal("other"), address("10.0.0.1"));
        assert_eq!(let_in(&quotas, &shop, from, 100, began), 10);
        assert_eq!(let_in(&quotas, &other, from, 100, began), 10, "each has their own");
        let refused = quotas.admit(&shop, from, began).unwrap_err();
        assert_eq!(refused, Exceeded::Rate { limit: 10, retry_after: SECOND / 10 });
        assert_eq!(
            let_in(&quotas, &shop, from, 100, began + refused.retry_after()),
            1,
            "what is refused counts for nothing"
        );
        assert_eq!(let_in(&quotas, &shop, from, 100, began + SECOND / 2), 4);
        assert_eq!(let_in(&quotas, &shop, from, 100, began + 60 * SECOND), 10, "no second is saved up");
    }

    #[test]
    fn in_every_time_there_are_as_many_as_its_seconds_allow_and_one_second_more() {
        let (quotas, began, shop) = (quotas(Some(7), None), Instant::now(), principal("shop"));
        let each = |millisecond| let_in(&quotas, &shop, None, 1, began + Duration::from_millis(millisecond));
        let taken: usize = (0..10_000).map(each).sum();
        assert!((70..=77).contains(&taken), "{taken}");
    }

    #[test]
    fn so_many_requests_are_let_in_at_once() {
        let (quotas, now) = (quotas(None, Some(2)), Instant::now());
        let shop = principal("shop");
        let (one, _other) = (quotas.admit(&shop, None, now).unwrap(), quotas.admit(&shop, None, now).unwrap());
        assert_eq!(quotas.admit(&shop, None, now).unwrap_err(), Exceeded::Concurrent { limit: 2 });
        drop(one);
        assert!(quotas.admit(&shop, None, now).is_ok());
    }

    #[test]
    fn who_is_no_principal_counts_by_address() {
        let (quotas, now, nobody) = (quotas(Some(3), None), Instant::now(), Caller::anonymous());
        assert_eq!(let_in(&quotas, &nobody, address("10.0.0.1"), 10, now), 3);
        assert_eq!(let_in(&quotas, &nobody, address("::ffff:10.0.0.1"), 10, now), 0, "it is the same");
        assert_eq!(let_in(&quotas, &nobody, address("10.0.0.2"), 10, now), 3);
        assert_eq!(let_in(&quotas, &nobody, address("2001:db8::1"), 10, now), 3);
        assert_eq!(let_in(&quotas, &nobody, address("2001:db8::ffff:2"), 10, now), 0, "it is of the same network");
        assert_eq!(let_in(&quotas, &nobody, address("2001:db8:0:1::1"), 10, now), 3);
        assert_eq!(let_in(&quotas, &principal("10.0.0.1"), address("10.0.0.1"), 10, now), 3, "a name is no address");
        assert_eq!(let_in(&quotas, &Caller::Daemon, address("10.0.0.1"), 10, now), 10);
    }

    #[test]
    fn who_is_idle_is_forgotten_and_memory_is_bounded() {
        let (quotas, began) = (quotas(Some(1), None), Instant::now());
        let accounts = || quotas.ledger().accounts.len();
        for number in 0..100_000_u64 {
            let now = began + number as u32 * (SECOND / 1_000);
            assert!(quotas.admit(&principal(&number.to_string()), None, now).is_ok(), "nobody else pays for it");
            assert!(accounts() <= 2 * ACCOUNTS, "{}", accounts());
        }
        let now = began + 200 * SECOND;
        let kept: Vec<Admitted> =
            (0..2 * ACCOUNTS_MAX).filter_map(|n| quotas.admit(&principal(&format!("a{n}")), None, now).ok()).collect();
        assert!(accounts() <= ACCOUNTS_MAX + 1, "{}", accounts());
        // Those who found no account of their own shared one, in which there is a request a second.
        assert!(kept.len() <= ACCOUNTS_MAX + 1, "{}", kept.len());
    }

    #[test]
    fn limits_change_while_requests_run() {
        let (quotas, now, shop) = (quotas(None, None), Instant::now(), principal("shop"));
        let uncounted = quotas.admit(&shop, None, now).unwrap();
        quotas.change(PrincipalLimits { requests_per_second: None, concurrent: Some(1) });
        let counted = quotas.admit(&shop, None, now).unwrap();
        assert!(counted.is_counted() && !uncounted.is_counted());
        drop(uncounted);
        assert!(quotas.admit(&shop, None, now).is_err());
        quotas.change(PrincipalLimits::default());
        assert_eq!(let_in(&quotas, &shop, None, 100, now), 100);
        drop(counted);
        quotas.change(PrincipalLimits { requests_per_second: None, concurrent: Some(1) });
        assert!(quotas.admit(&shop, None, now).is_ok());
    }
}
