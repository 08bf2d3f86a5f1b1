-- asks: controller
-- question: Which customers owe us what is due, and does sales know how they feel?
-- sensible: rows BETWEEN 1 AND 20 AND count(DISTINCT customer_id) = rows AND min(overdue_inr) > 0 AND min(oldest_days) > 0 AND max(oldest_days) < 365
SELECT i.customer_id, c.customer_name, count(*) AS items, sum(i.open_amount) FILTER (WHERE i.currency_code = 'INR') AS overdue_inr,
       max(CURRENT_DATE - i.due_date) AS oldest_days, max(a.churn_risk) AS churn_risk, min(a.health_score) AS health_score
FROM genims_financial_db.accounts_receivable_items i
JOIN genims_master_db.customers c USING (customer_id)
LEFT JOIN (SELECT DISTINCT ON (customer_id) customer_id, churn_risk, health_score FROM genims_crm_db.accounts
           ORDER BY customer_id, health_score) a USING (customer_id)
WHERE i.open_amount > 0 AND i.due_date < CURRENT_DATE
GROUP BY i.customer_id, c.customer_name
ORDER BY overdue_inr DESC, i.customer_id
LIMIT 20;
