-- asks: auditor
-- question: Does the warehouse hold each fault that began before today, with the same standstill?
-- sensible: sum(faults) > 0 AND bool_and(faults = facts) AND bool_and(minutes = fact_minutes)
SELECT factory_id, coalesce(s.faults, 0) AS faults, coalesce(w.facts, 0) AS facts, coalesce(s.minutes, 0) AS minutes,
       coalesce(w.fact_minutes, 0) AS fact_minutes
FROM (SELECT factory_id, count(*) AS faults, coalesce(sum(downtime_minutes), 0) AS minutes
      FROM genims_operations_db.machine_faults WHERE fault_start_time < CURRENT_DATE GROUP BY factory_id) s
FULL JOIN (SELECT d.factory_id, count(*) AS facts, sum(f.downtime_minutes) AS fact_minutes
      FROM genims_analytics_db.fact_machine_fault f JOIN genims_analytics_db.dim_factory d USING (factory_key)
      WHERE f.fault_start_time < CURRENT_DATE GROUP BY d.factory_id) w USING (factory_id)
ORDER BY factory_id;
