//! The flags of what keeps the service safe: keys, rates, limits, TLS.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use ::metrics::Counter;

use super::patience::Patience;

/// Who may call, how often, how much, and how slowly.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Safety")]
pub struct SecurityArgs {
    /// File with the keys that callers must show, one a line: `NAME:sha256:HEX`, where HEX is what
    /// `printf %s KEY | sha256sum` prints and KEY is random (`openssl rand -hex 32`). Lines that
    /// start with # are comments. A name may have several keys: to rotate, add the new one, move the
    /// callers, take the old one out. Read again at SIGHUP. Callers send `Authorization: Bearer KEY`
    /// or `X-Api-Key: KEY`. Without any key, everyone may call.
    #[arg(long, env = "FRAUD_API_KEYS_FILE", value_name = "FILE")]
    pub api_keys_file: Option<PathBuf>,

    /// Keys as in --api-keys-file, separated by commas; both may be given. Set the variable where a
    /// platform hands secrets over as variables; a change needs a restart.
    #[arg(long, env = "FRAUD_API_KEYS", value_name = "KEYS", hide_env_values = true)]
    pub api_keys: Option<String>,

    /// Ask for a key on /health, /health/live, /health/ready and /metrics too, which are open
    /// otherwise. Set it where strangers reach the port, and give the prober and Prometheus a key.
    #[arg(long, env = "FRAUD_API_KEYS_EVERYWHERE")]
    pub api_keys_everywhere: bool,

    /// Serve /metrics on this port of the same host instead of the main one, and /health… on both;
    /// 0 takes a free one, which the log names. It is never TLS. Set it to keep metrics inside, and
    /// probes answered while the main port is at its limits.
    #[arg(long, env = "FRAUD_API_ADMIN_PORT", value_name = "PORT")]
    pub admin_port: Option<u16>,

    /// Requests a second that one caller may make, by name of the key, or by address without keys
    /// (a network of 64 bits in IPv6). More are answered with 429 and `Retry-After`. Health and
    /// metrics do not count. No limit unless given.
    #[arg(long, env = "FRAUD_API_RATE_LIMIT", value_name = "N")]
    pub rate_limit: Option<NonZeroU32>,

    /// Requests that one caller may make at once before --rate-limit holds them back. As many as
    /// --rate-limit unless given; raise it for callers that send in bursts.
    #[arg(long, env = "FRAUD_API_RATE_BURST", value_name = "N", requires = "rate_limit")]
    pub rate_burst: Option<NonZeroU32>,

    /// Take the last address of `X-Forwarded-For` for the caller's. Set it only behind a load
    /// balancer that writes this header: elsewhere a caller could invent addresses.
    #[arg(long, env = "FRAUD_API_TRUST_FORWARDED_FOR")]
    pub trust_forwarded_for: bool,

    /// Largest body of a request with one transaction, which takes about 700 bytes. More is answered
    /// with 413.
    #[arg(long, env = "FRAUD_API_BODY_LIMIT", value_name = "BYTES", default_value_t = BODY_LIMIT)]
    pub body_limit: NonZeroUsize,

    /// Connections that each worker keeps open; more wait in the system's queue. Every one is an
    /// open file of the process, whose limit is raised as far as the system allows.
    #[arg(long, env = "FRAUD_API_MAX_CONNECTIONS", value_name = "N",
          default_value_t = MAX_CONNECTIONS)]
    pub max_connections: NonZeroUsize,

    /// Seconds in which the head of a connection's first request must be there, and a TLS handshake
    /// done. Raise it for callers on very slow networks; 0 leaves it to --min-rate.
    #[arg(long, env = "FRAUD_API_HEADER_TIMEOUT", value_name = "SECONDS",
          default_value_t = HEADER_TIMEOUT)]
    pub header_timeout: u32,

    /// Seconds in which the whole body must be there; what takes longer is answered with 408 and the
    /// connection closed.
    #[arg(long, env = "FRAUD_API_BODY_TIMEOUT", value_name = "SECONDS",
          default_value_t = BODY_TIMEOUT)]
    pub body_timeout: NonZeroU32,

    /// Bytes a second that have to pass, in either direction, once a request or an answer has taken as
    /// long as --header-timeout and --body-timeout together. Who is slower is cut off. Lower it for large
    /// batches over slow lines.
    #[arg(long, env = "FRAUD_API_MIN_RATE", value_name = "BYTES", default_value_t = MIN_RATE)]
    pub min_rate: NonZeroU32,

    /// Seconds that a connection may wait for its next request. Keep it above the idle timeout of a
    /// load balancer in front (60 s in AWS); 0 closes after every answer.
    #[arg(long, env = "FRAUD_API_KEEP_ALIVE", value_name = "SECONDS", default_value_t = KEEP_ALIVE)]
    pub keep_alive: u32,

    /// Certificate chain in PEM, the service's own certificate first: HTTPS instead of HTTP. Set it
    /// where no proxy in front does TLS. Read once, at the start.
    #[arg(long, env = "FRAUD_API_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,

    /// Private key of --tls-cert in PEM, without a passphrase.
    #[arg(long, env = "FRAUD_API_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
}

