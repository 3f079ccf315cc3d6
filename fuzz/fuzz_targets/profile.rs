#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| clerk_mcp_conformance::fuzz::profile(data));
