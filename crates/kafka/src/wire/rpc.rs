//! The calls this client can make, and how one is written and its answer read.
//!
//! Owns the table of APIs with the versions we speak, request encoding, and guarded answer decoding. Only *flexible*
//! versions (KIP-482) are spoken: every broker since Kafka 2.8 offers them, and only their lengths can be guarded. The
//! two calls that have none are read by hand (`plain.rs`).

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages as m;
use kafka_protocol::messages::{RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, StrBytes};

use crate::model::ApiRange;
use crate::wire::guard::Guard;
use crate::wire::plain;

/// A request of Kafka's protocol, with the versions of it that this client speaks.
///
/// Implemented for the codec's request types; the way to reach a call that has no method of its own yet.
pub trait Rpc: Encodable + HeaderVersion + Send + Sync {
    /// Kafka's API key.
    const KEY: i16;
    /// Kafka's name of the API.
    const NAME: &'static str;
    /// Lowest version spoken: a flexible one.
    const MIN: i16;
    /// Highest version spoken.
    const MAX: i16;
    /// The answer.
    type Response: Decodable + HeaderVersion + Send;

    /// Reads an answer's body.
    #[doc(hidden)]
    fn read(body: Bytes, version: i16) -> Result<Self::Response, String> {
        Self::Response::decode(&mut Guard::new(body), version).map_err(|e| e.to_string())
    }
}

macro_rules! rpcs {
    ($($name:ident($request:ident, $response:ident) = $key:literal, $min:literal ..= $max:literal $(, read by $read:path)?;)*) => {
        $(impl Rpc for m::$request {
            const KEY: i16 = $key;
            const NAME: &'static str = stringify!($name);
            const MIN: i16 = $min;
            const MAX: i16 = $max;
            type Response = m::$response;
            $(fn read(body: Bytes, _: i16) -> Result<Self::Response, String> {
                $read(body).map_err(|e| e.to_string())
            })?
        })*

        /// Every call with its versions.
        #[cfg(any(test, feature = "testing"))]
        pub(crate) fn ranges() -> Vec<ApiRange> {
            vec![$(ApiRange { key: $key, min: $min, max: $max }),*]
        }

        /// Reads `bytes` as the answer of every call in every version.
        #[cfg(test)]
        fn decode_all(bytes: &[u8]) {
            $(tests::decode_any::<m::$request>(bytes);)*
        }
    };
}

