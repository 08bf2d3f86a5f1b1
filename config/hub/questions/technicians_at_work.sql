-- asks: maintenance lead
-- question: How much of the time that technicians are there do they work on orders?
-- sensible: rows >= 1 AND count(DISTINCT technician_code) = rows AND min(booked_hours) > 0 AND max(booked_percent) <= 100 AND max(present_hours) <= 60 * 16
SELECT t.technician_code, e.job_title, t.trade, b.jobs, b.booked_hours, p.present_hours,
       round(100 * b.booked_hours / p.present_hours, 1) AS booked_percent
FROM genims_maintenance_db.maintenance_technicians t
JOIN genims_hr_db.employees e USING (employee_id)
JOIN (SELECT technician_id, count(DISTINCT work_order_id) AS jobs, sum(duration_hours) AS booked_hours
      FROM genims_maintenance_db.labor_time_entries WHERE start_time >= CURRENT_DATE - 60 GROUP BY technician_id) b USING (technician_id)
JOIN (SELECT employee_id, sum(actual_hours) AS present_hours FROM genims_hr_db.attendance_records
      WHERE attendance_date >= CURRENT_DATE - 60 GROUP BY employee_id HAVING sum(actual_hours) > 0) p USING (employee_id)
ORDER BY booked_percent DESC;
