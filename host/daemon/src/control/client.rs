//! The client of the control API, as the commands use it.
//!
//! One connection a request. A socket that nobody answers is told apart from a node that
//! answers with an error, because commands exit differently.

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{Method, Request, Response, header};
use hyper_util::rt::TokioIo;
use pointsman_core::limits::CONTROL_BODY_BYTES_MAX;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use super::HOST;
use super::views::ErrorView;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody is there.
    #[error("no node answers at {}: {source}; start one with: pointsman run", socket.display())]
    NoNode {
        /// Where.
        socket: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The socket belongs to another user.
    #[error("the node at {} belongs to another user; run the command as that user, or as root", socket.display())]
    NotAllowed {
        /// Where.
        socket: PathBuf,
    },
    /// The node says no.
    #[error("{}{}{}", view.error, if view.remedy.is_empty() { "" } else { "; " }, view.remedy)]
    Refused {
        /// The status of HTTP.
        status: u16,
        /// What it says.
        view: ErrorView,
    },
    /// The connection broke, or what answers is no node.
    #[error("the node at {} broke off: {why}", socket.display())]
    Broken {
        /// Where.
        socket: PathBuf,
        /// How.
        why: String,
    },
}

/// Asks the node at one socket.
#[derive(Clone, Debug)]
pub struct Client {
    socket: PathBuf,
}

impl Client {
    /// For the node at this socket.
    pub fn new(socket: &Path) -> Self {
        Self { socket: socket.to_owned() }
    }

    /// Reads a view.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.ask(Method::GET, path, Bytes::new()).await
    }

    /// Reads a text.
    pub async fn text(&self, path: &str) -> Result<Bytes, ClientError> {
        let response = self.request(Method::GET, path, Bytes::new()).await?;
        self.collect(response.into_body()).await
    }

    /// Orders something, and reads the answer.
    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: Bytes,
    ) -> Result<T, ClientError> {
        self.ask(Method::POST, path, body).await
    }

    /// Follows a stream of views.
    pub async fn stream<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
    ) -> Result<ViewStream<T>, ClientError> {
        let response = self.request(method, path, Bytes::new()).await?;
        let (body, buffer) = (response.into_body(), Vec::new());
        Ok(ViewStream {
            body,
            buffer,
            scanned: 0,
            socket: self.socket.clone(),
            view: std::marker::PhantomData,
        })
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<T, ClientError> {
        let response = self.request(method, path, body).await?;
        let bytes = self.collect(response.into_body()).await?;
        serde_json::from_slice(&bytes).map_err(|error| self.broken(error))
    }

    /// Sends a request; an answer that is an error comes back as one.
    async fn request(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Response<Incoming>, ClientError> {
        let stream = UnixStream::connect(&self.socket).await.map_err(|e| self.unreachable(e))?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| self.broken(error))?;
        tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, HOST)
            .body(Full::new(body))
            .map_err(|error| self.broken(error))?;
        let response = sender.send_request(request).await.map_err(|error| self.broken(error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let bytes = self.collect(response.into_body()).await?;
        match serde_json::from_slice(&bytes) {
            Ok(view) => Err(ClientError::Refused { status: status.as_u16(), view }),
            Err(_) => Err(self.broken(format!("it answers {status}"))),
        }
    }

    async fn collect(&self, body: Incoming) -> Result<Bytes, ClientError> {
        // An answer may tell of a message, in text of twice its size.
        let limited = http_body_util::Limited::new(body, 2 * CONTROL_BODY_BYTES_MAX);
        let collected = limited.collect().await.map_err(|error| self.broken(error))?;
        Ok(collected.to_bytes())
    }

    fn unreachable(&self, source: io::Error) -> ClientError {
        let socket = self.socket.clone();
        if source.kind() == io::ErrorKind::PermissionDenied {
            return ClientError::NotAllowed { socket };
        }
        ClientError::NoNode { socket, source }
    }

    fn broken(&self, why: impl ToString) -> ClientError {
        ClientError::Broken { socket: self.socket.clone(), why: why.to_string() }
    }
}

/// Views that come one by one.
#[derive(Debug)]
pub struct ViewStream<T> {
    body: Incoming,
    buffer: Vec<u8>,
    /// So many bytes of the buffer are known to hold no end of line.
    scanned: usize,
    socket: PathBuf,
    view: std::marker::PhantomData<T>,
}

impl<T: DeserializeOwned> ViewStream<T> {
    /// The next one; `None` at the end of the stream.
    pub async fn next(&mut self) -> Result<Option<T>, ClientError> {
        loop {
            while let Some(line) = self.take_line() {
                if let Some(data) = line.strip_prefix(b"data:") {
                    let view = serde_json::from_slice(data);
                    return view.map(Some).map_err(|error| self.broken(error));
                }
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(Err(error)) => return Err(self.broken(error)),
                Some(Ok(frame)) => {
                    if let Some(bytes) = frame.data_ref() {
                        self.buffer.extend_from_slice(bytes);
                    }
                    if self.buffer.len() > 2 * CONTROL_BODY_BYTES_MAX {
                        return Err(self.broken("an event without end"));
                    }
                }
            }
        }
    }

    /// The next whole line. The server writes each event in one line of data.
    fn take_line(&mut self) -> Option<Vec<u8>> {
        let new = &self.buffer[self.scanned..];
        let Some(end) = new.iter().position(|&byte| byte == b'\n') else {
            self.scanned = self.buffer.len();
            return None;
        };
        let end = self.scanned + end;
        self.scanned = 0;
        let mut line: Vec<u8> = self.buffer.drain(..=end).collect();
        line.pop();
        Some(line)
    }

    fn broken(&self, why: impl ToString) -> ClientError {
        ClientError::Broken { socket: self.socket.clone(), why: why.to_string() }
    }
}
