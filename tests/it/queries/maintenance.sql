-- name: worst_machines_of_the_last_half_year
-- sensible: rows = 10 AND min(failures) >= 1 AND min(availability) BETWEEN 50 AND 100 AND bool_or(machine_id IN ('MCH-0007', 'MCH-0019', 'MCH-0042', 'MCH-0088', 'MCH-0131'))
SELECT a.machine_id, a.asset_name, a.criticality_rating,
       count(*) FILTER (WHERE w.wo_type = 'breakdown') AS failures,
       round(sum(w.downtime_minutes) / 60.0, 1) AS downtime_hours,
       round(100 - 100 * sum(w.downtime_minutes) / (180 * 24 * 60.0), 2) AS availability,
       round(sum(w.downtime_minutes) / 60.0 * max(a.downtime_cost_per_hour), 0) AS loss_inr,
       rank() OVER (ORDER BY sum(w.downtime_minutes) DESC) AS place
FROM work_orders w
JOIN maintenance_assets a USING (asset_id)
WHERE a.machine_id IS NOT NULL AND a.parent_asset_id IS NULL
  AND w.requested_date >= CURRENT_DATE - 180 AND w.downtime_category = 'unplanned'
GROUP BY a.machine_id, a.asset_name, a.criticality_rating
ORDER BY downtime_hours DESC
LIMIT 10;

-- name: overdue_preventive_work
-- sensible: rows >= 3 AND min(completion_rate) BETWEEN 0 AND 100 AND sum(overdue) >= 1
SELECT f.factory_id,
       count(*) AS planned,
       count(*) FILTER (WHERE w.actual_end_date IS NULL AND w.scheduled_start_date < CURRENT_DATE) AS overdue,
       round(100.0 * count(*) FILTER (WHERE w.actual_end_date IS NOT NULL) / count(*), 1) AS completion_rate,
       round(avg(w.actual_start_date::date - w.scheduled_start_date), 1) AS days_late
FROM work_orders w
JOIN maintenance_assets f USING (asset_id)
WHERE w.source_type = 'pm_schedule' AND w.wo_status <> 'cancelled'
  AND w.scheduled_start_date BETWEEN CURRENT_DATE - 90 AND CURRENT_DATE
GROUP BY f.factory_id
ORDER BY completion_rate;

-- name: failure_pareto
-- sensible: rows >= 5 AND max(cumulative_percent) BETWEEN 99 AND 101 AND max(share_percent) < 60
WITH failures AS (
    SELECT c.failure_code, c.failure_description, count(*) AS jobs, sum(w.downtime_minutes) AS minutes
    FROM work_orders w JOIN failure_codes c USING (failure_code)
    WHERE w.requested_date >= CURRENT_DATE - 365
    GROUP BY c.failure_code, c.failure_description)
SELECT failure_code, failure_description, jobs, minutes,
       round(100.0 * jobs / sum(jobs) OVER (), 2) AS share_percent,
       round(100.0 * sum(jobs) OVER (ORDER BY jobs DESC, failure_code) / sum(jobs) OVER (), 2) AS cumulative_percent
FROM failures
ORDER BY jobs DESC, failure_code;

-- name: cost_by_plant_and_month
-- sensible: rows >= 12 AND min(total) > 0 AND bool_and(total = labor + parts + contractor)
SELECT a.factory_id, date_trunc('month', c.cost_date)::date AS month,
       coalesce(sum(c.cost_amount) FILTER (WHERE c.cost_type = 'labor'), 0) AS labor,
       coalesce(sum(c.cost_amount) FILTER (WHERE c.cost_type = 'parts'), 0) AS parts,
       coalesce(sum(c.cost_amount) FILTER (WHERE c.cost_type = 'contractor'), 0) AS contractor,
       sum(c.cost_amount) AS total,
       sum(sum(c.cost_amount)) OVER (PARTITION BY a.factory_id ORDER BY date_trunc('month', c.cost_date)) AS running_total
FROM maintenance_costs c
JOIN maintenance_assets a USING (asset_id)
GROUP BY a.factory_id, date_trunc('month', c.cost_date)
ORDER BY a.factory_id, month;

-- name: spare_parts_to_order
-- sensible: rows >= 3 AND min(missing) > 0 AND min(current_stock) >= 0
SELECT p.part_number, p.part_name, p.criticality, p.current_stock, p.reorder_point, p.max_stock_level - p.current_stock AS missing,
       round((p.max_stock_level - p.current_stock) * p.average_cost, 2) AS order_value, p.lead_time_days,
       (SELECT max(t.transaction_date)::date FROM mro_parts_transactions t WHERE t.mro_part_id = p.mro_part_id AND t.transaction_type = 'issue') AS last_issue
FROM mro_parts p
WHERE p.is_active AND p.current_stock <= p.reorder_point
ORDER BY CASE p.criticality WHEN 'critical' THEN 1 WHEN 'high' THEN 2 WHEN 'medium' THEN 3 ELSE 4 END, missing DESC;

-- name: assets_that_need_attention
-- sensible: rows >= 3 AND max(health_score) <= 100 AND bool_and(condition_status IN ('warning', 'critical'))
SELECT a.machine_id, m.parameter_name, m.current_value, m.critical_threshold, m.unit_of_measure, m.condition_status, m.health_score,
       m.remaining_useful_life_days, f.failure_mode_name, f.risk_priority_number, w.work_order_number, w.wo_status
FROM condition_monitoring m
JOIN maintenance_assets a USING (asset_id)
LEFT JOIN failure_modes f USING (failure_mode_id)
LEFT JOIN work_orders w ON w.work_order_id = m.work_order_id
WHERE m.condition_status IN ('warning', 'critical')
ORDER BY m.health_score, a.machine_id;
