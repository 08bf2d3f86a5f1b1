-- name: supplier_ranking
-- sensible: rows >= 10 AND min(score) >= 0 AND max(score) <= 100
SELECT supplier_id, round(avg(overall_score), 1) AS score, round(avg(ontime_delivery_pct), 1) AS on_time, sum(quantity_rejected) AS rejected, sum(total_spend) AS spend,
       dense_rank() OVER (ORDER BY avg(overall_score) DESC) AS place
FROM supplier_performance_metrics WHERE overall_score IS NOT NULL GROUP BY 1 ORDER BY place;

-- name: late_suppliers_are_rated_low
-- sensible: rows = 3 AND max(rating_latest) IN ('C', 'D') AND min(rating_latest) IN ('B', 'C', 'D')
SELECT DISTINCT ON (supplier_id) supplier_id, scorecard_period, supplier_rating AS rating_latest, overall_score
FROM supplier_scorecards WHERE supplier_id IN ('SUP-0003', 'SUP-0007', 'SUP-0012') ORDER BY supplier_id, scorecard_period DESC;

-- name: open_payables_by_age
-- sensible: rows >= 1 AND min(open_amount) >= 0
SELECT CASE WHEN due_date >= CURRENT_DATE THEN 'not due' WHEN due_date >= CURRENT_DATE - 30 THEN '1-30' WHEN due_date >= CURRENT_DATE - 60 THEN '31-60' ELSE 'over 60' END AS bucket,
       count(*) AS invoices, sum(total_amount - coalesce(paid_amount, 0)) AS open_amount
FROM supplier_invoices WHERE payment_status <> 'paid' AND invoice_status <> 'rejected' GROUP BY 1 ORDER BY 1;

-- name: savings_of_awards
-- sensible: rows >= 3 AND min(saving_pct) BETWEEN -5 AND 50
SELECT h.rfq_id, h.awarded_to, count(*) AS offers, min(r.total_quoted_value) AS best, max(r.total_quoted_value) AS worst,
       round(100 * (avg(r.total_quoted_value) - min(r.total_quoted_value)) / avg(r.total_quoted_value), 2) AS saving_pct
FROM rfq_headers h JOIN rfq_responses r USING (rfq_id) WHERE h.rfq_status = 'awarded' GROUP BY 1, 2 HAVING count(*) > 1 ORDER BY saving_pct DESC;

-- name: overdue_audit_findings
-- sensible: rows >= 1 AND min(days_overdue) > 0
SELECT a.supplier_id, a.audit_number, f.finding_type, f.finding_category, CURRENT_DATE - f.target_date AS days_overdue
FROM audit_findings f JOIN supplier_audits a USING (audit_id) WHERE f.finding_status NOT IN ('closed', 'verified') AND f.target_date < CURRENT_DATE ORDER BY days_overdue DESC;
