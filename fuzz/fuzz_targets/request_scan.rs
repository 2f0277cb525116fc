//! Whatever a caller sends is understood or refused; what goes on to the provider is
//! understood in the same way, and asks for its usage if it is a stream.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tollgate_meter::openai::{self, Endpoint};

fuzz_target!(|body: &[u8]| {
    for endpoint in [Endpoint::ChatCompletions, Endpoint::Completions, Endpoint::Embeddings] {
        let Ok(request) = openai::scan(endpoint, body) else { continue };
        let sent = request.upstream_body(body.to_vec().into());
        let again = openai::scan(endpoint, &sent).expect("the provider's body is understood");
        assert_eq!(again.scan, request.scan);
        assert_eq!(again.usage_asked, request.scan.stream);
        assert_eq!(again.upstream_body(sent.clone()), sent);
    }
});
