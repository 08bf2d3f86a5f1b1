-- name: supplier_ppm_ranking
-- sensible: rows >= 5 AND min(ppm) >= 0 AND max(ppm) < 1000000 AND bool_or(place <= 5 AND supplier_id IN ('SUP-0003', 'SUP-0007', 'SUP-0012'))
SELECT supplier_id, sum(total_receipts) AS receipts, sum(quantity_rejected) AS rejected,
       round(1000000 * sum(quantity_rejected) / sum(total_quantity_received)) AS ppm, sum(ncr_count) AS cases, sum(total_copq) AS copq_inr,
       rank() OVER (ORDER BY sum(quantity_rejected) / sum(total_quantity_received) DESC) AS place
FROM supplier_quality_metrics
GROUP BY supplier_id
HAVING sum(total_quantity_received) > 0
ORDER BY place;

-- name: cost_of_quality_by_month
-- sensible: rows >= 6 AND min(total) > 0 AND max(failure_percent) BETWEEN 1 AND 100
SELECT cost_period,
       sum(cost_amount) FILTER (WHERE cost_category = 'prevention') AS prevention,
       sum(cost_amount) FILTER (WHERE cost_category = 'appraisal') AS appraisal,
       sum(cost_amount) FILTER (WHERE cost_category = 'internal_failure') AS internal_failure,
       sum(cost_amount) FILTER (WHERE cost_category = 'external_failure') AS external_failure,
       sum(cost_amount) AS total,
       round(100 * coalesce(sum(cost_amount) FILTER (WHERE cost_category LIKE '%failure'), 0) / sum(cost_amount), 1) AS failure_percent
FROM quality_cost_tracking
WHERE cost_date >= CURRENT_DATE - 365 AND status <> 'reversed'
GROUP BY cost_period
ORDER BY cost_period;

-- name: open_cases_by_age
-- sensible: rows >= 3 AND min(oldest_days) >= 0 AND sum(cases) >= 3
SELECT source_type, ncr_status, count(*) AS cases, max(CURRENT_DATE - detected_date) AS oldest_days,
       count(*) FILTER (WHERE defect_severity = 'critical') AS critical, round(avg(CURRENT_DATE - detected_date), 1) AS mean_age_days
FROM ncr_headers
WHERE ncr_status NOT IN ('closed', 'cancelled')
GROUP BY source_type, ncr_status
ORDER BY oldest_days DESC;

-- name: capability_and_signals_of_processes
-- sensible: rows >= 10 AND min(cpk) > 0 AND max(signal_percent) < 10
SELECT c.chart_number, c.process_name, c.characteristic_name, c.cpk, c.ppk, count(p.data_point_id) AS points,
       round(100.0 * count(*) FILTER (WHERE p.out_of_control) / count(*), 2) AS signal_percent,
       CASE WHEN c.cpk >= 1.67 THEN 'capable' WHEN c.cpk >= 1.33 THEN 'watch' ELSE 'not capable' END AS verdict
FROM spc_control_charts c
JOIN spc_data_points p USING (chart_id)
WHERE c.chart_status = 'active' AND p.measurement_timestamp >= CURRENT_DATE - 90
GROUP BY c.chart_id, c.chart_number, c.process_name, c.characteristic_name, c.cpk, c.ppk
ORDER BY c.cpk;

-- name: machines_with_failed_checks
-- sensible: rows >= 3 AND max(fail_percent) <= 100 AND min(checks) >= 5
SELECT machine_id, count(*) AS checks, count(*) FILTER (WHERE inspection_result = 'fail') AS failed,
       round(100.0 * count(*) FILTER (WHERE inspection_result = 'fail') / count(*), 2) AS fail_percent,
       count(DISTINCT ncr_id) AS cases
FROM in_process_inspections
WHERE machine_id IS NOT NULL
GROUP BY machine_id
HAVING count(*) >= 5
ORDER BY fail_percent DESC, checks DESC
LIMIT 20;

-- name: action_plans_on_time_by_source
-- sensible: rows >= 3 AND min(on_time_percent) >= 0 AND max(on_time_percent) <= 100
SELECT c.initiated_from, count(*) AS plans, count(*) FILTER (WHERE c.capa_status IN ('open', 'in_progress') AND c.target_completion_date < CURRENT_DATE) AS overdue,
       round(100.0 * count(*) FILTER (WHERE c.actual_completion_date <= c.target_completion_date) / nullif(count(c.actual_completion_date), 0), 1) AS on_time_percent,
       round(avg(c.actual_completion_date - c.created_at::date), 1) AS mean_days, sum(a.steps) AS steps
FROM capa_headers c
JOIN (SELECT capa_id, count(*) AS steps FROM capa_actions GROUP BY capa_id) a USING (capa_id)
WHERE c.capa_status <> 'cancelled'
GROUP BY c.initiated_from
ORDER BY plans DESC;
