-- asks: auditor
-- question: Who worked on orders in the last month with a certificate that has expired?
-- sensible: rows >= 0 AND coalesce(min(hours), 1) > 0 AND coalesce(bool_and(expired < DATE '9999-01-01'), true)
SELECT e.employee_id, e.role, e.factory_id, c.certification_name, c.expiry_date AS expired, w.hours, w.orders
FROM genims_master_db.employees e
JOIN genims_hr_db.employee_certifications c USING (employee_id)
JOIN (SELECT employee_id, sum(actual_hours) AS hours, count(DISTINCT work_order_id) AS orders
      FROM genims_manufacturing_db.labor_transactions WHERE clock_in_time >= CURRENT_DATE - 30 GROUP BY employee_id) w USING (employee_id)
WHERE c.expiry_date < CURRENT_DATE
ORDER BY c.expiry_date, e.employee_id
LIMIT 50;
