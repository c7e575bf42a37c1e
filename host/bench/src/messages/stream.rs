//! The work over any stream of bytes: messages of a fixed length one way, their numbers back.

use std::cell::Cell;
use std::time::{Duration, Instant};

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use rustix::time::{ClockId, clock_gettime};
use tokio::sync::Notify;

use super::{MESSAGE_BYTES, Measured, Work};

/// Bytes that one write hands over at most.
const WRITE_BYTES: usize = 64 * 1_024;
const ACK_BYTES: usize = 8;

/// Measures wall time and this process's processor time from its making on.
pub(crate) struct Watch {
    start: Instant,
    cpu: Duration,
}

impl Watch {
    /// Starts.
    pub(crate) fn start() -> Self {
        Self { start: Instant::now(), cpu: cpu_time() }
    }

    /// Stops.
    pub(crate) fn stop(&self) -> Measured {
        Measured {
            seconds: self.start.elapsed().as_secs_f64(),
            cpu_seconds: (cpu_time() - self.cpu).as_secs_f64(),
        }
    }
}

fn cpu_time() -> Duration {
    let spent = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(spent.tv_sec.unsigned_abs(), spent.tv_nsec.unsigned_abs() as u32)
}

/// Sends all messages and returns when the last one is acknowledged.
pub(crate) async fn send(
    reader: impl AsyncRead + Unpin,
    writer: impl AsyncWrite + Unpin,
    work: Work,
) -> anyhow::Result<Measured> {
    let watch = Watch::start();
    let acknowledged = Cell::new(0);
    let progress = Notify::new();
    let writing = write_messages(writer, work, &acknowledged, &progress);
    let reading = read_acks(reader, work, &acknowledged, &progress);
    tokio::try_join!(writing, reading)?;
    Ok(watch.stop())
}

async fn write_messages(
    mut writer: impl AsyncWrite + Unpin,
    work: Work,
    acknowledged: &Cell<u64>,
    progress: &Notify,
) -> anyhow::Result<()> {
    let mut buffer = Vec::with_capacity(WRITE_BYTES + MESSAGE_BYTES);
    let mut sent = 0;
    while sent < work.messages {
        buffer.clear();
        while sent < work.messages
            && sent - acknowledged.get() < work.window
            && buffer.len() < WRITE_BYTES
        {
            let start = buffer.len();
            buffer.extend_from_slice(&sent.to_le_bytes());
            buffer.resize(start + MESSAGE_BYTES, 0x5a);
            sent += 1;
        }
        if buffer.is_empty() {
            progress.notified().await;
            continue;
        }
        writer.write_all(&buffer).await?;
        writer.flush().await?;
    }
    Ok(())
}

async fn read_acks(
    mut reader: impl AsyncRead + Unpin,
    work: Work,
    acknowledged: &Cell<u64>,
    progress: &Notify,
) -> anyhow::Result<()> {
    let mut buffer = vec![0; WRITE_BYTES];
    let mut filled = 0;
    while acknowledged.get() < work.messages {
        let read = reader.read(&mut buffer[filled..]).await?;
        anyhow::ensure!(read > 0, "the receiver closed after {}", acknowledged.get());
        filled += read;
        let whole = filled - filled % ACK_BYTES;
        for ack in buffer[..whole].chunks_exact(ACK_BYTES) {
            anyhow::ensure!(ack == acknowledged.get().to_le_bytes(), "acks come in order");
            acknowledged.set(acknowledged.get() + 1);
        }
        buffer.copy_within(whole..filled, 0);
        filled -= whole;
        progress.notify_one();
    }
    Ok(())
}

/// Takes all messages and acknowledges each by its number.
pub(crate) async fn receive(
    mut reader: impl AsyncRead + Unpin,
    mut writer: impl AsyncWrite + Unpin,
    work: Work,
) -> anyhow::Result<Measured> {
    let watch = Watch::start();
    let mut buffer = vec![0; WRITE_BYTES];
    let mut acks = Vec::new();
    let (mut filled, mut received) = (0, 0u64);
    while received < work.messages {
        let read = reader.read(&mut buffer[filled..]).await?;
        anyhow::ensure!(read > 0, "the sender closed after {received}");
        filled += read;
        let whole = filled - filled % MESSAGE_BYTES;
        acks.clear();
        for message in buffer[..whole].chunks_exact(MESSAGE_BYTES) {
            anyhow::ensure!(message[..ACK_BYTES] == received.to_le_bytes(), "messages in order");
            acks.extend_from_slice(&message[..ACK_BYTES]);
            received += 1;
        }
        buffer.copy_within(whole..filled, 0);
        filled -= whole;
        if !acks.is_empty() {
            writer.write_all(&acks).await?;
            writer.flush().await?;
        }
    }
    Ok(watch.stop())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio_util::compat::TokioAsyncReadCompatExt;

    #[tokio::test]
    async fn every_message_is_acknowledged_through_a_narrow_pipe() {
        let (near, far) = tokio::io::duplex(3_000);
        let (near_read, near_write) = near.compat().split();
        let (far_read, far_write) = far.compat().split();
        let work = Work { messages: 5_000, window: 512 };
        let (sent, received) =
            tokio::join!(send(near_read, near_write, work), receive(far_read, far_write, work));
        assert!(sent.is_ok(), "{sent:?}");
        assert!(received.is_ok(), "{received:?}");
    }
}
