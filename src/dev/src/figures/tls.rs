//! What TLS costs: single readings at QoS 1 with it, between two runs in clear, at a server without sinks and routes. Both ends
//! of the encryption are on this machine.

use super::figure::{Bound, Figure, Promise, listed};
use super::lab::{Lab, Load, Setup};
use crate::bench::announce;
use anyhow::Context;
use serde_json::Value;

const PLAN: &str = "single_qos1.toml";
const SECONDS: &str = "5";

const TLS: Promise =
    Promise { name: "tls", what: "TLS costs the rate at QoS 1", unit: "%", bound: Bound::AtMost(20.0) };

pub(super) fn measure(lab: &mut Lab, rounds: u32) -> anyhow::Result<Vec<Figure>> {
    let (mut costs, mut secured) = (Vec::new(), Vec::new());
    let authority = lab.stack.ca_file().to_string_lossy().into_owned();
    for round in 1..=rounds {
        announce(&format!("TLS, round {round} of {rounds}: in clear, with it, in clear"));
        lab.serve(Setup::Tls)?;
        let (with_tls, clear) = (format!("mqtts://{}", lab.tls), lab.bench.addresses.mqtt.to_string());
        let arguments =
            ["--seconds", SECONDS, "--mqtt", with_tls.as_str(), "--ca", authority.as_str(), "--clear", clear.as_str()];
        let load = Load { name: format!("tls-{round}"), plan: PLAN, arguments: &arguments, is_judged: false };
        let report = lab.load(&load)?;
        lab.bench.stop_server();
        costs.push(cost_percent(&report)?);
        secured.push(report["messages_per_s"].as_f64().context("the report has no rate")?);
    }
    let settings = format!(
        "config/loadtest/{PLAN} for {SECONDS} s, {rounds} rounds, before and after each in clear; without sinks and routes; \
         messages/s with TLS: {}",
        listed(&secured)
    );
    Ok(vec![Figure::new(TLS, costs, settings)])
}

fn cost_percent(report: &Value) -> anyhow::Result<f64> {
    let ratio = report["ratio_to_clear"].as_f64().context("the report has no ratio to clear")?;
    Ok(100.0 * (1.0 - ratio))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_cost_is_what_is_missing_of_the_rate_in_clear() {
        assert_eq!(cost_percent(&json!({ "ratio_to_clear": 0.75 })).expect("a ratio"), 25.0);
        assert!(cost_percent(&json!({ "ratio_to_clear": null })).is_err());
    }
}
