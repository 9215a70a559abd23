//! What a host asks.
#![no_main]

use allos_fuzz::survives;
use allos_plugin_api::{ChatRequest, EmbedRequest, ProviderConfig};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    survives::<ChatRequest>(bytes);
    survives::<EmbedRequest>(bytes);
    survives::<ProviderConfig>(bytes);
});
