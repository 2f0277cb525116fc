//! Signatures of webhooks, as Standard Webhooks have them.
//!
//! What is signed is `id.timestamp.body` by HMAC-SHA256, and told as `webhook-id`,
//! `webhook-timestamp` (seconds since the epoch) and `webhook-signature: v1,BASE64`.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::hmac;

/// What a webhook's requests are signed with.
pub(super) struct Signer(hmac::Key);

impl Signer {
    pub(super) fn new(key: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// The signature of a request.
    pub(super) fn sign(&self, id: &str, timestamp: u64, body: &str) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        for part in [id, ".", &timestamp.to_string(), ".", body] {
            context.update(part.as_bytes());
        }
        format!("v1,{}", STANDARD.encode(context.sign()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification.
    #[test]
    fn the_example_of_the_specification_is_signed_alike() {
        let key = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("base64");
        let signer = Signer::new(&key);
        let signature =
            signer.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}
