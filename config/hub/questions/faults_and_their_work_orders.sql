-- asks: maintenance lead
-- question: Has every serious fault a work order, and how long did the answer take?
-- sensible: sum(faults) >= 1 AND bool_and(with_work_order = faults) AND min(mean_hours_to_start) >= 0 AND max(mean_hours_to_start) < 24
SELECT f.fault_severity, f.fault_category, count(*) AS faults, count(w.machine_fault_id) AS with_work_order,
       round(avg(extract(epoch FROM w.first_start - f.fault_start_time) / 3600), 1) AS mean_hours_to_start, sum(w.cost) AS cost
FROM genims_operations_db.machine_faults f
LEFT JOIN (SELECT machine_fault_id, min(actual_start_date) AS first_start, sum(actual_total_cost) AS cost
           FROM genims_maintenance_db.work_orders WHERE wo_status <> 'cancelled' GROUP BY machine_fault_id) w ON w.machine_fault_id = f.fault_id::text
WHERE f.fault_severity IN ('high', 'critical')
GROUP BY f.fault_severity, f.fault_category
ORDER BY faults DESC, 1, 2;
