-- asks: controller
-- question: Which tiers of customers earn how much of the margin?
-- sensible: rows >= 2 AND min(customers) >= 1 AND min(revenue_inr) > 0 AND sum(share_percent) BETWEEN 99.5 AND 100.5 AND min(margin_percent) > -100 AND max(margin_percent) < 100
SELECT coalesce(a.account_tier, 'none') AS tier, count(DISTINCT s.customer_id) AS customers, sum(s.revenue_inr) AS revenue_inr,
       sum(s.margin_inr) AS margin_inr, round(100 * sum(s.margin_inr) / nullif(sum(s.revenue_inr), 0), 1) AS margin_percent,
       round(100 * sum(s.revenue_inr) / nullif(sum(sum(s.revenue_inr)) OVER (), 0), 1) AS share_percent
FROM genims_reporting_db.sales_by_customer s
JOIN genims_master_db.customers c USING (customer_id)
LEFT JOIN LATERAL (SELECT account_tier FROM genims_crm_db.accounts a
                   WHERE a.customer_id = c.customer_id ORDER BY account_id LIMIT 1) a ON true
GROUP BY 1
ORDER BY revenue_inr DESC;
