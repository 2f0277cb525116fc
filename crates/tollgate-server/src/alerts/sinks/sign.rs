//! Signatures of webhooks, as Standard Webhooks have them.
//!
//! What is signed is `id.timestamp.body` by HMAC-SHA256, and told as `webhook-id`,
//! `webhook-timestamp` (seconds since the epoch) and `webhook-signature: v1,BASE64`. A secret that
//! begins with `whsec_` is base64 behind that; any other is the key as it is.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::hmac;
use tollgate_core::policy::Secret;

/// What a webhook's requests are signed with.
pub(super) struct Signer(hmac::Key);

const PREFIX: &str = "whsec_";

impl Signer {
    pub(super) fn new(secret: &Secret) -> Self {
        Self::of_text(secret.expose())
    }

    fn of_text(secret: &str) -> Self {
        let encoded = secret.strip_prefix(PREFIX).and_then(|rest| STANDARD.decode(rest).ok());
        let key = encoded.unwrap_or_else(|| secret.as_bytes().to_vec());
        Self(hmac::Key::new(hmac::HMAC_SHA256, &key))
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
        let signer = Signer::of_text("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let signature =
            signer.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_without_prefix_is_the_key_itself() {
        let plain = Signer::of_text("secret").sign("a", 1, "b");
        assert_eq!(plain, Signer::of_text("whsec_c2VjcmV0").sign("a", 1, "b"));
        assert_ne!(plain, Signer::of_text("secret").sign("a", 1, "c"));
    }
}
