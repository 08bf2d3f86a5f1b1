//! Readings and a catalogue for the tests of this room.

use genims_catalogue::{Catalogue, Limits, Sensor};
use genims_model::{Protocol, Quality, Reading, SensorNo, Status};

pub fn reading(sensor: SensorNo, timestamp_us: i64) -> Reading {
    Reading {
        sensor,
        protocol: Protocol::Mqtt,
        status: Status::Warning,
        quality: Quality::Good,
        flags: 0,
        source: 0,
        timestamp_us,
        received_us: timestamp_us.saturating_add(1_500),
        value: 75.25,
        min_1min: 70.0,
        max_1min: 80.5,
        avg_1min: 75.1234,
        std_1min: 0.0001,
        anomaly_score: 0.25,
    }
}

pub fn catalogue(sensors: u32) -> Catalogue {
    let mut catalogue = Catalogue::default();
    for no in 0..sensors {
        catalogue.put_sensor(Sensor {
            sensor_id: format!("SEN-{no:06}"),
            machine_id: format!("MAC-{:04}", no / 8),
            line_id: "LINE-01".to_owned(),
            factory_id: "FAC-01".to_owned(),
            unit: "C".to_owned(),
            sensor_code: None,
            sensor_type: Some("temperature".to_owned()),
            limits: Limits::default(),
            sampling_frequency_hz: None,
            calibration_day: Some(20_000),
            calibration_frequency_days: Some(365),
            active: true,
        });
    }
    catalogue
}
