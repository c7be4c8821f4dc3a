//! Topics that were there and that a broker does not know of: gone, or is the broker behind?

use sdm_kafka::{Client, ItemError, KafkaError, NewTopic};

/// Which of these topics exist although a broker does not know of them, with what to say of each. A broker hears of
/// topics from the active controller, after a while; whether it may be created is that controller's own to say.
pub(super) async fn lagging(
    client: &Client,
    missing: &[&str],
) -> Result<Vec<(String, ItemError)>, KafkaError> {
    if missing.is_empty() {
        return Ok(Vec::new());
    }
    let again: Vec<NewTopic> = missing
        .iter()
        .map(|name| NewTopic {
            name: (*name).to_owned(),
            partitions: Some(1),
            replication_factor: Some(1),
            ..NewTopic::default()
        })
        .collect();
    let verdicts = client.create_topics(&again, true).await?;
    Ok(verdicts
        .into_iter()
        .filter(|(_, verdict)| {
            let error = verdict.as_ref().err();
            error.is_some_and(|error| error.name == "TOPIC_ALREADY_EXISTS")
        })
        .map(|(name, _)| (name, behind()))
        .collect())
}

fn behind() -> ItemError {
    ItemError {
        code: 3,
        name: "UNKNOWN_TOPIC_OR_PARTITION",
        message: Some("the broker that was asked has yet to hear of it: it is behind the active controller, which knows it".to_owned()),
    }
}
