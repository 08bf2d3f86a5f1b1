//! The MQTT codec, v3.1, v3.1.1 and v5: pure functions between bytes and packets. Bytes that are not ours to trust enter; what
//! leaves borrows from them. Nothing here allocates for a PUBLISH or an acknowledgement, and nothing panics on any input.
//!
//! - [`wire`]: the fixed header and the primitive types
//! - [`properties`]: the v5 properties
//! - [`connect`]: the CONNECT packet
//! - [`inbound`]: all other packets that a client sends
//! - [`outbound`]: packets that the server sends
//!
//! Source: MQTT 3.1, OASIS MQTT 3.1.1 and 5.0; `[MQTT-x]` in a comment is the number of a normative statement of 5.0.

pub mod connect;
pub mod inbound;
pub mod outbound;
pub mod properties;
pub mod wire;

#[cfg(test)]
mod tests;

/// All fit one port: CONNECT names the version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// 3.1, protocol level 3: small and old clients. As 3.1.1, but for the few differences that name it.
    V31,
    /// 3.1.1, protocol level 4.
    V3,
    /// 5.0, protocol level 5.
    V5,
}

/// Reason codes of MQTT 5, under the specification's names.
pub mod reason {
    pub const SUCCESS: u8 = 0x00;
    pub const NO_MATCHING_SUBSCRIBERS: u8 = 0x10;
    pub const NO_SUBSCRIPTION_EXISTED: u8 = 0x11;
    pub const UNSPECIFIED_ERROR: u8 = 0x80;
    pub const MALFORMED_PACKET: u8 = 0x81;
    pub const PROTOCOL_ERROR: u8 = 0x82;
    pub const IMPLEMENTATION_SPECIFIC_ERROR: u8 = 0x83;
    pub const UNSUPPORTED_PROTOCOL_VERSION: u8 = 0x84;
    pub const CLIENT_IDENTIFIER_NOT_VALID: u8 = 0x85;
    pub const BAD_USER_NAME_OR_PASSWORD: u8 = 0x86;
    pub const NOT_AUTHORIZED: u8 = 0x87;
    pub const SERVER_UNAVAILABLE: u8 = 0x88;
    pub const SERVER_BUSY: u8 = 0x89;
    pub const BANNED: u8 = 0x8A;
    pub const SERVER_SHUTTING_DOWN: u8 = 0x8B;
    pub const BAD_AUTHENTICATION_METHOD: u8 = 0x8C;
    pub const KEEP_ALIVE_TIMEOUT: u8 = 0x8D;
    pub const SESSION_TAKEN_OVER: u8 = 0x8E;
    pub const TOPIC_FILTER_INVALID: u8 = 0x8F;
    pub const TOPIC_NAME_INVALID: u8 = 0x90;
    pub const PACKET_IDENTIFIER_IN_USE: u8 = 0x91;
    pub const PACKET_IDENTIFIER_NOT_FOUND: u8 = 0x92;
    pub const RECEIVE_MAXIMUM_EXCEEDED: u8 = 0x93;
    pub const TOPIC_ALIAS_INVALID: u8 = 0x94;
    pub const PACKET_TOO_LARGE: u8 = 0x95;
    pub const QUOTA_EXCEEDED: u8 = 0x97;
    pub const ADMINISTRATIVE_ACTION: u8 = 0x98;
    pub const PAYLOAD_FORMAT_INVALID: u8 = 0x99;
    pub const SHARED_SUBSCRIPTIONS_NOT_SUPPORTED: u8 = 0x9E;
}

/// Packet types: the upper four bits of the first byte.
pub mod kind {
    pub const CONNECT: u8 = 1;
    pub const CONNACK: u8 = 2;
    pub const PUBLISH: u8 = 3;
    pub const PUBACK: u8 = 4;
    pub const PUBREC: u8 = 5;
    pub const PUBREL: u8 = 6;
    pub const PUBCOMP: u8 = 7;
    pub const SUBSCRIBE: u8 = 8;
    pub const SUBACK: u8 = 9;
    pub const UNSUBSCRIBE: u8 = 10;
    pub const UNSUBACK: u8 = 11;
    pub const PINGREQ: u8 = 12;
    pub const PINGRESP: u8 = 13;
    pub const DISCONNECT: u8 = 14;
    pub const AUTH: u8 = 15;
}

/// What the client did wrong: the reason code that v5 is told (v3 is just closed), and words for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text} (MQTT reason code {reason:#04x})")]
pub struct Fault {
    pub reason: u8,
    pub text: &'static str,
}

impl Fault {
    pub const fn new(reason: u8, text: &'static str) -> Self {
        Self { reason, text }
    }

    pub const fn malformed(text: &'static str) -> Self {
        Self::new(reason::MALFORMED_PACKET, text)
    }

    pub const fn protocol(text: &'static str) -> Self {
        Self::new(reason::PROTOCOL_ERROR, text)
    }
}
