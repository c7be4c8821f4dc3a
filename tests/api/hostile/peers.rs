//! Peers of the webhook that nobody would want, each until it is let go: what it gets to hear says that it was.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use sdm_tests::webhook::Webhook;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

/// Longer than the webhook has patience with anybody.
const LIMIT: Duration = Duration::from_secs(60);
const HEAD: &str =
    "POST /validate?timeout=2s HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";

/// What somebody does.
#[derive(Clone, Copy, Debug)]
pub enum Peer {
    /// Connects, and is silent.
    Silent,
    /// Begins a handshake, and never goes on.
    HalfHandshake,
    /// Sends what is no TLS.
    Garbage,
    /// Speaks HTTP without TLS.
    Plain,
    /// Sends the head of a request, now and then a byte.
    SlowHead,
    /// Sends the body like that.
    SlowBody,
    /// Announces more than is read.
    Announced,
    /// Sends more than is read, in pieces, with no end.
    Chunked,
    /// Closes its side in the middle of a body.
    Truncated,
    /// Is gone without a word in the middle of a body.
    Reset,
    /// A piece that is no piece.
    BadChunk,
    /// What is no HTTP/2.
    GarbageInH2,
    /// A question in HTTP/2 that has no end.
    EndlessInH2,
}

/// All of them. Who is silent once there is TLS is none: API servers keep such connections in reserve, so they may be idle
/// for two minutes, as many as there may be at once (`runtime`'s tests say so).
pub const PEERS: &[Peer] = &[
    Peer::Silent,
    Peer::HalfHandshake,
    Peer::Garbage,
    Peer::Plain,
    Peer::SlowHead,
    Peer::SlowBody,
    Peer::Announced,
    Peer::Chunked,
    Peer::Truncated,
    Peer::Reset,
    Peer::BadChunk,
    Peer::GarbageInH2,
    Peer::EndlessInH2,
];

impl Peer {
    /// Does it, and ends when the webhook has ended it.
    pub async fn play(self, webhook: &Webhook) -> Result<()> {
        timeout(LIMIT, self.act(webhook))
            .await
            .with_context(|| format!("{self:?} was never let go"))?
            .with_context(|| format!("{self:?}"))
    }

    async fn act(self, webhook: &Webhook) -> Result<()> {
        let tcp = || TcpStream::connect(webhook.address);
        let tls = || webhook.dial("http/1.1");
        match self {
            Self::Silent => let_go(&mut tcp().await?, None).await,
            // The head of a record of 512 bytes, and 64 of them.
            Self::HalfHandshake => {
                let begun = [&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3][..], &[7; 64]].concat();
                let_go(&mut sent(tcp().await?, &begun).await?, None).await
            }
            Self::Garbage => let_go(&mut sent(tcp().await?, &[0xaa; 4096]).await?, None).await,
            Self::Plain => {
                let head = format!("{HEAD}content-length: 2\r\n\r\n{{}}");
                let_go(&mut sent(tcp().await?, head.as_bytes()).await?, None).await
            }
            Self::SlowHead => drip(tls().await?, HEAD.repeat(9).as_bytes(), None).await,
            Self::SlowBody => {
                let head = format!("{HEAD}content-length: 1000000\r\n\r\n");
                let stream = sent(tls().await?, head.as_bytes()).await?;
                drip(stream, &[b'['; 1000], Some("408")).await
            }
            Self::Announced => {
                let head = format!("{HEAD}content-length: 99999999999\r\n\r\n[[[[");
                let_go(&mut sent(tls().await?, head.as_bytes()).await?, Some("413")).await
            }
            Self::Chunked => {
                let mut stream = sent(
                    tls().await?,
                    format!("{HEAD}transfer-encoding: chunked\r\n\r\n").as_bytes(),
                )
                .await?;
                let piece = format!("10000\r\n{}\r\n", "[".repeat(65536));
                // Of 12 MiB some cannot be sent any more: nobody reads them.
                for _ in 0..192 {
                    if stream.write_all(piece.as_bytes()).await.is_err() {
                        break;
                    }
                }
                let_go(&mut stream, Some("413")).await
            }
            Self::Truncated => {
                let head = format!("{HEAD}content-length: 10000\r\n\r\n[[[[");
                let mut stream = sent(tls().await?, head.as_bytes()).await?;
                stream.shutdown().await?;
                let_go(&mut stream, None).await
            }
            Self::Reset => {
                let head = format!(
                    "{HEAD}content-length: 8000000\r\n\r\n{}",
                    "[".repeat(100_000)
                );
                let stream = sent(tls().await?, head.as_bytes()).await?;
                // What it never read makes the kernel say so to the other side.
                stream.get_ref().0.set_zero_linger()?;
                Ok(())
            }
            Self::BadChunk => {
                let head =
                    format!("{HEAD}transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n[[");
                let_go(&mut sent(tls().await?, head.as_bytes()).await?, None).await
            }
            Self::GarbageInH2 => {
                let mut stream = webhook.dial("h2").await?;
                stream
                    .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
                    .await?;
                let_go(&mut sent(stream, &[0xee; 4096]).await?, None).await
            }
            Self::EndlessInH2 => endless(webhook).await,
        }
    }
}

