//! Topics that were there and that a broker does not know of: gone, or is the broker behind?

use std::collections::HashSet;

use sdm_kafka::{Client, KafkaError, NewTopic};

/// Which of these topics exist although a broker does not know of them. A broker hears of topics from the active
/// controller, after a while; whether one may be created is that controller's own to say.
pub(super) async fn lagging(
    client: &Client,
    missing: &[&str],
) -> Result<HashSet<String>, KafkaError> {
    if missing.is_empty() {
        return Ok(HashSet::new());
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
        .map(|(name, _)| name)
        .collect())
}
