//! How often one caller may ask: the generic cell rate algorithm of ATM networks, in `governor`.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServiceRequest;
use actix_web::http::header::{HeaderMap, HeaderName};
use governor::clock::{Clock, DefaultClock};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};

use super::args::SecurityArgs;

/// Added before the fraction is cut off, to round up.
const ALMOST_A_SECOND: Duration = Duration::from_nanos(999_999_999);

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Who a request counts for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Caller {
    /// The name of a key.
    Named(Arc<str>),
    /// An IPv4 address, or the first 64 bits of an IPv6 address: one customer has all that follow.
    Address(IpAddr),
}

impl Caller {
    /// The caller by address; none if a connection has no address.
    pub(crate) fn by_address(request: &ServiceRequest, trust_forwarded_for: bool) -> Option<Self> {
        let forwarded = if trust_forwarded_for { last_forwarded(request.headers()) } else { None };
        let address = forwarded.or_else(|| request.peer_addr().map(|peer| peer.ip()))?;
        Some(Self::Address(network(address)))
    }
}

/// The last address of the last `X-Forwarded-For`, which the nearest proxy wrote.
fn last_forwarded(headers: &HeaderMap) -> Option<IpAddr> {
    let last = headers.get_all(&FORWARDED_FOR).last()?.to_str().ok()?.rsplit(',').next()?.trim();
    // Some balancers add the port.
    let with_port = || last.parse::<std::net::SocketAddr>().ok().map(|address| address.ip());
    last.parse().ok().or_else(with_port)
}

fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        address @ IpAddr::V4(_) => address,
    }
}

/// The rates of all callers.
#[derive(Debug)]
pub(crate) struct RateLimit<C: Clock = DefaultClock> {
    rates: RateLimiter<Caller, DashMapStateStore<Caller>, C, NoOpMiddleware<C::Instant>>,
    clock: C,
}

impl RateLimit {
    /// What the flags ask for; none without a rate.
    pub(crate) fn of(args: &SecurityArgs) -> Option<Self> {
        let rate = args.rate_limit?;
        Some(Self::new(rate, args.rate_burst.unwrap_or(rate), DefaultClock::default()))
    }
}

impl<C: Clock + Clone> RateLimit<C> {
    fn new(rate: NonZeroU32, burst: NonZeroU32, clock: C) -> Self {
        let quota = Quota::per_second(rate).allow_burst(burst);
        Self { rates: RateLimiter::dashmap_with_clock(quota, clock.clone()), clock }
    }

    /// Counts a request.
    ///
    /// # Errors
    ///
    /// If it is one too many: whole seconds, at least 1, after which the next one is let in.
    pub(crate) fn count(&self, caller: &Caller) -> Result<(), u64> {
        self.rates.check_key(caller).map_err(|early| {
            let wait = early.wait_time_from(self.clock.now());
            (wait + ALMOST_A_SECOND).as_secs().max(1)
        })
    }

    /// Forgets callers that have been quiet for long enough to have their burst again, so that
    /// memory is bounded by those who asked in that time.
    pub(crate) fn forget_quiet(&self) {
        self.rates.retain_recent();
        self.rates.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;
    use actix_web::test::TestRequest;
    use governor::clock::FakeRelativeClock;

    use super::*;

    fn limit(rate: u32, burst: u32) -> (RateLimit<FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        let [rate, burst] = [rate, burst].map(|n| NonZeroU32::new(n).unwrap());
        (RateLimit::new(rate, burst, clock.clone()), clock)
    }

    fn v4(n: u32) -> Caller {
        Caller::Address(IpAddr::V4(n.into()))
    }

    #[test]
    fn a_burst_is_let_in_then_the_rate() {
        let (limit, clock) = limit(2, 3);
        for _ in 0..3 {
            assert_eq!(limit.count(&v4(1)), Ok(()));
        }
        // The next is due in half a second, which is said as 1.
        assert_eq!(limit.count(&v4(1)), Err(1));
        assert_eq!(limit.count(&v4(2)), Ok(()), "callers count apart");
        assert_eq!(limit.count(&Caller::Named("shop".into())), Ok(()));
        clock.advance(Duration::from_millis(499));
        assert_eq!(limit.count(&v4(1)), Err(1));
        clock.advance(Duration::from_millis(1));
        assert_eq!(limit.count(&v4(1)), Ok(()));
        assert_eq!(limit.count(&v4(1)), Err(1));
    }

    #[test]
    fn a_million_addresses_are_forgotten() {
        let (limit, clock) = limit(1, 2);
        for n in 0..1_000_000 {
            assert_eq!(limit.count(&v4(n)), Ok(()));
        }
        assert_eq!(limit.rates.len(), 1_000_000);
        // governor forgets one interval later than it could.
        clock.advance(Duration::from_millis(2_500));
        assert_eq!(limit.count(&v4(7)), Ok(()));
        limit.forget_quiet();
        assert_eq!(limit.rates.len(), 1);
        // What is known of those who stay is kept.
        assert_eq!(limit.count(&v4(7)), Ok(()));
        assert_eq!(limit.count(&v4(7)), Err(1));
    }

    #[test]
    fn the_caller_is_the_peer_unless_a_proxy_is_trusted() {
        let caller = |forwarded: &[&str], trust| {
            let mut request = TestRequest::default().peer_addr("10.0.0.1:80".parse().unwrap());
            for value in forwarded {
                request = request.append_header((FORWARDED_FOR, *value));
            }
            match Caller::by_address(&request.to_srv_request(), trust) {
                Some(Caller::Address(address)) => address.to_string(),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(caller(&["1.2.3.4"], false), "10.0.0.1");
        for (forwarded, address) in [
            (&["1.2.3.4"][..], "1.2.3.4"),
            (&["6.6.6.6, 1.2.3.4"], "1.2.3.4"),
            (&["6.6.6.6", "7.7.7.7,1.2.3.4:5678"], "1.2.3.4"),
            (&["::ffff:1.2.3.4"], "1.2.3.4"),
            (&["2001:db8:1:2:3:4:5:6"], "2001:db8:1:2::"),
            (&["[2001:db8:1:2:9::1]:443"], "2001:db8:1:2::"),
            (&["unknown"], "10.0.0.1"),
            (&[""], "10.0.0.1"),
            (&[], "10.0.0.1"),
        ] {
            assert_eq!(caller(forwarded, true), address, "{forwarded:?}");
        }
        assert!(Caller::by_address(&TestRequest::default().to_srv_request(), true).is_none());
        let mut odd = HeaderMap::new();
        odd.insert(FORWARDED_FOR, HeaderValue::from_bytes(b"\xff").unwrap());
        assert_eq!(last_forwarded(&odd), None);
    }
}