rpcs! {
    // Produce 13 and Fetch 13 name topics by id only; names are what callers of this crate have.
    Produce(ProduceRequest, ProduceResponse) = 0, 9..=12;
    Fetch(FetchRequest, FetchResponse) = 1, 12..=12;
    ListOffsets(ListOffsetsRequest, ListOffsetsResponse) = 2, 6..=10;
    Metadata(MetadataRequest, MetadataResponse) = 3, 9..=13;
    // Later versions of these two name topics by id only.
    OffsetCommit(OffsetCommitRequest, OffsetCommitResponse) = 8, 8..=9;
    OffsetFetch(OffsetFetchRequest, OffsetFetchResponse) = 9, 8..=9;
    FindCoordinator(FindCoordinatorRequest, FindCoordinatorResponse) = 10, 4..=6;
    DescribeGroups(DescribeGroupsRequest, DescribeGroupsResponse) = 15, 5..=6;
    ListGroups(ListGroupsRequest, ListGroupsResponse) = 16, 4..=5;
    SaslHandshake(SaslHandshakeRequest, SaslHandshakeResponse) = 17, 1..=1, read by plain::sasl_handshake;
    ApiVersions(ApiVersionsRequest, ApiVersionsResponse) = 18, 3..=4;
    CreateTopics(CreateTopicsRequest, CreateTopicsResponse) = 19, 5..=7;
    DeleteTopics(DeleteTopicsRequest, DeleteTopicsResponse) = 20, 4..=6;
    // 5 belongs to the transaction protocol of KIP-890, which a producer without transactions does not take part in.
    InitProducerId(InitProducerIdRequest, InitProducerIdResponse) = 22, 2..=4;
    DescribeAcls(DescribeAclsRequest, DescribeAclsResponse) = 29, 2..=3;
    CreateAcls(CreateAclsRequest, CreateAclsResponse) = 30, 2..=3;
    DeleteAcls(DeleteAclsRequest, DeleteAclsResponse) = 31, 2..=3;
    DescribeConfigs(DescribeConfigsRequest, DescribeConfigsResponse) = 32, 4..=4;
    DescribeLogDirs(DescribeLogDirsRequest, DescribeLogDirsResponse) = 35, 2..=4;
    SaslAuthenticate(SaslAuthenticateRequest, SaslAuthenticateResponse) = 36, 2..=2;
    CreatePartitions(CreatePartitionsRequest, CreatePartitionsResponse) = 37, 2..=3;
    DeleteGroups(DeleteGroupsRequest, DeleteGroupsResponse) = 42, 2..=2;
    ElectLeaders(ElectLeadersRequest, ElectLeadersResponse) = 43, 2..=2;
    IncrementalAlterConfigs(IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse) = 44, 1..=1;
    AlterPartitionReassignments(AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse) = 45, 0..=1;
    ListPartitionReassignments(ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse) = 46, 0..=0;
    OffsetDelete(OffsetDeleteRequest, OffsetDeleteResponse) = 47, 0..=0, read by plain::offset_delete;
    DescribeClientQuotas(DescribeClientQuotasRequest, DescribeClientQuotasResponse) = 48, 1..=1;
    AlterClientQuotas(AlterClientQuotasRequest, AlterClientQuotasResponse) = 49, 1..=1;
    DescribeUserScramCredentials(DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse) = 50, 0..=0;
    AlterUserScramCredentials(AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse) = 51, 0..=0;
    DescribeQuorum(DescribeQuorumRequest, DescribeQuorumResponse) = 55, 0..=2;
    DescribeCluster(DescribeClusterRequest, DescribeClusterResponse) = 60, 0..=2;
    ConsumerGroupDescribe(ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse) = 69, 0..=1;
}

/// The highest version both sides speak.
pub(crate) fn negotiate<R: Rpc>(offered: &[ApiRange]) -> Result<i16, String> {
    let Some(range) = offered.iter().find(|range| range.key == R::KEY) else {
        return Err(format!("it does not offer {}", R::NAME));
    };
    let version = range.max.min(R::MAX);
    if version < range.min.max(R::MIN) {
        return Err(format!(
            "no common version of {}: it offers {} to {}, this client speaks {} to {}",
            R::NAME,
            range.min,
            range.max,
            R::MIN,
            R::MAX
        ));
    }
    Ok(version)
}

/// Writes a whole frame, its length included.
pub(crate) fn encode<R: Rpc>(
    request: &R,
    version: i16,
    correlation_id: i32,
    client_id: &str,
) -> Result<Bytes, String> {
    let header = RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_correlation_id(correlation_id)
        .with_client_id(Some(StrBytes::from_string(client_id.to_owned())));
    let mut frame = BytesMut::with_capacity(256);
    frame.put_i32(0);
    header
        .encode(&mut frame, R::header_version(version))
        .and_then(|()| request.encode(&mut frame, version))
        .map_err(|e| {
            format!(
                "{} version {version} cannot carry this request: {e}",
                R::NAME
            )
        })?;
    let body =
        i32::try_from(frame.len() - 4).map_err(|_| "the request exceeds 2 GiB".to_owned())?;
    frame[..4].copy_from_slice(&body.to_be_bytes());
    Ok(frame.freeze())
}

/// The correlation id an answer begins with.
pub(crate) fn correlation_id(answer: &Bytes) -> Option<i32> {
    answer.first_chunk::<4>().map(|id| i32::from_be_bytes(*id))
}

/// Reads an answer, header included.
pub(crate) fn decode<R: Rpc>(answer: Bytes, version: i16) -> Result<R::Response, String> {
    let mut bytes = Guard::new(answer);
    ResponseHeader::decode(&mut bytes, R::Response::header_version(version))
        .map_err(|e| e.to_string())
        .and_then(|_| R::read(bytes.into_rest(), version))
        .map_err(|e| format!("malformed answer to {} version {version}: {e}", R::NAME))
}

#[cfg(test)]
mod tests;
