//! A record as one line of JSON: what `consume -o json` writes, `produce --json` reads.
//!
//! Text is written as text. Bytes that are no UTF-8 go into `keyBase64` and `valueBase64`, so nothing is lost on the way.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sdm_kafka::{Header, ReceivedRecord, Record};
use serde::{Deserialize, Serialize};

/// A record as JSON.
#[derive(Serialize, Deserialize, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JsonRecord {
    /// Topic; ignored when read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// Partition; ignored when read, as another topic may have others (`--partition` sets it).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<i32>,
    /// Offset; ignored when read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<i64>,
    /// RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<jiff::Timestamp>,
    /// Key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Key that is no text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_base64: Option<String>,
    /// Value; absent or null is a tombstone.
    #[serde(default)]
    pub value: Option<String>,
    /// Value that is no text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_base64: Option<String>,
    /// Headers in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<JsonHeader>,
}

/// A header as JSON.
#[derive(Serialize, Deserialize, Debug, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JsonHeader {
    /// Name.
    pub key: String,
    /// Value.
    #[serde(default)]
    pub value: Option<String>,
    /// Value that is no text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_base64: Option<String>,
}

/// Bytes as text or, failing that, as Base64.
fn written(bytes: Option<&[u8]>) -> (Option<String>, Option<String>) {
    match bytes.map(|b| (std::str::from_utf8(b), b)) {
        None => (None, None),
        Some((Ok(text), _)) => (Some(text.to_owned()), None),
        Some((Err(_), bytes)) => (None, Some(STANDARD.encode(bytes))),
    }
}

fn read(text: Option<String>, base64: Option<String>) -> Result<Option<Vec<u8>>, String> {
    match (text, base64) {
        (Some(_), Some(_)) => Err("text and Base64 exclude each other".to_owned()),
        (Some(text), None) => Ok(Some(text.into_bytes())),
        (None, Some(coded)) => STANDARD
            .decode(coded)
            .map(Some)
            .map_err(|e| format!("not Base64: {e}")),
        (None, None) => Ok(None),
    }
}

impl From<&ReceivedRecord> for JsonRecord {
    fn from(record: &ReceivedRecord) -> Self {
        let (key, key_base64) = written(record.key.as_deref());
        let (value, value_base64) = written(record.value.as_deref());
        let headers = record.headers.iter().map(|header| {
            let (value, value_base64) = written(header.value.as_deref());
            JsonHeader {
                key: header.key.clone(),
                value,
                value_base64,
            }
        });
        Self {
            topic: Some(record.topic.to_string()),
            partition: Some(record.partition),
            offset: Some(record.offset),
            timestamp: jiff::Timestamp::from_millisecond(record.timestamp_ms).ok(),
            key,
            key_base64,
            value,
            value_base64,
            headers: headers.collect(),
        }
    }
}

impl TryFrom<JsonRecord> for Record {
    type Error = String;

    fn try_from(json: JsonRecord) -> Result<Self, String> {
        let headers = json.headers.into_iter().map(|header| {
            Ok(Header {
                key: header.key,
                value: read(header.value, header.value_base64)?.map(Into::into),
            })
        });
        Ok(Self {
            key: read(json.key, json.key_base64)?.map(Into::into),
            value: read(json.value, json.value_base64)?.map(Into::into),
            headers: headers.collect::<Result<_, String>>()?,
            timestamp_ms: json.timestamp.map(jiff::Timestamp::as_millisecond),
            partition: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_survives_the_way_through_json() {
        let received = ReceivedRecord {
            topic: "t".into(),
            partition: 2,
            offset: 7,
            timestamp_ms: 1_700_000_000_123,
            key: Some(vec![0xff, 0x00].into()),
            value: Some("grüße\n".into()),
            headers: vec![Header {
                key: "h".to_owned(),
                value: None,
            }],
        };
        let line = serde_json::to_string(&JsonRecord::from(&received)).unwrap();
        assert!(!line.contains('\n'), "{line}");
        let back: Record = serde_json::from_str::<JsonRecord>(&line)
            .unwrap()
            .try_into()
            .unwrap();
        assert_eq!(
            (back.key, back.value, back.headers),
            (received.key, received.value, received.headers)
        );
        assert_eq!(back.timestamp_ms, Some(1_700_000_000_123));
    }

    #[test]
    fn what_is_no_record_is_refused() {
        assert!(serde_json::from_str::<JsonRecord>(r#"{"vlaue": "x"}"#).is_err());
        let both = JsonRecord {
            key: Some("a".to_owned()),
            key_base64: Some("YQ==".to_owned()),
            ..Default::default()
        };
        assert!(Record::try_from(both).is_err());
    }
}
