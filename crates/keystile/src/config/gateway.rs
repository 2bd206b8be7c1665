//! Settings of the LLM gateway.

use std::time::Duration;

use keystile_proxy::{BodyBounds, GatewaySettings, Patience};

use super::Settings;

const MIB: usize = 1024 * 1024;

impl Settings {
    /// How the LLM gateway is set up.
    pub(crate) fn gateway(&self) -> GatewaySettings {
        let usual = GatewaySettings::reaching(self.upstream_reach());
        let BodyBounds { longest, longest_media, memory } = usual.bodies;
        let bodies = BodyBounds {
            longest: mib(self.gateway_body_mib, longest),
            longest_media: mib(self.gateway_media_mib, longest_media),
            memory: mib(self.gateway_body_memory_mib, memory),
        };
        let Patience { body, connect, first_byte, idle, total, drain } = usual.patience;
        let patience = Patience {
            body: seconds(self.body_timeout_seconds, body),
            connect: seconds(self.gateway_connect_seconds, connect),
            first_byte: seconds(self.gateway_first_byte_seconds, first_byte),
            idle: seconds(self.gateway_idle_seconds, idle),
            total: seconds(self.gateway_total_seconds, total),
            drain: seconds(self.gateway_drain_seconds, drain),
        };
        GatewaySettings { bodies, patience, ..usual }
    }
}

fn mib(given: Option<usize>, usual: usize) -> usize {
    given.map_or(usual, |count| count.max(1).saturating_mul(MIB))
}

fn seconds(given: Option<u64>, usual: Duration) -> Duration {
    given.map_or(usual, Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_given_is_usual() {
        let GatewaySettings { bodies, patience, .. } = Settings::default().gateway();
        assert_eq!((bodies, patience), (BodyBounds::default(), Patience::default()));
        let given =
            Settings { gateway_media_mib: Some(0), gateway_idle_seconds: Some(7), ..Settings::default() };
        let GatewaySettings { bodies, patience, .. } = given.gateway();
        assert_eq!(bodies, BodyBounds { longest_media: MIB, ..BodyBounds::default() });
        assert_eq!(patience, Patience { idle: Duration::from_secs(7), ..Patience::default() });
    }
}
