//! From where a key was used lately, which tells what would miss it.

use keystile_core::ApiKey;
use keystile_core::key::KeyAddress;
use keystile_manage::{Caller, History};

use keystile_web::App;
use keystile_web::api::Answer;

/// The addresses from which a key was used in the last [`KeyAddress::DAYS`] days, the last seen first.
#[derive(Default)]
pub(super) struct UsedFrom {
    pub(super) addresses: Vec<KeyAddress>,
}

/// Reads them; not the key again.
pub(super) async fn used_from(app: &App, caller: &Caller, key: &ApiKey) -> Answer<UsedFrom> {
    Ok(UsedFrom { addresses: app.control.key_addresses(History::of(caller, key)?).await? })
}

impl UsedFrom {
    /// How many addresses these are, when there is more than one. Of more than are kept nobody knows how many there were.
    pub(super) fn several(&self) -> Option<String> {
        match self.addresses.len() {
            0 | 1 => None,
            KeyAddress::MAX => Some(format!("{} addresses or more", KeyAddress::MAX)),
            count => Some(format!("{count} addresses")),
        }
    }
}

#[cfg(test)]
mod tests {
    use keystile_core::Timestamp;

    use super::*;

    #[test]
    fn addresses_are_counted_when_there_are_several() {
        let told = |count: u8| {
            let (first_seen_at, last_seen_at) = (Timestamp::from_millis(1), Timestamp::from_millis(2));
            let address = |last| KeyAddress { ip: [192, 0, 2, last].into(), first_seen_at, last_seen_at };
            UsedFrom { addresses: (0..count).map(address).collect() }.several()
        };
        assert_eq!([told(0), told(1)], [None, None]);
        assert_eq!(told(2).as_deref(), Some("2 addresses"));
        assert_eq!(told(31).as_deref(), Some("31 addresses"));
        assert_eq!(told(32).as_deref(), Some("32 addresses or more"));
    }
}
