//! What is known of an entity does not depend on the order in which its events are heard.

use std::collections::BTreeMap;

use keystile_core::event::entity::{FIELDS_MAX, said};
use keystile_core::event::{Entity, EntityName, Overwriting, Saying};
use keystile_core::{Timestamp, TrustLevel};
use proptest::prelude::*;
use serde_json::value::RawValue;

/// Who says what.
type Told = (Saying, BTreeMap<String, u8>);

fn saying() -> impl Strategy<Value = Saying> {
    let trust_level = proptest::sample::select(TrustLevel::ALL);
    // Few of each, so that they meet.
    (0_i64..6, trust_level, "[ab]").prop_map(|(at, trust_level, source_id)| Saying {
        at: Timestamp::from_millis(at),
        trust_level,
        source_id,
    })
}

fn events() -> impl Strategy<Value = Vec<Told>> {
    let fields = proptest::collection::btree_map("[a-d]", 0_u8..3, 0..4);
    proptest::collection::vec((saying(), fields), 1..12)
}

/// Events that name more fields than are kept.
fn many_fields() -> impl Strategy<Value = Vec<Told>> {
    let fields = proptest::collection::btree_map("f[0-9]{2}", 0_u8..3, 0..40);
    proptest::collection::vec((saying(), fields), 1..8)
}

fn heard(events: &[Told], rule: Overwriting) -> Entity {
    let mut entity = Entity::unheard(events[0].0.clone());
    for (by, fields) in events {
        let data = RawValue::from_string(serde_json::to_string(fields).unwrap()).unwrap();
        entity.hear(by, &said(&data).unwrap(), rule);
    }
    entity
}

fn shown(entity: &Entity) -> String {
    let fields = serde_json::to_string(&entity.fields).unwrap();
    format!("{fields} {:?} {} {} {:?}", entity.latest, entity.first_seen, entity.count, entity.last_writer())
}

/// The model: of all sayings about a field the greatest wins.
fn model(events: &[Told], rule: Overwriting) -> BTreeMap<String, (u8, Saying)> {
    let rank = |value: u8, by: &Saying| {
        let trust = TrustLevel::ALL.iter().position(|level| *level == by.trust_level).unwrap();
        let (trust, at) = (i64::try_from(trust).unwrap(), by.at.as_millis());
        let first = match rule {
            Overwriting::ByTrust => (trust, at),
            Overwriting::ByTime => (at, trust),
        };
        (first, by.source_id.clone(), value)
    };
    let mut fields = BTreeMap::<String, (u8, Saying)>::new();
    for (by, said) in events {
        for (name, value) in said {
            let known = fields.get(name);
            if known.is_none_or(|(known, before)| rank(*value, by) > rank(*known, before)) {
                fields.insert(name.clone(), (*value, by.clone()));
            }
        }
    }
    fields
}

fn rules() -> impl Strategy<Value = Overwriting> {
    prop_oneof![Just(Overwriting::ByTrust), Just(Overwriting::ByTime)]
}

fn shuffled(events: impl Strategy<Value = Vec<Told>>) -> impl Strategy<Value = (Vec<Told>, Vec<Told>)> {
    events.prop_flat_map(|events| (Just(events.clone()), Just(events).prop_shuffle()))
}

proptest! {
    #[test]
    fn any_order_gives_the_same_entity((events, others) in shuffled(events()), rule in rules()) {
        prop_assert_eq!(shown(&heard(&events, rule)), shown(&heard(&others, rule)));
    }

    #[test]
    fn any_order_keeps_the_same_fields((events, others) in shuffled(many_fields()), rule in rules()) {
        let (one, other) = (heard(&events, rule), heard(&others, rule));
        prop_assert!(one.fields.len() <= FIELDS_MAX);
        prop_assert_eq!(shown(&one), shown(&other));
    }

    #[test]
    fn any_text_names_an_entity_or_is_refused(text in prop_oneof![".*", "[!-~]{1,70}/[!-~]{1,210}"]) {
        if let Ok(name) = EntityName::parse(&text) {
            prop_assert_eq!(name.to_string(), text);
            prop_assert!(!name.entity_type.contains('/'));
            prop_assert_eq!(EntityName::new(name.entity_type.clone(), name.entity_id.clone()), Ok(name));
        }
    }

    #[test]
    fn an_entity_is_what_the_model_says(events in events(), rule in rules()) {
        let entity = heard(&events, rule);
        let expected = model(&events, rule);
        prop_assert_eq!(entity.fields.len(), expected.len());
        for (name, (value, by)) in &expected {
            let field = &entity.fields[name];
            let value = value.to_string();
            prop_assert_eq!((field.value.get(), &field.by), (value.as_str(), by));
        }
        prop_assert_eq!(entity.count, events.len() as u64);
        prop_assert_eq!(Some(entity.first_seen), events.iter().map(|(by, _)| by.at).min());
        prop_assert_eq!(Some(entity.last_seen()), events.iter().map(|(by, _)| by.at).max());
    }

    #[test]
    fn a_less_trusted_source_never_overwrites_a_more_trusted_one(events in events()) {
        let entity = heard(&events, Overwriting::ByTrust);
        for (by, said) in &events {
            for name in said.keys() {
                prop_assert!(entity.fields[name].by.trust_level >= by.trust_level);
            }
        }
    }
}
