//! Where the configured server has its logs, and what a running one says of them: for `genims capacity` and the checklist.

use crate::server::routes::EVENTS;
use crate::settings::Settings;
use genims_platform::capacity::{CapacityOptions, LogFill, LogPlace};
use serde_json::Value;
use std::time::Duration;

/// `stats` is what the running server says, `/stats` or its snapshot; else why there is none. `limit`: for one answer.
pub fn options(settings: &Settings, stats: Result<&Value, &str>, warn_days: u32, limit: Duration) -> CapacityOptions {
    let readings = LogPlace {
        what: "log of readings",
        folder: settings.data_dir.join("spool"),
        bytes_max: settings.spool.max_bytes,
        told: stats.map_err(str::to_owned).and_then(told),
    };
    let mut logs = vec![readings];
    let folder = settings.data_dir.join(EVENTS);
    if settings.routes.is_some() || settings.rows.is_some() || folder.exists() {
        let bytes_max = settings.routes.clone().unwrap_or_default().max_bytes;
        let told = Err("the server does not say how fast it grows".to_owned());
        logs.push(LogPlace { what: "log of events", folder, bytes_max, told });
    }
    CapacityOptions { warn_days, limit, data_dir: settings.data_dir.clone(), logs }
}

/// What stands there of the log of readings; only a snapshot has a forecast, and only when the server has run for some seconds.
fn told(stats: &Value) -> Result<LogFill, String> {
    let bytes = |at: &str| stats.pointer(at).and_then(Value::as_u64);
    let (Some(now), Some(most)) = (bytes("/spool/bytes"), bytes("/spool/bytes_max")) else {
        return Err("the server's /stats has no sizes: run the release that belongs to this program".to_owned());
    };
    let seconds_until_full = stats.pointer("/fill/seconds_until_full").and_then(Value::as_f64);
    let has_seen_some = stats.pointer("/rates/span_seconds").and_then(Value::as_f64).is_some_and(|span| span > 0.0);
    Ok(LogFill {
        bytes: now,
        bytes_max: most,
        full: stats.pointer("/spool/full") == Some(&Value::Bool(true)),
        is_measured: seconds_until_full.is_some() || has_seen_some,
        seconds_until_full,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use genims_api::snapshot::{Fill, ServerSnapshot};
    use genims_databases::Environment;
    use std::path::Path;

    fn logs(text: &str, stats: Result<&Value, &str>) -> Vec<LogPlace> {
        let settings = Settings::parse(text, Path::new("plant.toml"), &Environment::default()).expect("good settings");
        options(&settings, stats, 30, Duration::ZERO).logs
    }

    #[test]
    fn a_snapshot_has_a_forecast_and_stats_have_sizes() {
        let fill = Fill { share: 0.5, seconds_until_full: Some(60.0) };
        let mut snapshot = ServerSnapshot { fill, ..ServerSnapshot::default() };
        (snapshot.report.spool.bytes, snapshot.report.spool.bytes_max, snapshot.report.spool.full) = (4, 8, true);
        let of = |value: &Value| logs("", Ok(value))[0].told.clone();
        let expected =
            LogFill { bytes: 4, bytes_max: 8, full: true, is_measured: true, seconds_until_full: Some(60.0) };
        assert_eq!(of(&serde_json::to_value(&snapshot).expect("JSON")), Ok(expected));
        snapshot.fill.seconds_until_full = None;
        let just_started = LogFill { is_measured: false, seconds_until_full: None, ..expected };
        assert_eq!(of(&serde_json::to_value(&snapshot).expect("JSON")), Ok(just_started));
        snapshot.rates.span_seconds = 10.0;
        let calm = LogFill { is_measured: true, ..just_started };
        assert_eq!(of(&serde_json::to_value(&snapshot).expect("JSON")), Ok(calm), "it does not grow");
        let sizes = just_started;
        assert_eq!(of(&serde_json::to_value(&snapshot.report).expect("JSON")), Ok(sizes));
        assert!(of(&Value::Null).is_err_and(|why| why.contains("/stats")));
    }

    #[test]
    fn the_log_of_events_is_there_where_something_goes_through_it() {
        let caps = |text: &str| {
            let logs = logs(text, Err("refused"));
            logs.into_iter().map(|log| (log.what, log.bytes_max)).collect::<Vec<_>>()
        };
        let nowhere = "data_dir = \"/nonexistent/data\"\n[spool]\nmax_bytes = 2_000_000_000\n";
        assert_eq!(caps(nowhere), [("log of readings", 2_000_000_000)]);
        let routed = format!("{nowhere}[routes]\nmax_bytes = 500_000_000\n");
        assert_eq!(caps(&routed), [("log of readings", 2_000_000_000), ("log of events", 500_000_000)]);
        assert_eq!(logs(nowhere, Err("refused"))[0].told, Err("refused".to_owned()));
    }
}
