//! Readings become documents of `sensor_readings`.
//!
//! `{_id, timestamp, meta: {factory_id, line_id, machine_id, sensor_id, sensor_type, unit}, value, status,
//! anomaly_score, quality}`; `quality` only when it is not good. MongoDB's time has milliseconds; the `_id` keeps apart
//! what falls into the same one.
//!
//! Documents are sorted by sensor: a time-series collection writes a bucket per series, and what a batch costs is decided
//! by how many documents it brings for each.

use crate::mongo::bson::{DOCUMENT, PutBson};
use genims_catalogue::{Catalogue, Sensor};
use genims_model::{Quality, Reading, SensorNo, Status};
use uuid::Uuid;

/// The name of a record for ever: four bytes of the log's id and the offset, so that ids ascend with the log.
pub fn object_id(spool_id: Uuid, offset: u64) -> [u8; 12] {
    let mut id = [0; 12];
    id[..4].copy_from_slice(&spool_id.as_bytes()[..4]);
    id[4..].copy_from_slice(&offset.to_be_bytes());
    id
}

/// The offset in an [`object_id`] of this log.
pub(crate) fn offset_of(spool_id: Uuid, id: [u8; 12]) -> Option<u64> {
    let (log, offset) = id.split_first_chunk::<4>()?;
    (log == &spool_id.as_bytes()[..4]).then(|| offset.try_into().ok().map(u64::from_be_bytes))?
}

/// Encodes readings; keeps what the documents of one sensor share.
pub struct ReadingEncoder<'a> {
    catalogue: &'a Catalogue,
    spool_id: Uuid,
    /// The element `meta`.
    meta: Vec<u8>,
    meta_of: Option<SensorNo>,
}

/// `_id` and `timestamp` with the document's length in front: all of fixed size.
const HEAD_BYTES: usize = 4 + (1 + 4 + 12) + (1 + 10 + 8);

impl<'a> ReadingEncoder<'a> {
    pub fn new(catalogue: &'a Catalogue, spool_id: Uuid) -> Self {
        Self { catalogue, spool_id, meta: Vec::with_capacity(256), meta_of: None }
    }

    /// Appends one document. The sensor is known to the catalogue: the caller has asked.
    pub fn encode(&mut self, reading: &Reading, offset: u64, out: &mut Vec<u8>) {
        if self.meta_of != Some(reading.sensor) {
            self.share(reading.sensor);
        }
        let opened = out.len();
        out.extend_from_slice(&self.head(reading, offset));
        out.extend_from_slice(&self.meta);
        out.extend_from_slice(&tail(reading)[..]);
        if reading.quality != Quality::Good {
            out.pop();
            out.put_string("quality", reading.quality.as_str());
            out.push(0);
        }
        let length = (out.len() - opened) as i32;
        out[opened..opened + 4].copy_from_slice(&length.to_le_bytes());
    }

    fn head(&self, reading: &Reading, offset: u64) -> [u8; HEAD_BYTES] {
        let mut head = *b"\0\0\0\0\x07_id\0............\x09timestamp\0........";
        head[9..21].copy_from_slice(&object_id(self.spool_id, offset));
        head[32..].copy_from_slice(&reading.timestamp_us.div_euclid(1_000).to_le_bytes());
        head
    }

    fn share(&mut self, sensor: SensorNo) {
        self.meta_of = Some(sensor);
        self.meta.clear();
        if let Some(entry) = self.catalogue.sensor(sensor) {
            self.meta.put_key(DOCUMENT, "meta");
            put_meta(&entry.sensor, &mut self.meta);
        }
    }
}

fn put_meta(sensor: &Sensor, out: &mut Vec<u8>) {
    let opened = out.open();
    out.put_string("factory_id", &sensor.factory_id);
    out.put_string("line_id", &sensor.line_id);
    out.put_string("machine_id", &sensor.machine_id);
    out.put_string("sensor_id", &sensor.sensor_id);
    if let Some(sensor_type) = &sensor.sensor_type {
        out.put_string("sensor_type", sensor_type);
    }
    out.put_string("unit", &sensor.unit);
    out.close(opened);
}

/// `value`, `status`, `anomaly_score` and the document's end.
struct TailBytes {
    bytes: [u8; TAIL_BYTES_MAX],
    length: usize,
}

const TAIL_BYTES_MAX: usize = 15 + (1 + 7 + 4 + 9) + 23 + 1;

impl std::ops::Deref for TailBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

fn tail(reading: &Reading) -> TailBytes {
    let mut tail = TailBytes { bytes: [0; TAIL_BYTES_MAX], length: 0 };
    let mut put = |piece: &[u8]| {
        tail.bytes[tail.length..tail.length + piece.len()].copy_from_slice(piece);
        tail.length += piece.len();
    };
    put(b"\x01value\0");
    put(&reading.value.to_le_bytes());
    put(match reading.status {
        Status::Normal => b"\x02status\0\x07\0\0\0normal\0",
        Status::Warning => b"\x02status\0\x08\0\0\0warning\0",
        Status::Critical => b"\x02status\0\x09\0\0\0critical\0",
    });
    put(b"\x01anomaly_score\0");
    put(&f64::from(reading.anomaly_score).to_le_bytes());
    put(&[0]);
    tail
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use bson::{DateTime, Document, doc, oid::ObjectId};

    fn expected(reading: &Reading, spool_id: Uuid, offset: u64) -> Document {
        let mut document = doc! {
            "_id": ObjectId::from_bytes(object_id(spool_id, offset)),
            "timestamp": DateTime::from_millis(reading.timestamp_us.div_euclid(1_000)),
            "meta": {
                "factory_id": "FAC-01", "line_id": "LINE-01",
                "machine_id": format!("MAC-{:04}", reading.sensor.0 / 8),
                "sensor_id": format!("SEN-{:06}", reading.sensor.0), "sensor_type": "temperature", "unit": "C",
            },
            "value": reading.value,
            "status": reading.status.as_str(),
            "anomaly_score": f64::from(reading.anomaly_score),
        };
        if reading.quality != Quality::Good {
            document.insert("quality", reading.quality.as_str());
        }
        document
    }

    #[test]
    fn documents_have_the_bytes_of_the_bson_crate() {
        let catalogue = sample::catalogue(20);
        let spool_id = Uuid::from_u128(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10);
        let mut encoder = ReadingEncoder::new(&catalogue, spool_id);
        for case in 0..60_u32 {
            let mut reading = sample::reading(SensorNo(case / 3), -1 + i64::from(case) * 1_234_567);
            reading.status = Status::from_u8((case % 3) as u8).expect("a status");
            reading.quality = Quality::from_u8((case % 5) as u8).expect("a quality");
            let mut bytes = vec![0xEE; 3];
            encoder.encode(&reading, u64::from(case), &mut bytes);
            let document = expected(&reading, spool_id, u64::from(case));
            assert_eq!(bytes[3..], document.to_vec().expect("BSON"), "{document}");
        }
    }

    #[test]
    fn an_id_gives_its_offset_back_and_ids_ascend_with_the_log() {
        let spool_id = Uuid::from_u128(7 << 96);
        for offset in [0, 1, 255, 256, u64::MAX] {
            assert_eq!(offset_of(spool_id, object_id(spool_id, offset)), Some(offset));
        }
        assert!(object_id(spool_id, 255) < object_id(spool_id, 256));
        assert_eq!(offset_of(Uuid::from_u128(8 << 96), object_id(spool_id, 1)), None);
    }
}
