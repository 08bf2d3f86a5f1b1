//! What the MQTT codec costs alone: a 64 KiB read full of QoS 1 messages, parsed, and each answered with a PUBACK.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use genims_listen::mqtt::packet::inbound::Publish;
use genims_listen::mqtt::packet::{Version, kind, outbound, wire};
use std::hint::black_box;

const READ_BYTES: usize = 64 * 1024;

/// Messages as single sensors send them; the count as well.
fn read(version: Version, topic: &str, payload: &[u8]) -> (Vec<u8>, u64) {
    let (mut bytes, mut count) = (Vec::new(), 0);
    while bytes.len() < READ_BYTES {
        let mut body = Vec::new();
        wire::put_string(&mut body, topic);
        count += 1;
        body.extend_from_slice(&(count as u16).to_be_bytes());
        if version == Version::V5 {
            body.push(0);
        }
        body.extend_from_slice(payload);
        bytes.push(0x32);
        wire::put_varint(&mut bytes, body.len());
        bytes.extend_from_slice(&body);
    }
    (bytes, count)
}

fn parse_and_answer(bytes: &[u8], version: Version, out: &mut Vec<u8>) -> usize {
    let (mut taken, mut payload_bytes) = (0, 0);
    while let Ok(Some(frame)) = wire::frame(&bytes[taken..], 1 << 20, Some(version)) {
        taken += frame.bytes;
        if let Ok(publish) = Publish::parse(&frame, version) {
            payload_bytes += publish.payload.len();
            outbound::put_acknowledgement(out, version, kind::PUBACK, publish.packet_id, 0);
        }
    }
    payload_bytes
}

fn packets(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("mqtt_packet");
    let topic = "genims/v1/factory-01/line-03/machine-0117/TEMP";
    let single = br#"{"value": 21.375, "timestamp_ms": 1767225600000}"#;
    let batch = [b'1'; 8_000];
    for (version, name) in [(Version::V3, "v3.1.1"), (Version::V5, "v5")] {
        for (form, payload) in [("single", single.as_slice()), ("batch", &batch)] {
            let (bytes, count) = read(version, topic, payload);
            let mut out = Vec::with_capacity(READ_BYTES);
            group.throughput(Throughput::Elements(count));
            group.bench_function(BenchmarkId::new(name, form), |bencher| {
                bencher.iter(|| {
                    out.clear();
                    parse_and_answer(black_box(&bytes), version, &mut out)
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, packets);
criterion_main!(benches);
