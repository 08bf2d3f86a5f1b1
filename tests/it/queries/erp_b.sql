-- name: order_to_cash_by_customer
-- sensible: rows >= 8 AND min(revenue) > 0 AND min(days_to_pay) >= 0 AND max(days_to_pay) < 200
SELECT i.customer_id, count(DISTINCT i.customer_invoice_id) AS invoices, sum(i.subtotal) AS revenue,
       avg(i.invoice_date - o.order_date)::numeric(8,1) AS days_to_invoice,
       avg(i.paid_date - i.invoice_date)::numeric(8,1) AS days_to_pay,
       sum(i.balance_due) FILTER (WHERE i.due_date < CURRENT_DATE) AS overdue
FROM customer_invoices i JOIN sales_orders o USING (sales_order_id)
GROUP BY 1 ORDER BY revenue DESC;

-- name: margin_by_product_last_90_days
-- sensible: rows >= 5 AND min(margin_percentage) > -20 AND max(margin_percentage) < 80
SELECT l.product_id, m.material_name, sum(l.quantity) AS quantity, sum(l.line_total) AS revenue, sum(l.cost_amount) AS cost,
       round(100 * (sum(l.line_total) - sum(l.cost_amount)) / sum(l.line_total), 2) AS margin_percentage,
       rank() OVER (ORDER BY sum(l.line_total) - sum(l.cost_amount) DESC) AS place
FROM customer_invoice_lines l JOIN customer_invoices i USING (customer_invoice_id) JOIN materials m USING (material_id)
WHERE i.invoice_date >= CURRENT_DATE - 90
GROUP BY 1, 2;

-- name: delivery_reliability_by_month
-- sensible: rows >= 6 AND min(on_time_percentage) >= 50 AND max(on_time_percentage) <= 100
SELECT date_trunc('month', l.delivery_date)::date AS month, count(*) AS lines,
       round(100.0 * count(*) FILTER (WHERE l.delivery_date <= s.confirmed_delivery_date) / count(*), 1) AS on_time_percentage
FROM customer_invoice_lines l JOIN sales_order_lines s USING (sales_order_line_id)
WHERE l.quantity = s.order_quantity
GROUP BY 1 ORDER BY 1;

-- name: order_backlog
-- sensible: rows >= 2 AND min(open_value) > 0
SELECT date_trunc('month', o.requested_delivery_date)::date AS month, count(DISTINCT o.sales_order_id) AS orders,
       sum((l.order_quantity - l.delivered_quantity) * l.net_price / l.order_quantity) AS open_value
FROM sales_orders o JOIN sales_order_lines l USING (sales_order_id)
WHERE o.order_status NOT IN ('completed', 'cancelled', 'shipped') AND l.order_quantity > l.delivered_quantity
GROUP BY 1 ORDER BY 1;

-- name: credit_exposure
-- sensible: rows >= 10 AND min(exposure) >= 0
SELECT c.customer_id, sum(c.credit_limit) AS credit_limit, sum(c.exposure_amount) AS exposure, sum(c.overdue_amount) AS overdue, bool_or(c.is_blocked) AS blocked,
       coalesce(sum(m.credited), 0) AS credited
FROM customer_credit_limits c LEFT JOIN (SELECT customer_id, sum(total_amount) / 4 AS credited FROM credit_memos WHERE status = 'applied' GROUP BY 1) m USING (customer_id)
WHERE c.valid_to IS NULL GROUP BY 1 ORDER BY exposure DESC;

-- name: project_status
-- sensible: rows >= 3 AND min(average_completion) >= 0 AND max(average_completion) <= 100
SELECT p.project_type, count(*) AS projects, sum(p.budget_amount) AS budget, sum(p.actual_cost) AS actual, avg(p.completion_percentage)::numeric(5,2) AS average_completion,
       count(*) FILTER (WHERE p.forecast_cost > p.budget_amount) AS over_budget
FROM projects p GROUP BY 1;
