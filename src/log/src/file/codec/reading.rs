//! A reading as 69 bytes, and back.

use super::{Damage, READING_BYTES};
use super::{u32_at, u64_at};
use genims_model::{Protocol, Quality, Reading, SensorNo, Status};

/// `slot` is [`READING_BYTES`] long; the array makes the compiler see it, so that no store is bounds-checked.
#[inline]
pub(in super::super) fn put(slot: &mut [u8], reading: &Reading) {
    let mut bytes = [0_u8; READING_BYTES];
    bytes[0..4].copy_from_slice(&reading.sensor.0.to_le_bytes());
    bytes[4] = reading.protocol as u8;
    bytes[5] = reading.status as u8;
    bytes[6] = reading.quality as u8;
    bytes[7] = reading.flags;
    bytes[8..16].copy_from_slice(&reading.timestamp_us.to_le_bytes());
    bytes[16..24].copy_from_slice(&reading.received_us.to_le_bytes());
    bytes[24..32].copy_from_slice(&reading.value.to_le_bytes());
    bytes[32..40].copy_from_slice(&reading.min_1min.to_le_bytes());
    bytes[40..48].copy_from_slice(&reading.max_1min.to_le_bytes());
    bytes[48..56].copy_from_slice(&reading.avg_1min.to_le_bytes());
    bytes[56..64].copy_from_slice(&reading.std_1min.to_le_bytes());
    bytes[64..68].copy_from_slice(&reading.anomaly_score.to_le_bytes());
    bytes[68] = reading.source;
    slot.copy_from_slice(&bytes);
}

#[inline]
pub(in super::super) fn take(slot: &[u8]) -> Result<Reading, Damage> {
    let Ok(bytes) = <&[u8; READING_BYTES]>::try_from(slot) else { return Err(Damage::CutOff) };
    let unknown = |what: &str, code: u8| Damage::Content(format!("{what} {code}"));
    Ok(Reading {
        sensor: SensorNo(u32_at(bytes, 0)),
        protocol: Protocol::from_u8(bytes[4]).ok_or_else(|| unknown("protocol", bytes[4]))?,
        status: Status::from_u8(bytes[5]).ok_or_else(|| unknown("status", bytes[5]))?,
        quality: Quality::from_u8(bytes[6]).ok_or_else(|| unknown("quality", bytes[6]))?,
        flags: bytes[7],
        source: bytes[68],
        timestamp_us: u64_at(bytes, 8).cast_signed(),
        received_us: u64_at(bytes, 16).cast_signed(),
        value: f64::from_bits(u64_at(bytes, 24)),
        min_1min: f64::from_bits(u64_at(bytes, 32)),
        max_1min: f64::from_bits(u64_at(bytes, 40)),
        avg_1min: f64::from_bits(u64_at(bytes, 48)),
        std_1min: f64::from_bits(u64_at(bytes, 56)),
        anomaly_score: f32::from_bits(u32_at(bytes, 64)),
    })
}
