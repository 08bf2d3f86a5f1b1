-- asks: planner
-- question: Which confirmed orders wait for work that is not done, and how late will they be?
-- sensible: rows BETWEEN 1 AND 50 AND bool_and(days_late > 0) AND bool_and(produced < planned OR unfinished > 0)
SELECT o.sales_order_number, c.customer_name, o.confirmed_delivery_date, count(*) AS unfinished, sum(w.planned_quantity) AS planned,
       sum(w.good_quantity) AS produced, max(greatest(w.planned_end_date::date, CURRENT_DATE)) - o.confirmed_delivery_date AS days_late
FROM genims_erp_db.sales_orders o
JOIN genims_manufacturing_db.work_orders w USING (sales_order_number)
JOIN genims_master_db.customers c ON c.customer_id = o.customer_id
WHERE w.status NOT IN ('completed', 'closed', 'cancelled') AND o.order_status NOT IN ('completed', 'cancelled')
GROUP BY 1, 2, 3
HAVING max(greatest(w.planned_end_date::date, CURRENT_DATE)) > o.confirmed_delivery_date
ORDER BY days_late DESC, o.sales_order_number
LIMIT 50;
