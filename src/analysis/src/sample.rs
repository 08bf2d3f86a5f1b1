//! A sensor for the tests of this room.

use genims_catalogue::{Limits, Sensor};

/// 0 to 100 degrees, critical above 80.
pub(crate) fn sensor() -> Sensor {
    Sensor {
        sensor_id: "S1".to_owned(),
        machine_id: "M1".to_owned(),
        line_id: "L1".to_owned(),
        factory_id: "F1".to_owned(),
        unit: "C".to_owned(),
        sensor_code: Some("TEMP-1".to_owned()),
        sensor_type: Some("temperature".to_owned()),
        limits: Limits { range_min: Some(0.0), range_max: Some(100.0), critical_max: Some(80.0), ..Limits::default() },
        sampling_frequency_hz: None,
        calibration_day: None,
        calibration_frequency_days: None,
        active: true,
    }
}
