-- asks: planner
-- question: On which machines is maintenance of the next two weeks planned on days that have jobs for their lines?
-- sensible: rows BETWEEN 1 AND 100 AND count(DISTINCT (work_order_number, day)) = rows AND min(jobs) >= 1 AND min(maintenance_hours) > 0 AND max(maintenance_hours) <= 24 * 14
SELECT a.machine_id, m.machine_name, s.schedule_date AS day, count(DISTINCT s.schedule_id) AS jobs, w.work_order_number, w.wo_type, w.priority,
       w.scheduled_start_date AS first_day, w.scheduled_end_date AS last_day, w.estimated_duration_hours AS maintenance_hours
FROM genims_maintenance_db.work_orders w
JOIN genims_maintenance_db.maintenance_assets a USING (asset_id)
JOIN genims_master_db.machines m USING (machine_id)
JOIN genims_manufacturing_db.production_schedule s
  ON s.line_id = m.line_id AND s.schedule_date BETWEEN w.scheduled_start_date AND w.scheduled_end_date
WHERE w.scheduled_start_date BETWEEN CURRENT_DATE AND CURRENT_DATE + 14 AND s.schedule_status NOT IN ('cancelled', 'completed')
  AND w.wo_status NOT IN ('cancelled', 'completed', 'verified', 'closed')
GROUP BY 1, 2, 3, 5, 6, 7, 8, 9, 10
ORDER BY day, a.machine_id, w.work_order_number
LIMIT 100;