const BODY_LIMIT: NonZeroUsize = NonZeroUsize::new(64 * 1024).unwrap();
const MAX_CONNECTIONS: NonZeroUsize = NonZeroUsize::new(25_000).unwrap();
const HEADER_TIMEOUT: u32 = 5;
const BODY_TIMEOUT: NonZeroU32 = NonZeroU32::new(10).unwrap();
const KEEP_ALIVE: u32 = 75;
const MIN_RATE: NonZeroU32 = NonZeroU32::new(32 * 1024).unwrap();

impl SecurityArgs {
    pub(crate) fn header_timeout(&self) -> Duration {
        Duration::from_secs(self.header_timeout.into())
    }

    /// How long callers may take in all, for requests of up to `most` bytes.
    pub(crate) fn patience(&self, most: u64, cut: Counter) -> Patience {
        let grace = u64::from(self.header_timeout) + u64::from(self.body_timeout.get());
        let grace = Duration::from_secs(grace);
        let silence = self.keep_alive() + grace;
        Patience { grace, rate: self.min_rate.get(), silence, most, cut }
    }

    pub(crate) fn keep_alive(&self) -> Duration {
        Duration::from_secs(self.keep_alive.into())
    }
}

impl Default for SecurityArgs {
    fn default() -> Self {
        Self {
            api_keys_file: None,
            api_keys: None,
            api_keys_everywhere: false,
            admin_port: None,
            rate_limit: None,
            rate_burst: None,
            trust_forwarded_for: false,
            body_limit: BODY_LIMIT,
            max_connections: MAX_CONNECTIONS,
            header_timeout: HEADER_TIMEOUT,
            body_timeout: BODY_TIMEOUT,
            keep_alive: KEEP_ALIVE,
            min_rate: MIN_RATE,
            tls_cert: None,
            tls_key: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::{FromArgMatches as _, Parser as _};

    use super::*;
    use crate::Config;

    fn parse(args: &[&str]) -> Result<SecurityArgs, clap::Error> {
        Config::try_parse_from([&["fraud-api"], args].concat()).map(|config| config.security)
    }

    #[test]
    fn the_defaults_of_the_flags_and_of_the_type_are_one() {
        // Without the environment of whoever runs the tests.
        let command = <SecurityArgs as clap::Args>::augment_args(clap::Command::new("flags"));
        let command = command
            .mut_args(|arg| arg.env(clap::builder::Resettable::<clap::builder::OsStr>::Reset));
        let parsed = SecurityArgs::from_arg_matches(&command.get_matches_from(["flags"])).unwrap();
        assert_eq!(format!("{parsed:?}"), format!("{:?}", SecurityArgs::default()));
    }

    #[test]
    fn flags_that_need_each_other_say_so() {
        for (args, missing) in [
            (["--tls-cert", "a"], "--tls-key <FILE>"),
            (["--tls-key", "a"], "--tls-cert <FILE>"),
            (["--rate-burst", "5"], "--rate-limit <N>"),
        ] {
            let message = parse(&args).unwrap_err().to_string();
            assert!(message.contains(missing), "{message}");
        }
        for args in [["--rate-limit", "0"], ["--body-limit", "0"], ["--max-connections", "0"]] {
            assert!(parse(&args).is_err(), "{args:?}");
        }
    }
}
