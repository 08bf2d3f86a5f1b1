-- name: oee_by_line_last_90_days
-- sensible: rows >= 5 AND min(availability) > 30 AND max(availability) <= 100 AND min(quality) > 80
SELECT line_id, count(*) AS jobs,
       round(100.0 * sum(run_time_minutes) / sum(run_time_minutes + setup_time_minutes + downtime_minutes), 1) AS availability,
       round(100.0 * sum(produced_quantity * planned_cycle_time_seconds / 60.0) / sum(run_time_minutes), 1) AS performance,
       round(100.0 * sum(good_quantity) / sum(produced_quantity), 1) AS quality
FROM work_orders
WHERE actual_end_time >= CURRENT_DATE - 90
GROUP BY line_id
ORDER BY availability;

-- name: downtime_pareto_by_machine
-- sensible: rows >= 10 AND min(minutes) > 0 AND max(running_share) BETWEEN 99 AND 100.1
SELECT machine_id, count(*) AS stops, sum(duration_minutes) AS minutes, round(avg(response_time_minutes), 1) AS mean_response,
       round(100.0 * sum(sum(duration_minutes)) OVER (ORDER BY sum(duration_minutes) DESC, machine_id) / sum(sum(duration_minutes)) OVER (), 1) AS running_share
FROM downtime_events
WHERE machine_id IS NOT NULL AND downtime_start >= CURRENT_DATE - 365 AND status = 'resolved' AND duration_minutes > 0
GROUP BY machine_id
ORDER BY minutes DESC;

-- name: cost_against_standard_by_product
-- sensible: rows >= 5 AND min(actual) > 0 AND max(abs(difference_percent)) < 100
SELECT product_id, sum(produced_quantity) AS units, round(sum(actual_cost_per_unit * produced_quantity) / sum(produced_quantity), 2) AS actual,
       round(sum(standard_cost_per_unit * produced_quantity) / sum(produced_quantity), 2) AS standard,
       round(100 * (sum(actual_cost_per_unit * produced_quantity) / sum(standard_cost_per_unit * produced_quantity) - 1), 1) AS difference_percent
FROM work_orders
WHERE actual_end_time >= CURRENT_DATE - 365
GROUP BY product_id
ORDER BY difference_percent DESC;

-- name: labor_efficiency_by_shift_last_90_days
-- sensible: rows >= 3 AND min(hours) > 0 AND min(efficiency) > 20 AND max(efficiency) <= 200
SELECT w.factory_id, l.shift_id, sum(l.actual_hours) AS hours, round(100 * sum(l.standard_hours) / sum(l.actual_hours), 1) AS efficiency,
       count(DISTINCT l.employee_id) AS operators
FROM labor_transactions l
JOIN work_orders w USING (work_order_id)
JOIN work_order_operations o USING (operation_id)
WHERE l.clock_in_time >= CURRENT_DATE - 90
GROUP BY w.factory_id, l.shift_id
ORDER BY w.factory_id, l.shift_id;

-- name: first_pass_yield_and_defects_by_product
-- sensible: rows >= 5 AND min(first_pass_yield) > 80 AND max(first_pass_yield) <= 100
SELECT w.product_id, round(100.0 * sum(w.good_quantity) / sum(w.produced_quantity), 2) AS first_pass_yield,
       coalesce(sum(d.defects), 0) AS defects, coalesce(sum(d.cost), 0) AS defect_cost
FROM work_orders w
LEFT JOIN (SELECT work_order_id, sum(quantity_affected) AS defects, sum(total_cost) AS cost FROM defects GROUP BY 1) d USING (work_order_id)
WHERE w.produced_quantity > 0
GROUP BY w.product_id
ORDER BY first_pass_yield;