/// After so many bytes.
async fn sent<S: AsyncWrite + Unpin>(mut stream: S, bytes: &[u8]) -> Result<S> {
    stream.write_all(bytes).await?;
    stream.flush().await?;
    Ok(stream)
}

/// Waits for the end of what the webhook says, an answer with that status if there is to be one.
async fn let_go<S: AsyncRead + Unpin>(stream: &mut S, status: Option<&str>) -> Result<()> {
    let mut heard = Vec::new();
    let end = stream.read_to_end(&mut heard).await;
    let heard = String::from_utf8_lossy(&heard);
    if let Some(status) = status {
        ensure!(
            heard.starts_with(&format!("HTTP/1.1 {status}")),
            "{heard:.200}, {end:?}"
        );
    }
    Ok(())
}

/// Sends a byte at a time until the webhook has had enough.
async fn drip<S>(mut stream: S, bytes: &[u8], status: Option<&str>) -> Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let began = Instant::now();
    let mut heard = Vec::new();
    for byte in bytes {
        let mut piece = [0; 512];
        tokio::select! {
            read = stream.read(&mut piece) => match read {
                Ok(0) | Err(_) => break,
                Ok(n) => heard.extend_from_slice(&piece[..n]),
            },
            () = sleep(Duration::from_millis(150)) => if stream.write_all(&[*byte]).await.is_err() || stream.flush().await.is_err() {
                break;
            }
        }
        if status.is_some() && !heard.is_empty() {
            break;
        }
    }
    let heard = String::from_utf8_lossy(&heard);
    match status {
        Some(status) => ensure!(
            heard.starts_with(&format!("HTTP/1.1 {status}")),
            "{heard:.200}"
        ),
        None => ensure!(began.elapsed() < LIMIT / 2, "it was borne with to the end"),
    }
    Ok(())
}

async fn endless(webhook: &Webhook) -> Result<()> {
    use bytes::Bytes;
    use http_body_util::StreamBody;
    use hyper::body::Frame;
    use hyper::client::conn::http2;
    use hyper_util::rt::{TokioExecutor, TokioIo};

    let io = TokioIo::new(webhook.dial("h2").await?);
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
    tokio::spawn(connection);
    let piece = Ok::<_, std::io::Error>(Frame::data(Bytes::from_static(b"[[[[")));
    let body = futures::stream::iter([piece]);
    let body = StreamBody::new(futures::StreamExt::chain(body, futures::stream::pending()));
    let request = http::Request::post("https://127.0.0.1/validate?timeout=2s")
        .header("content-type", "application/json")
        .body(body)?;
    let response = sender.send_request(request).await?;
    if response.status() != 408 {
        bail!("{}", response.status());
    }
    Ok(())
}
