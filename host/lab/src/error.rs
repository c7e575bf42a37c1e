//! What can go wrong when a lab is built or changed.

use std::io;

/// Why a lab cannot do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// The kernel refuses namespaces or devices to this process. Tests skip on this one.
    #[error("this process may not {what} ({source}); {remedy}")]
    NotPermitted {
        /// What was refused.
        what: &'static str,
        /// What the person can do about it.
        remedy: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// An operation on a device, an address or a route failed.
    #[error("{what}: {reason}")]
    Netlink {
        /// What was tried.
        what: String,
        /// The kernel's answer.
        reason: String,
    },
    /// Anything else that the operating system refused.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// The kernel's answer.
        source: io::Error,
    },
}

impl LabError {
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    /// Whether the kernel refused it for lack of rights.
    pub fn is_permission(&self) -> bool {
        matches!(self, Self::NotPermitted { .. })
    }
}
