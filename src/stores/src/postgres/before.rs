//! What is to be known before records are read in the order of their receipt ([`super::received`]): the state of machines and the latest
//! readings of sensors, and afterwards: when it ended that a tool was in a spindle, or somebody at a machine.

use crate::error::SinkError;
use crate::postgres::event_rows::naive;
use crate::postgres::received::{READING, reading};
use crate::postgres::stored::{Stored, micros, snapshot_of};
use genims_model::{Reading, Snapshot};

/// Sensors that are asked for at once.
const SENSORS: usize = 50;
/// How many readings of a sensor tell what is usual of it, and beyond which limits it is: the memory's weight is 0.002.
const READINGS: i64 = 500;

/// How far back it is looked for since when a machine is in its state: beyond, nobody knows.
const STATE_BACK: &str = "interval '7 days'";
/// How far back it is looked for what a snapshot may leave out because it says only what changed.
const SAID_BACK: &str = "interval '1 day'";
const MAY_BE_LEFT_OUT: [&str; 6] = [
    "operator_id",
    "tool_number",
    "energy_consumed_kwh",
    "parts_produced_cumulative",
    "parts_produced_shift",
    "parts_rejected_shift",
];

/// The sensors of a catalogue, some at a time, each with its newest readings.
pub struct NewestReadings {
    sensors: Vec<String>,
    received_us: i64,
    ahead_us: i64,
}

impl Stored {
    /// What was known of each machine before a time of receipt: its newest snapshot, the first one of the state that this shows,
    /// the last one before that state, and the newest ones that say what it leaves out.
    pub async fn snapshots_before(&self, received_us: i64) -> Result<Vec<Snapshot>, SinkError> {
        let machines: Vec<&str> =
            self.catalogue().machines().iter().map(|entry| entry.machine.machine_id.as_str()).collect();
        let said = MAY_BE_LEFT_OUT.map(|column| {
            format!(
                " UNION SELECT s.* FROM newest CROSS JOIN LATERAL (
                 SELECT * FROM public.scada_machine_data AS s WHERE s.machine_id = newest.machine_id
                     AND s.timestamp < newest.timestamp AND s.timestamp > newest.timestamp - {SAID_BACK}
                     AND s.{column} IS NOT NULL ORDER BY s.timestamp DESC LIMIT 1) AS s WHERE newest.{column} IS NULL"
            )
        });
        let said = said.concat();
        let select = format!(
            "WITH newest AS (SELECT s.* FROM unnest($1::text[]) AS machine (id) CROSS JOIN LATERAL (
                 SELECT * FROM public.scada_machine_data WHERE machine_id = machine.id AND created_at < $2
                     AND timestamp < $2 + interval '1 day' ORDER BY timestamp DESC LIMIT 1) AS s),
             before AS (SELECT s.* FROM newest CROSS JOIN LATERAL (
                 SELECT * FROM public.scada_machine_data AS s WHERE s.machine_id = newest.machine_id
                     AND s.timestamp < newest.timestamp AND s.timestamp > newest.timestamp - {STATE_BACK}
                     AND s.machine_state <> newest.machine_state
                 ORDER BY s.timestamp DESC LIMIT 1) AS s),
             first AS (SELECT s.* FROM newest JOIN before ON before.machine_id = newest.machine_id CROSS JOIN LATERAL (
                 SELECT * FROM public.scada_machine_data AS s WHERE s.machine_id = newest.machine_id
                     AND s.timestamp > before.timestamp ORDER BY s.timestamp LIMIT 1) AS s)
             SELECT machine_id, timestamp, created_at, last_fault_timestamp, to_jsonb(s)
             FROM (SELECT * FROM newest UNION SELECT * FROM before UNION SELECT * FROM first{said}) AS s
             ORDER BY machine_id, timestamp"
        );
        let rows = self.query(&select, &[&machines, &naive(received_us)]).await?;
        Ok(rows.iter().filter_map(|row| snapshot_of(self.catalogue(), row)).collect())
    }

    /// The newest readings of each sensor that were received before a time. No clock was believed that was further ahead than `ahead_us`.
    pub fn newest_before(&self, received_us: i64, ahead_us: i64) -> NewestReadings {
        let sensors = self.catalogue().sensors().iter().map(|entry| entry.sensor.sensor_id.clone()).collect();
        NewestReadings { sensors, received_us, ahead_us }
    }

    /// When another tool was in the machine's spindle after a time, and which.
    pub async fn next_tool(&self, machine_id: &str, after_us: i64, tool: i32) -> Result<Option<(i64, i32)>, SinkError> {
        let select = "SELECT timestamp, tool_number FROM public.scada_machine_data
             WHERE machine_id = $1 AND timestamp > $2 AND tool_number <> $3 ORDER BY timestamp LIMIT 1";
        let rows = self.query(select, &[&machine_id, &naive(after_us), &tool]).await?;
        Ok(rows.first().map(|row| (micros(row.get(0)), row.get(1))))
    }

    /// When somebody else was at the machine after a time: who, and in which shift.
    pub async fn next_operator(
        &self,
        machine_id: &str,
        after_us: i64,
        operator: &str,
    ) -> Result<Option<(i64, String, Option<String>)>, SinkError> {
        let select = "SELECT timestamp, operator_id, shift_id FROM public.scada_machine_data
             WHERE machine_id = $1 AND timestamp > $2 AND operator_id <> $3 ORDER BY timestamp LIMIT 1";
        let rows = self.query(select, &[&machine_id, &naive(after_us), &operator]).await?;
        Ok(rows.first().map(|row| (micros(row.get(0)), row.get(1), row.get(2))))
    }
}

impl NewestReadings {
    /// Of the next sensors, each sensor's by time; nothing behind the last one.
    pub async fn next(&mut self, stored: &Stored) -> Result<Vec<Reading>, SinkError> {
        let select = format!(
            "SELECT {READING} FROM unnest($1::text[]) AS one (id) CROSS JOIN LATERAL (
                 SELECT * FROM public.sensor_data WHERE sensor_id = one.id AND protocol IS NOT NULL AND created_at < $2
                     AND timestamp <= $3 ORDER BY timestamp DESC LIMIT {READINGS}) AS s
             ORDER BY sensor_id, timestamp, sensor_data_id"
        );
        let [before, until] = [self.received_us, self.received_us.saturating_add(self.ahead_us)].map(naive);
        while !self.sensors.is_empty() {
            let sensors = self.sensors.split_off(self.sensors.len().saturating_sub(SENSORS));
            let rows = stored.query(&select, &[&sensors, &before, &until]).await?;
            let readings: Vec<Reading> = rows.iter().filter_map(|row| reading(stored, row)).collect();
            if !readings.is_empty() {
                return Ok(readings);
            }
        }
        Ok(Vec::new())
    }
}
