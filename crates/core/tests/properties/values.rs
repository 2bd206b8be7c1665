//! Moments, ids, addresses, money and digests: one thing has one text.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use keystile_core::{
    AllowedIps, ApplicationId, AuditId, CustomerId, Digest, KeyId, NanoUsd, PersonId, TenantId, Timestamp,
};
use proptest::prelude::*;

fn moment() -> impl Strategy<Value = Timestamp> {
    prop_oneof![any::<i64>(), -10_000_000_000_000_i64..10_000_000_000_000].prop_map(Timestamp::from_millis)
}

fn amount() -> impl Strategy<Value = NanoUsd> {
    (0_i64..=4_000_000_000_000_000).prop_map(NanoUsd::from_nanos)
}

proptest! {
    #[test]
    fn a_moment_is_read_back_from_its_text(moment in moment()) {
        let text = moment.to_string();
        prop_assert_eq!(text.parse::<Timestamp>().unwrap(), moment);
        prop_assert_eq!(text.len(), "2026-01-31T09:30:00.000Z".len());
        let json = serde_json::to_string(&moment).unwrap();
        prop_assert_eq!(serde_json::from_str::<Timestamp>(&json).unwrap(), moment);
    }

    #[test]
    fn texts_of_moments_sort_as_the_moments_do(one in moment(), other in moment()) {
        prop_assert_eq!(one.to_string().cmp(&other.to_string()), one.cmp(&other));
    }

    #[test]
    fn adding_and_taking_away_never_leaves_the_calendar(moment in moment(), by: Duration) {
        prop_assert!(moment.plus(by) >= moment && moment.minus(by) <= moment);
        prop_assert_eq!(moment.plus(by).to_string().parse::<Timestamp>().unwrap(), moment.plus(by));
    }

    #[test]
    fn the_minute_of_a_moment_has_begun_and_is_not_over(moment in moment()) {
        let begun = moment.to_minute().as_millis();
        prop_assert_eq!(begun % 60_000, 0);
        prop_assert!((0..60_000).contains(&(moment.as_millis() - begun)));
        prop_assert!((0..1000).contains(&(moment.as_millis() - moment.as_seconds() * 1000)));
    }

    #[test]
    fn any_text_is_a_moment_or_refused(text in prop_oneof![".*", "[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-9:.]{5,12}Z"]) {
        if let Ok(moment) = text.parse::<Timestamp>() {
            prop_assert_eq!(moment.to_string().parse::<Timestamp>().unwrap(), moment);
        }
    }
}

macro_rules! id_laws {
    ($($test:ident: $id:ident),+ $(,)?) => { proptest! { $(
        #[test]
        fn $test(at in moment(), random: u128, at_byte: proptest::sample::Index, typed in "[ -~]") {
            let id = $id::from_parts(at, random);
            let text = id.to_string();
            prop_assert_eq!(text.parse::<$id>().unwrap(), id);
            prop_assert_eq!(text.len(), $id::PREFIX.len() + 26);
            let at_byte = at_byte.index(text.len());
            let changed = format!("{}{typed}{}", &text[..at_byte], &text[at_byte + 1..]);
            if let Ok(other) = changed.parse::<$id>() {
                prop_assert_eq!(other.to_string(), changed, "only the canonical form is an id");
            }
        }
    )+ } };
}

id_laws!(
    a_tenant_id_has_one_text: TenantId,
    a_person_id_has_one_text: PersonId,
    an_application_id_has_one_text: ApplicationId,
    a_customer_id_has_one_text: CustomerId,
    a_key_id_has_one_text: KeyId,
    an_audit_id_has_one_text: AuditId,
);

proptest! {
    #[test]
    fn an_id_of_one_type_is_never_another(at in moment(), random: u128) {
        let text = KeyId::from_parts(at, random).to_string();
        prop_assert!(text.parse::<TenantId>().is_err() && text.parse::<PersonId>().is_err());
        prop_assert!(text.parse::<ApplicationId>().is_err() && text.parse::<CustomerId>().is_err());
        prop_assert!(text.parse::<AuditId>().is_err());
    }

    #[test]
    fn a_network_allows_exactly_the_addresses_that_share_its_bits(
        network: Ipv4Addr,
        bits in 0_u32..=32,
        near in 0_u32..=32,
        noise: u32,
    ) {
        let list = AllowedIps::parse(&[format!("{network}/{bits}")]).unwrap();
        let noise = noise.checked_shr(near).unwrap_or(0);
        let address = Ipv4Addr::from_bits(network.to_bits() ^ noise);
        let differing = network.to_bits() ^ address.to_bits();
        let inside = differing.checked_shr(32 - bits).unwrap_or(0) == 0;
        prop_assert_eq!(list.allow(Some(IpAddr::V4(address))), inside);
        prop_assert_eq!(list.allow(Some(IpAddr::V6(address.to_ipv6_mapped()))), inside);
        prop_assert!(!list.allow(None));
        let mapped = format!("{}/{}", network.to_ipv6_mapped(), bits + 96);
        prop_assert_eq!(AllowedIps::parse(&[mapped]).unwrap(), list);
    }

    #[test]
    fn a_single_address_allows_itself_only(own: Ipv6Addr, other: Ipv6Addr) {
        let list = AllowedIps::parse(&[own.to_string()]).unwrap();
        prop_assert!(list.allow(Some(IpAddr::V6(own))));
        prop_assert_eq!(list.allow(Some(IpAddr::V6(other))), other == own);
    }

    #[test]
    fn a_list_is_read_back_from_its_text(networks: Vec<(IpAddr, u8)>) {
        let texts = networks.iter().map(|(ip, bits)| match ip {
            IpAddr::V4(ip) => format!("{ip}/{}", bits % 33),
            IpAddr::V6(ip) => format!("{ip}/{}", bits % 129),
        });
        if let Ok(list) = AllowedIps::parse(&texts.collect::<Vec<_>>()) {
            let again = AllowedIps::parse(&list.iter().collect::<Vec<_>>()).unwrap();
            prop_assert_eq!(again, list);
        } else {
            prop_assert!(networks.len() > AllowedIps::MAX);
        }
    }

    #[test]
    fn money_is_exact_through_dollars_and_through_json(amount in amount()) {
        prop_assert_eq!(NanoUsd::from_dollars(amount.to_dollars()).unwrap(), amount);
        let json = serde_json::to_string(&amount.to_dollars()).unwrap();
        let read = serde_json::from_str::<f64>(&json).unwrap();
        prop_assert_eq!(NanoUsd::from_dollars(read).unwrap(), amount);
    }

    #[test]
    fn more_dollars_are_never_fewer_nanos(one in 0.0..4_000_000.0_f64, other in 0.0..4_000_000.0_f64) {
        let (less, more) = if one <= other { (one, other) } else { (other, one) };
        prop_assert!(NanoUsd::from_dollars(less).unwrap() <= NanoUsd::from_dollars(more).unwrap());
    }

    #[test]
    fn money_prints_all_its_nanos(nanos: i64) {
        let text = NanoUsd::from_nanos(nanos).to_string();
        let digits = text.replace(['$', '.'], "");
        prop_assert_eq!(digits.parse::<i64>().unwrap(), nanos);
    }

    #[test]
    fn a_digest_is_read_back_from_its_text(bytes: [u8; 32]) {
        let digest = Digest::from_bytes(bytes);
        prop_assert_eq!(digest.to_hex().parse::<Digest>().unwrap(), digest);
        prop_assert_eq!(digest.as_bytes(), &bytes);
    }
}
