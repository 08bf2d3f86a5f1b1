-- asks: auditor
-- question: Does the warehouse hold each fault of the stream, with the same standstill?
-- sensible: rows >= 1 AND bool_and(faults = facts) AND bool_and(minutes = fact_minutes) AND sum(faults) > 0
SELECT s.factory_id, s.faults, w.facts, s.minutes, w.fact_minutes
FROM (SELECT factory_id, count(*) AS faults, coalesce(sum(downtime_minutes), 0) AS minutes
      FROM genims_operations_db.machine_faults GROUP BY factory_id) s
JOIN (SELECT d.factory_id, count(*) AS facts, sum(f.downtime_minutes) AS fact_minutes
      FROM genims_analytics_db.fact_machine_fault f JOIN genims_analytics_db.dim_factory d USING (factory_key) GROUP BY d.factory_id) w USING (factory_id)
ORDER BY s.factory_id;
