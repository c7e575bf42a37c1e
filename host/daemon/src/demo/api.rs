//! What the demonstration asks of a node, by its control socket.

use std::path::PathBuf;

use bytes::Bytes;
use hyper::Method;
use pointsman_core::id::PeerId;

use super::DemoError;
use crate::control::client::{Client, ClientError, ViewStream};
use crate::control::views::{CutView, DeliveryView, FollowedView, LinkView, LoadView, StatusView};

/// One node's control socket.
#[derive(Clone, Debug)]
pub(super) struct Api {
    client: Client,
}

impl Api {
    pub(super) fn new(socket: PathBuf) -> Self {
        Self { client: Client::new(&socket) }
    }

    pub(super) async fn status(&self) -> Result<StatusView, ClientError> {
        self.client.get("/v1/status").await
    }

    pub(super) async fn links(&self) -> Result<Vec<LinkView>, ClientError> {
        self.client.get("/v1/links").await
    }

    /// All events since the node's start, and those that come.
    pub(super) async fn events(&self) -> Result<ViewStream<FollowedView>, ClientError> {
        self.client.stream(Method::GET, "/v1/events?since=0&follow=true").await
    }

    /// The messages that arrive.
    pub(super) async fn listen(&self) -> Result<ViewStream<DeliveryView>, ClientError> {
        self.client.stream(Method::GET, "/v1/listen").await
    }

    /// Lets the node send `count` messages of `size` bytes to `peer`, `rate` a second.
    pub(super) async fn load(
        &self,
        peer: PeerId,
        count: u64,
        size: usize,
        rate: u32,
    ) -> Result<ViewStream<LoadView>, ClientError> {
        let path =
            format!("/v1/load?peer={peer}&class=interactive&count={count}&size={size}&rate={rate}");
        self.client.stream(Method::POST, &path).await
    }

    /// Exchanges the selector for another one of this binary, with its default settings.
    pub(super) async fn swap_selector(&self, name: &str) -> Result<(), ClientError> {
        let path = format!("/v1/policies/selector/swap?module=embedded:{name}&own_settings=true");
        let _: serde_json::Value = self.client.post(&path, Bytes::new()).await?;
        Ok(())
    }

    pub(super) async fn set_cut(&self, uplink: &str, cut: bool) -> Result<(), DemoError> {
        let path = format!("/v1/uplinks/{uplink}/cut?inbound={cut}&outbound={cut}");
        let _: CutView = self.client.post(&path, Bytes::new()).await?;
        Ok(())
    }

    pub(super) async fn stop(&self) -> Result<(), ClientError> {
        let _: serde_json::Value = self.client.post("/v1/stop", Bytes::new()).await?;
        Ok(())
    }
}
