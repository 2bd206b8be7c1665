//! Signatures of the Standard Webhooks specification, version 1: HMAC-SHA256 over id, time and body.

use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// What `webhook-signature` says: one signature for each secret, separated by spaces. `seconds` is what `webhook-timestamp` says.
pub(crate) fn signatures<S: AsRef<[u8]>>(secrets: &[S], id: &str, seconds: i64, body: &str) -> String {
    let signed = format!("{id}.{seconds}.{body}");
    let one = |secret: &S| {
        let tag = sign(&Key::new(HMAC_SHA256, secret.as_ref()), signed.as_bytes());
        format!("v1,{}", STANDARD.encode(tag.as_ref()))
    };
    secrets.iter().map(one).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example that the libraries of the specification are tested with.
    const SECRET: &str = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    #[test]
    fn a_signature_is_that_of_the_specification() {
        let secret = STANDARD.decode(SECRET).unwrap();
        let body = r#"{"test": 2432232314}"#;
        assert_eq!(signatures(&[&secret], ID, 1_614_265_330, body), SIGNATURE);
        let both = signatures(&[b"another secret, older".to_vec(), secret], ID, 1_614_265_330, body);
        let (other, own) = both.split_once(' ').unwrap();
        assert!(own == SIGNATURE && other != SIGNATURE && other.starts_with("v1,"));
    }
}
