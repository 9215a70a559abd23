//! What a plugin answers.
#![no_main]

use allos_fuzz::survives;
use allos_plugin_api::{
    EmbedResponse, Model, ProviderChunk, ProviderError, ProviderResponse, TokenCount,
};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    survives::<ProviderResponse>(bytes);
    survives::<Vec<ProviderChunk>>(bytes);
    survives::<ProviderChunk>(bytes);
    survives::<Vec<Model>>(bytes);
    survives::<EmbedResponse>(bytes);
    survives::<TokenCount>(bytes);
    survives::<ProviderError>(bytes);
});
