//! Kafka's framing: a big-endian 32-bit length, then that many bytes.
//!
//! Owns reading a frame from a peer that may be hostile: the length is checked before it is believed, and memory grows
//! with the bytes that have arrived, not with the length that was announced.

use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Reserved at most before any byte of the body has arrived.
const FIRST_CHUNK: usize = 64 * 1024;
/// Below this no answer can even carry its correlation id.
const SMALLEST: usize = 4;

/// Reads one frame's body. `Ok(None)` means the peer closed between frames.
pub(crate) async fn read<R: AsyncRead + Unpin>(
    reader: &mut R,
    max: usize,
) -> io::Result<Option<Bytes>> {
    let mut head = [0_u8; 4];
    let mut have = 0;
    while have < head.len() {
        match reader.read(&mut head[have..]).await? {
            0 if have == 0 => return Ok(None),
            0 => return Err(cut_off()),
            n => have += n,
        }
    }
    let len = length(head, max)?;

    let mut body = BytesMut::with_capacity(len.min(FIRST_CHUNK));
    while body.len() < len {
        let missing = len - body.len();
        // At most doubles what has been received.
        body.reserve(missing.min(body.len().max(FIRST_CHUNK)));
        if (&mut *reader)
            .take(missing as u64)
            .read_buf(&mut body)
            .await?
            == 0
        {
            return Err(cut_off());
        }
    }
    Ok(Some(body.freeze()))
}

fn length(head: [u8; 4], max: usize) -> io::Result<usize> {
    let len = i32::from_be_bytes(head);
    match usize::try_from(len) {
        Ok(len) if (SMALLEST..=max).contains(&len) => Ok(len),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            explain(head, len, max),
        )),
    }
}

/// The usual reason for a bad length is a peer that speaks another protocol.
fn explain(head: [u8; 4], len: i32, max: usize) -> String {
    match head {
        [0x14..=0x17, 0x03, _, _] => "the peer speaks TLS, this connection does not".to_owned(),
        [b'H', b'T', b'T', b'P'] => "the peer speaks HTTP, not Kafka's protocol".to_owned(),
        _ => format!("a frame of {len} bytes was announced; allowed are {SMALLEST} to {max}"),
    }
}

fn cut_off() -> io::Error {
    io::Error::new(
        io::ErrorKind::UnexpectedEof,
        "the connection was closed in the middle of a frame",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn block_on<F: Future>(future: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(future)
    }

    fn read_all(mut wire: &[u8], max: usize) -> (Vec<Bytes>, Option<io::Error>) {
        let mut frames = Vec::new();
        loop {
            match block_on(read(&mut wire, max)) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => return (frames, None),
                Err(e) => return (frames, Some(e)),
            }
        }
    }

    #[test]
    fn a_peer_of_another_protocol_is_named() {
        for (wire, word) in [
            (&b"\x15\x03\x03\x00\x02\x02\x28"[..], "TLS"),
            (b"HTTP/1.1 400 Bad", "HTTP"),
            (b"\xff\xff\xff\xff", "-1"),
        ] {
            let (_, error) = read_all(wire, 1024);
            assert!(error.unwrap().to_string().contains(word));
        }
    }

    #[test]
    fn an_announced_length_reserves_nothing_that_did_not_arrive() {
        let mut wire = (100 * 1024 * 1024_i32).to_be_bytes().to_vec();
        wire.extend_from_slice(&[7; 10]);
        let (frames, error) = read_all(&wire, 200 * 1024 * 1024);
        assert!(frames.is_empty());
        assert_eq!(error.unwrap().kind(), io::ErrorKind::UnexpectedEof);
    }

    proptest! {
        #[test]
        fn frames_survive_any_chunking(bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 4..300), 0..6), cut in 1_usize..40) {
            let wire: Vec<u8> = bodies.iter().flat_map(|b| [&(b.len() as i32).to_be_bytes()[..], b].concat()).collect();
            let got = block_on(async {
                let (mut tx, mut rx) = tokio::io::duplex(cut);
                let feed = async {
                    tokio::io::AsyncWriteExt::write_all(&mut tx, &wire).await.unwrap();
                    drop(tx);
                };
                let drain = async {
                    let mut got = Vec::new();
                    while let Some(frame) = read(&mut rx, 1024).await.unwrap() {
                        got.push(frame.to_vec());
                    }
                    got
                };
                tokio::join!(feed, drain).1
            });
            prop_assert_eq!(got, bodies);
        }

        #[test]
        fn any_bytes_end_in_frames_or_an_error(wire in prop::collection::vec(any::<u8>(), 0..2000)) {
            let (frames, _) = read_all(&wire, 1024);
            prop_assert!(frames.iter().map(|f| f.len() + 4).sum::<usize>() <= wire.len());
        }
    }
}
