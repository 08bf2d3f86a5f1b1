-- asks: maintenance lead
-- question: Has every serious fault a work order, and how long did the answer take?
-- sensible: rows >= 1 AND bool_and(with_work_order <= faults) AND sum(with_work_order) > 0
SELECT f.fault_severity, f.fault_category, count(*) AS faults, count(w.work_order_id) AS with_work_order,
       round(avg(extract(epoch FROM w.actual_start_date - f.fault_start_time) / 3600), 1) AS mean_hours_to_start,
       sum(w.actual_total_cost) AS cost
FROM genims_operations_db.machine_faults f
LEFT JOIN genims_maintenance_db.work_orders w ON w.machine_fault_id = f.fault_id::text
GROUP BY f.fault_severity, f.fault_category
ORDER BY faults DESC;
