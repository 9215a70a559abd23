//! Who may reach the gateway: beyond loopback it needs a key, or a switch that says what it does.
//!
//! Checked when a configuration is loaded. That a request carries the key is the gateway's check.

use std::net::IpAddr;

use super::GatewayConfig;

/// Refuses an address that would offer the operator's keys to a network.
pub(super) fn check(gateway: &GatewayConfig) -> Result<(), String> {
    let guarded = gateway.api_key.is_some() || gateway.allow_public_without_key;
    if guarded || is_loopback(gateway.listen.ip()) {
        return Ok(());
    }
    Err(format!(
        "the gateway would listen on {}, beyond loopback, without a key \
         (hint: set `api_key` in [gateway], or `allow_public_without_key = true` to let everyone \
         who reaches it use your providers)",
        gateway.listen
    ))
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}
