-- name: sla_compliance_by_tier_and_priority
-- sensible: rows >= 8 AND min(resolution_compliance_pct) >= 0 AND avg(resolution_compliance_pct) BETWEEN 70 AND 99 AND sum(tickets) > 100
SELECT s.customer_tier, s.priority, count(*) AS tickets,
       round(avg(t.first_response_time_minutes), 1) AS average_response_minutes,
       round(100.0 * count(*) FILTER (WHERE NOT t.response_sla_breached) / count(*), 1) AS response_compliance_pct,
       round(100.0 * count(*) FILTER (WHERE NOT t.resolution_sla_breached) / count(*), 1) AS resolution_compliance_pct
FROM service_tickets t
JOIN sla_definitions s USING (sla_id)
WHERE t.created_at >= CURRENT_DATE - 365
GROUP BY s.customer_tier, s.priority
ORDER BY s.customer_tier, s.priority;

-- name: satisfaction_falls_with_breaches
-- sensible: rows = 2 AND max(average_rating) FILTER (WHERE breached) < min(average_rating) FILTER (WHERE NOT breached) AND min(average_rating) BETWEEN 1 AND 5
SELECT t.response_sla_breached OR t.resolution_sla_breached AS breached, count(*) AS ratings,
       round(avg(t.csat_rating), 2) AS average_rating,
       round(100.0 * count(*) FILTER (WHERE t.csat_rating <= 2) / count(*), 1) AS unhappy_pct
FROM service_tickets t
WHERE t.csat_rating IS NOT NULL
GROUP BY 1;

-- name: backlog_and_intake_last_30_days
-- sensible: rows BETWEEN 28 AND 31 AND min(backlog_count) >= 0 AND sum(tickets_created) > 0 AND max(intake_7_days) > 0
SELECT metric_date, tickets_created, tickets_resolved, backlog_count,
       round(avg(tickets_created) OVER w, 1) AS intake_7_days,
       round(avg(resolution_sla_compliance_pct) OVER w, 1) AS compliance_7_days
FROM service_metrics_daily
WHERE metric_date >= CURRENT_DATE - 30
WINDOW w AS (ORDER BY metric_date ROWS BETWEEN 6 PRECEDING AND CURRENT ROW)
ORDER BY metric_date;

-- name: warranty_cost_by_product
-- sensible: rows >= 1 AND min(claims) >= 1 AND min(cost) >= 0 AND bool_and(refused <= claims)
SELECT w.product_category, w.product_name, count(DISTINCT w.warranty_id) AS units_with_claims, count(*) AS claims,
       count(*) FILTER (WHERE c.claim_status = 'rejected') AS refused,
       count(*) FILTER (WHERE c.failure_category IN ('manufacturing_defect', 'material_defect')) AS own_fault,
       sum(c.total_claim_amount) AS cost, sum(c.warranty_coverage) AS borne_by_us,
       round(avg(c.claim_date - w.warranty_start_date), 1) AS average_days_in_use
FROM warranty_claims c
JOIN warranty_registrations w USING (warranty_id)
GROUP BY w.product_category, w.product_name
ORDER BY cost DESC;

-- name: return_reasons_last_180_days
-- sensible: rows >= 3 AND sum(requests) >= 5 AND min(share_pct) > 0 AND max(average_days_to_receipt) BETWEEN 1 AND 60
SELECT r.return_reason, count(DISTINCT r.rma_id) AS requests, sum(l.quantity_returned) AS units, sum(l.line_total_refund) AS value,
       round(100.0 * count(DISTINCT r.rma_id) / sum(count(DISTINCT r.rma_id)) OVER (), 1) AS share_pct,
       round(avg(r.received_date - r.created_at::date), 1) AS average_days_to_receipt
FROM rma_requests r
JOIN rma_line_items l USING (rma_id)
WHERE r.created_at >= CURRENT_DATE - 180
GROUP BY r.return_reason
ORDER BY requests DESC;

-- name: field_visits_of_technicians
-- sensible: rows >= 3 AND min(visits) >= 1 AND min(average_minutes) > 30 AND max(average_minutes) < 400
SELECT f.technician_id, f.first_name || ' ' || f.last_name AS technician, f.employee_id IS NULL AS of_partner,
       count(a.appointment_id) AS visits, round(avg(a.actual_duration_minutes), 1) AS average_minutes,
       sum(a.travel_distance_km) AS km, sum(a.total_charges) AS charged,
       count(DISTINCT u.service_part_id) AS kinds_of_parts
FROM field_technicians f
JOIN field_service_appointments a ON a.assigned_technician_id = f.technician_id AND a.appointment_status = 'completed'
LEFT JOIN service_parts_usage u USING (appointment_id)
GROUP BY f.technician_id
ORDER BY visits DESC;
