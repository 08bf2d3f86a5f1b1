//! Secrets and their hashes: argon2id, as a PHC string, with the parameters that OWASP names (19 MiB, two passes). Tokens, which are
//! always drawn and never chosen, are kept as SHA-256: a slow hash protects what can be guessed.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// Shorter ones are guessed.
pub const SECRET_BYTES_MIN: usize = 12;
/// Longer ones are wrong at every door: nobody hashes what strangers send without a bound.
pub const SECRET_BYTES_MAX: usize = 1_024;

const DRAWN_BYTES: usize = 24;
const TOKEN_BYTES: usize = 32;
/// What a token is written in.
pub const TOKEN_CHARS: usize = 2 * TOKEN_BYTES;

/// A new secret: 192 random bits.
pub fn drawn() -> String {
    hex(&rand::random::<[u8; DRAWN_BYTES]>())
}

/// A new token: 256 random bits.
pub fn drawn_token() -> String {
    hex(&rand::random::<[u8; TOKEN_BYTES]>())
}

/// SHA-256, in hex, of what nobody guesses.
pub fn digest(token: &[u8]) -> String {
    hex(&Sha256::digest(token))
}

/// Whether a text can be a digest of ours.
pub fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

pub(crate) fn hash(secret: &[u8]) -> Result<String, String> {
    Argon2::default().hash_password(secret).map(|hash| hash.to_string()).map_err(|error| error.to_string())
}

/// The hash of a secret that somebody chose or that was drawn; what would be guessed is refused.
pub fn hash_new(secret: &str) -> Result<String, String> {
    if secret.len() < SECRET_BYTES_MIN {
        return Err(format!("the secret is shorter than {SECRET_BYTES_MIN} bytes; take a longer one"));
    }
    if secret.len() > SECRET_BYTES_MAX {
        return Err(format!("the secret is longer than {SECRET_BYTES_MAX} bytes; take a shorter one"));
    }
    hash(secret.as_bytes())
}

/// Takes tens of milliseconds and 19 MiB.
pub(crate) fn verify(secret: &[u8], hash: &str) -> bool {
    PasswordHash::new(hash).is_ok_and(|hash| Argon2::default().verify_password(secret, &hash).is_ok())
}

/// Whether a text is a hash of ours: what else stands there would never let anybody in.
pub fn is_hash(text: &str) -> bool {
    text.starts_with("$argon2id$") && PasswordHash::new(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_fits_its_hash_and_no_other_does() {
        let secret = drawn();
        let hashed = hash(secret.as_bytes()).expect("hashed");
        assert!(is_hash(&hashed) && hashed.contains("m=19456,t=2,p=1"), "{hashed}");
        assert!(!hashed.contains(&secret));
        assert!(verify(secret.as_bytes(), &hashed));
        assert!(!verify(drawn().as_bytes(), &hashed) && !verify(b"", &hashed) && !verify(secret.as_bytes(), "x"));
        assert_ne!(hash(secret.as_bytes()).expect("hashed"), hashed, "each hash has its salt");
        assert!(!is_hash("plain text") && !is_hash("$argon2id$"));
    }

    #[test]
    fn a_token_is_drawn_long_and_kept_as_a_digest() {
        let (token, other) = (drawn_token(), drawn_token());
        assert!(token.len() == TOKEN_CHARS && token != other);
        let kept = digest(token.as_bytes());
        assert!(is_digest(&kept) && kept != token && kept != digest(other.as_bytes()));
        // As FIPS 180-4 says.
        assert_eq!(digest(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        for wrong in ["", &kept[1..], &kept.to_uppercase(), &"g".repeat(64)] {
            assert!(!is_digest(wrong), "{wrong}");
        }
    }

    #[test]
    fn a_secret_that_no_door_would_take_is_refused_when_it_is_chosen() {
        assert!(hash_new(&"x".repeat(SECRET_BYTES_MAX)).is_ok());
        let told = hash_new(&"x".repeat(SECRET_BYTES_MAX + 1)).expect_err("too long");
        assert!(told.contains("longer than 1024 bytes"), "{told}");
        assert!(hash_new(&"x".repeat(SECRET_BYTES_MIN - 1)).is_err());
    }
}
