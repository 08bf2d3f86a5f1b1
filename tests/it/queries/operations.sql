-- name: oee_by_line_last_quarter
-- sensible: rows >= 5 AND min(oee) BETWEEN 10 AND 100 AND max(oee) <= 100
SELECT line_id, count(*) AS runs, sum(actual_quantity) AS made, sum(rejected_quantity) AS rejected,
       round(avg(availability_percentage), 1) AS availability, round(avg(performance_percentage), 1) AS performance,
       round(avg(quality_percentage), 1) AS quality, round(avg(oee_percentage), 1) AS oee
FROM production_runs
WHERE status = 'completed' AND run_start_time >= CURRENT_DATE - 90
GROUP BY line_id
ORDER BY oee;

-- name: product_changes_and_their_setup_time
-- sensible: rows >= 3 AND min(changes) >= 1 AND max(share_of_run_percent) < 60
SELECT line_id, count(*) AS changes, sum(changeover_time_minutes) AS minutes,
       round(100.0 * sum(changeover_time_minutes) / nullif(sum(actual_duration_minutes), 0), 2) AS share_of_run_percent
FROM production_runs
WHERE previous_product_id <> product_id AND actual_duration_minutes IS NOT NULL
GROUP BY line_id
ORDER BY minutes DESC;

-- name: service_work_by_type_and_plant
-- sensible: rows >= 6 AND min(jobs) >= 1 AND max(share_percent) < 100
SELECT factory_id, maintenance_type, count(*) AS jobs, round(sum(duration_minutes) / 60.0, 1) AS hours, sum(total_cost_usd) AS cost_usd,
       round(100.0 * count(*) / sum(count(*)) OVER (PARTITION BY factory_id), 1) AS share_percent
FROM maintenance_events
WHERE actual_start >= CURRENT_DATE - 365
GROUP BY factory_id, maintenance_type
HAVING count(*) > 0
ORDER BY factory_id, jobs DESC;

-- name: reject_rate_by_product
-- sensible: rows >= 5 AND min(reject_percent) >= 0 AND max(reject_percent) < 20
SELECT product_id, sum(actual_quantity) AS made, sum(rejected_quantity) AS rejected,
       round(100.0 * sum(rejected_quantity) / nullif(sum(actual_quantity), 0), 2) AS reject_percent,
       rank() OVER (ORDER BY 1.0 * sum(rejected_quantity) / nullif(sum(actual_quantity), 0) DESC) AS place
FROM production_runs
WHERE status = 'completed'
GROUP BY product_id
ORDER BY place;
