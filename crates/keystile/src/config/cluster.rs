//! Settings of a node that serves beside others.

use std::time::Duration;

use keystile_engine::ClusterSettings;
use keystile_store::Location;

use super::Settings;
use crate::failure::Failure;

/// Shorter ones are lost whenever a database takes a breath; longer ones make a change wait for too long.
const LEASES: std::ops::RangeInclusive<u64> = 1..=30;

impl Settings {
    /// How it serves beside others; `None` if it serves alone.
    pub(crate) fn cluster(&self) -> Result<Option<ClusterSettings>, Failure> {
        if !self.cluster.unwrap_or(false) {
            return self.refuse_rates_alone().map(|()| None);
        }
        if let Location::Sqlite(_) = self.location()? {
            return Err(Failure::new(
                "--cluster (KEYSTILE_CLUSTER) needs PostgreSQL, which nodes share: give --database-url",
            ));
        }
        let lease = self.cluster_lease_seconds.map_or(ClusterSettings::USUAL_LEASE, Duration::from_secs);
        if !LEASES.contains(&lease.as_secs()) {
            return Err(Failure::new(
                "--cluster-lease-seconds (KEYSTILE_CLUSTER_LEASE_SECONDS) must be 1 to 30",
            ));
        }
        let name = self.node_name.clone().unwrap_or_else(host_name);
        let (address, rates) = (self.listen().to_string(), self.shared_rates()?);
        Ok(Some(ClusterSettings { name, address, lease, rates }))
    }
}

fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shared(more: &str) -> Settings {
        let text = format!("database_url = \"postgres://ks@db/ks\"\ncluster = true\n{more}");
        toml::from_str(&text).unwrap()
    }

    #[test]
    fn a_server_is_a_node_only_when_it_is_told_to_be_one() {
        assert!(Settings::default().cluster().unwrap().is_none());
        let usual = shared("").cluster().unwrap().unwrap();
        assert_eq!((usual.lease, usual.address.as_str()), (Duration::from_secs(3), "127.0.0.1:7878"));
        assert!(!usual.name.is_empty());
        let given = shared("node_name = \"a\"\ncluster_lease_seconds = 30\n").cluster().unwrap().unwrap();
        assert_eq!((given.lease, given.name.as_str()), (Duration::from_secs(30), "a"));
    }

    #[test]
    fn nodes_need_a_database_that_they_can_share_and_a_lease_of_seconds() {
        let on_sqlite = Settings { cluster: Some(true), ..Settings::default() };
        assert!(on_sqlite.cluster().is_err());
        for seconds in [0, 31] {
            assert!(shared(&format!("cluster_lease_seconds = {seconds}\n")).cluster().is_err(), "{seconds}");
        }
    }
}
