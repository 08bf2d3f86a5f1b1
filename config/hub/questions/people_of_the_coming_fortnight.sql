-- asks: planner
-- question: How many people of each plant are there in the next two weeks, and how many are on leave?
-- sensible: rows >= 1 AND count(DISTINCT factory_id) = rows AND min(assigned) > 0 AND bool_and(assigned <= people) AND bool_and(on_leave < people)
SELECT f.factory_id, f.factory_name, count(DISTINCT e.employee_id) AS people, count(DISTINCT s.employee_id) AS assigned,
       count(DISTINCT l.employee_id) AS on_leave
FROM genims_master_db.factories f
JOIN genims_master_db.employees e USING (factory_id)
LEFT JOIN genims_hr_db.employee_shifts s
  ON s.employee_id = e.employee_id AND s.effective_date <= CURRENT_DATE + 14 AND coalesce(s.end_date, CURRENT_DATE) >= CURRENT_DATE
LEFT JOIN genims_hr_db.leave_requests l
  ON l.employee_id = e.employee_id AND l.request_status = 'approved' AND NOT l.cancelled
  AND l.start_date <= CURRENT_DATE + 14 AND l.end_date >= CURRENT_DATE
GROUP BY f.factory_id, f.factory_name
ORDER BY people DESC;
