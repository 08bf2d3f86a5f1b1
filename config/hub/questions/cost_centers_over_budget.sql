-- asks: controller
-- question: Which cost centers spend more than they may, and whose are they?
-- sensible: rows BETWEEN 1 AND 20 AND count(DISTINCT cost_center_code) = rows AND min(budget) > 0 AND min(over_percent) > 0 AND bool_and(responsible <> '')
SELECT c.cost_center_code, c.cost_center_name, c.cost_center_type, concat_ws(' ', e.first_name, e.last_name) AS responsible,
       sum(b.budget_amount) AS budget, sum(b.actual_amount) AS actual, round(100 * sum(b.actual_amount) / sum(b.budget_amount) - 100, 1) AS over_percent
FROM genims_reporting_db.budget_vs_actual b
JOIN genims_financial_db.cost_centers c USING (cost_center_id)
LEFT JOIN genims_master_db.employees e ON e.employee_id = c.responsible_employee_id
WHERE b.account_type = 'expense'
GROUP BY 1, 2, 3, 4
HAVING sum(b.actual_amount) > sum(b.budget_amount) AND sum(b.budget_amount) > 0
ORDER BY sum(b.actual_amount) - sum(b.budget_amount) DESC
LIMIT 20;
