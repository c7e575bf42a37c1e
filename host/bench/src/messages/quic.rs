//! One bidirectional stream of quinn, with its default transport parameters.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Context;
use quinn::{ClientConfig, Endpoint, ServerConfig};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use tokio_util::compat::{TokioAsyncReadCompatExt, TokioAsyncWriteCompatExt};

use super::stream::{receive, send};
use super::{Measured, Work};

/// The receiver prints its port and certificate; the sender trusts just that certificate.
pub(crate) async fn end(to: Option<&str>, work: Work) -> anyhow::Result<Measured> {
    match to {
        None => receiver(work).await,
        Some(to) => sender(to, work).await,
    }
}

async fn receiver(work: Work) -> anyhow::Result<Measured> {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    let key = PrivatePkcs8KeyDer::from(certified.key_pair.serialize_der());
    let certificate = certified.cert.der().clone();
    let config = ServerConfig::with_single_cert(vec![certificate.clone()], key.into())?;
    let endpoint = Endpoint::server(config, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    println!("{}/{}", endpoint.local_addr()?.port(), to_hex(&certificate));
    let connection = endpoint.accept().await.context("the endpoint closed")?.await?;
    let (writer, reader) = connection.accept_bi().await?;
    let measured = receive(reader.compat(), writer.compat_write(), work).await?;
    // The sender closes when it has the last acknowledgement.
    connection.closed().await;
    Ok(measured)
}

async fn sender(to: &str, work: Work) -> anyhow::Result<Measured> {
    let (port, certificate) = to.split_once('/').context("PORT/CERTIFICATE")?;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from(from_hex(certificate)?))?;
    let mut endpoint = Endpoint::client(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    endpoint.set_default_client_config(ClientConfig::with_root_certificates(Arc::new(roots))?);
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port.parse()?));
    let connection = endpoint.connect(address, "localhost")?.await?;
    let (writer, reader) = connection.open_bi().await?;
    let measured = send(reader.compat(), writer.compat_write(), work).await?;
    connection.close(0u32.into(), b"done");
    endpoint.wait_idle().await;
    Ok(measured)
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> anyhow::Result<Vec<u8>> {
    let byte = |at: usize| {
        let digits = text.get(at..at + 2).context("an even number of digits")?;
        Ok(u8::from_str_radix(digits, 16)?)
    };
    (0..text.len()).step_by(2).map(byte).collect()
}
