-- name: pipeline_by_stage_and_territory
-- sensible: rows >= 8 AND min(open_deals) >= 1 AND min(weighted_amount) > 0 AND bool_and(weighted_amount <= amount)
SELECT t.territory_name, s.stage_order, s.stage_name, count(*) AS open_deals, sum(o.amount) AS amount,
       sum(o.expected_revenue) AS weighted_amount,
       count(*) FILTER (WHERE h.since < CURRENT_DATE - s.stalled_after_days) AS stalled
FROM opportunities o
JOIN sales_stages s ON s.stage_code = o.stage
JOIN sales_reps r ON r.sales_rep_id = o.opportunity_owner
JOIN sales_territories t ON t.territory_id = r.territory_id
JOIN LATERAL (SELECT max(changed_at) AS since FROM opportunity_stage_history WHERE opportunity_id = o.opportunity_id) h ON true
WHERE NOT o.is_closed
GROUP BY t.territory_name, s.stage_order, s.stage_name
ORDER BY t.territory_name, s.stage_order;

-- name: win_rate_by_quarter
-- sensible: rows BETWEEN 4 AND 6 AND min(win_rate_pct) > 10 AND max(win_rate_pct) < 90 AND min(average_cycle_days) BETWEEN 20 AND 200
SELECT date_trunc('quarter', actual_close_date)::date AS quarter,
       count(*) AS closed, count(*) FILTER (WHERE win_loss_status = 'won') AS won,
       round(100.0 * count(*) FILTER (WHERE win_loss_status = 'won') / count(*), 1) AS win_rate_pct,
       sum(amount) FILTER (WHERE win_loss_status = 'won') AS won_amount,
       round(avg(actual_close_date - created_at::date), 1) AS average_cycle_days
FROM opportunities
WHERE is_closed AND actual_close_date >= CURRENT_DATE - 400
GROUP BY 1
ORDER BY 1;

-- name: lead_funnel_by_source
-- sensible: rows >= 5 AND min(leads) > 0 AND bool_and(converted <= qualified AND qualified <= leads) AND sum(won_amount) > 0
SELECT l.lead_source, count(*) AS leads,
       count(*) FILTER (WHERE l.qualification_status = 'qualified') AS qualified,
       count(*) FILTER (WHERE l.converted) AS converted,
       count(*) FILTER (WHERE o.win_loss_status = 'won') AS won,
       coalesce(sum(o.amount) FILTER (WHERE o.win_loss_status = 'won'), 0) AS won_amount,
       round(avg(l.lead_score), 1) AS average_score,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM l.first_contact_date - l.created_at) / 3600) AS median_hours_to_contact
FROM leads l
LEFT JOIN opportunities o ON o.opportunity_id = l.converted_to_opportunity_id
GROUP BY l.lead_source
ORDER BY leads DESC;

-- name: forecast_accuracy_of_territories
-- sensible: rows >= 5 AND avg(mean_accuracy_pct) BETWEEN 30 AND 100
SELECT t.territory_name, count(*) AS months, round(avg(f.forecast_accuracy_pct), 1) AS mean_accuracy_pct,
       sum(f.actual_revenue) AS actual_revenue, sum(f.total_forecast) AS forecast
FROM sales_forecasts f
JOIN sales_territories t ON t.territory_id = f.territory_id
WHERE f.forecast_period = 'monthly' AND f.sales_rep_id IS NULL AND f.forecast_accuracy_pct IS NOT NULL
GROUP BY t.territory_name
ORDER BY mean_accuracy_pct DESC;

-- name: key_accounts_at_risk
-- sensible: rows >= 1 AND max(health_score) < 60 AND bool_or(customer_id = 'CUS-0003')
SELECT a.account_id, a.customer_id, a.account_name, a.account_tier, a.health_score, a.ytd_revenue,
       count(DISTINCT c.case_id) AS cases_90_days, count(DISTINCT c.case_id) FILTER (WHERE c.sla_violated) AS violated,
       max(i.interaction_date) AS last_touch,
       rank() OVER (ORDER BY a.health_score) AS urgency
FROM accounts a
LEFT JOIN cases c ON c.account_id = a.account_id AND c.created_at >= CURRENT_DATE - 90
LEFT JOIN customer_interactions i ON i.account_id = a.account_id
WHERE a.customer_id IS NOT NULL AND a.churn_risk IN ('medium', 'high')
GROUP BY a.account_id
ORDER BY urgency;

-- name: lost_deals_by_competitor
-- sensible: rows >= 3 AND bool_and(lost <= met) AND max(share_of_losses_pct) <= 100
WITH met AS (
    SELECT o.opportunity_id, o.amount, o.win_loss_status, o.lost_to_competitor, trim(name) AS competitor
    FROM opportunities o, unnest(string_to_array(o.competitors, ',')) AS name
    WHERE o.is_closed AND o.actual_close_date >= CURRENT_DATE - 365
)
SELECT competitor, count(*) AS met, count(*) FILTER (WHERE lost_to_competitor = competitor) AS lost,
       sum(amount) FILTER (WHERE lost_to_competitor = competitor) AS lost_amount,
       round(100.0 * count(*) FILTER (WHERE lost_to_competitor = competitor)
             / nullif(sum(count(*) FILTER (WHERE lost_to_competitor = competitor)) OVER (), 0), 1) AS share_of_losses_pct
FROM met
GROUP BY competitor
ORDER BY lost DESC;
