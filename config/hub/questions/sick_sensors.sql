-- asks: maintenance lead
-- question: Which sensors are not well, and was their last calibration in time?
-- sensible: rows BETWEEN 1 AND 50 AND min(health_score) >= 0 AND max(health_score) <= 100
SELECT s.sensor_id, s.sensor_name, m.machine_name, h.overall_status, h.health_score,
       s.calibration_date + s.calibration_frequency_days AS calibration_due,
       s.calibration_date + s.calibration_frequency_days < CURRENT_DATE AS is_overdue
FROM (SELECT DISTINCT ON (sensor_id) sensor_id, overall_status, health_score
      FROM genims_operations_db.sensor_health ORDER BY sensor_id, "timestamp" DESC) h
JOIN genims_master_db.sensors s USING (sensor_id)
JOIN genims_master_db.machines m USING (machine_id)
ORDER BY h.health_score, s.sensor_id
LIMIT 50;
