//! No answer a peer can send does more than make its call fail.

mod answers;

use super::*;
use bytes::Buf;
use kafka_protocol::messages::ApiKey;
use proptest::prelude::*;

use answers::{Answer, real_answers};

#[test]
fn every_version_we_speak_is_flexible_and_known_to_the_codec() {
    for ApiRange { key, min, max } in ranges() {
        let api = ApiKey::try_from(key).unwrap();
        assert!(
            api.valid_versions().min <= min && max <= api.valid_versions().max,
            "{api:?}"
        );
        let none_is_flexible = api.request_header_version(i16::MAX) < 2;
        assert!(
            api.request_header_version(min) == 2 || none_is_flexible,
            "{api:?} {min} is not flexible"
        );
    }
}

#[test]
fn the_highest_common_version_is_chosen_or_the_gap_is_named() {
    let offer = |min, max| vec![ApiRange { key: 3, min, max }];
    assert_eq!(negotiate::<m::MetadataRequest>(&offer(0, 11)), Ok(11));
    assert_eq!(negotiate::<m::MetadataRequest>(&offer(0, 40)), Ok(13));
    assert!(
        negotiate::<m::MetadataRequest>(&offer(0, 8))
            .unwrap_err()
            .contains("offers 0 to 8")
    );
    assert!(negotiate::<m::MetadataRequest>(&offer(14, 15)).is_err());
    assert!(
        negotiate::<m::MetadataRequest>(&[])
            .unwrap_err()
            .contains("does not offer Metadata")
    );
}

pub(super) fn decode_any<R: Rpc>(bytes: &[u8]) {
    for version in R::MIN..=R::MAX {
        let _ = decode::<R>(Bytes::copy_from_slice(bytes), version);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// A peer that sends anything at all can make a call fail, and nothing else: no panic, no huge reservation
    /// (which would abort this test).
    #[test]
    fn no_answer_is_too_hostile(bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(0xff), Just(0x80), Just(0), Just(1)], 0..400)) {
        decode_all(&bytes);
    }

    /// The same, starting from real answers, so that the damage sits deep inside.
    #[test]
    fn nor_is_a_damaged_one(edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6), cut in any::<prop::sample::Index>()) {
        for Answer { bytes, decode, .. } in real_answers() {
            let mut bytes = bytes.to_vec();
            for (at, byte) in &edits {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            decode(&bytes);
            bytes.truncate(cut.index(bytes.len()));
            decode(&bytes);
        }
    }
}

#[test]
fn real_answers_pass_the_guard() {
    let have: std::collections::BTreeSet<i16> = real_answers().iter().map(|a| a.key).collect();
    for range in ranges() {
        // Fetched records have a reader of their own, with its own tests.
        assert!(
            have.contains(&range.key) || range.key == m::FetchRequest::KEY,
            "no answer of {:?}",
            ApiKey::try_from(range.key)
        );
    }
}

#[test]
fn a_frame_carries_its_length_and_header() {
    let mut frame = encode(&m::ApiVersionsRequest::default(), 3, 7, "me").unwrap();
    assert_eq!(frame.get_i32() as usize, frame.len());
    assert_eq!(
        (frame.get_i16(), frame.get_i16(), frame.get_i32()),
        (18, 3, 7)
    );
}
