-- asks: maintenance lead
-- question: How many sensors of each kind are not well, and how many are past their calibration?
-- sensible: sum(sensors) > 0 AND count(DISTINCT sensor_type) = rows AND bool_and(observed <= sensors) AND sum(observed) > 0.5 * sum(sensors) AND sum(unwell) < 0.2 * sum(observed) AND min(mean_health) BETWEEN 50 AND 100
SELECT s.sensor_type, count(*) AS sensors, count(h.sensor_id) AS observed, count(*) FILTER (WHERE h.overall_status <> 'healthy') AS unwell,
       round(avg(h.health_score), 1) AS mean_health,
       count(*) FILTER (WHERE s.calibration_date + s.calibration_frequency_days < CURRENT_DATE) AS past_calibration
FROM genims_master_db.sensors s
LEFT JOIN (SELECT DISTINCT ON (sensor_id) sensor_id, overall_status, health_score
      FROM genims_operations_db.sensor_health ORDER BY sensor_id, "timestamp" DESC) h USING (sensor_id)
GROUP BY s.sensor_type
ORDER BY unwell DESC, sensors DESC, s.sensor_type;
