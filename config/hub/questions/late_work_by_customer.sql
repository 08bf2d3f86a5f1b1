-- asks: planner
-- question: Whose work orders are late, by how many days, and what is their share of last year's orders?
-- sensible: rows >= 1 AND min(late_orders) >= 1 AND min(worst_days) > 0 AND bool_and(late_orders <= work_orders)
SELECT c.customer_id, c.customer_name, c.sla_on_time_delivery_percentage AS promised_percent, w.work_orders, w.late_orders, w.worst_days,
       coalesce(o.orders, 0) AS sales_orders
FROM genims_master_db.customers c
JOIN (SELECT customer_id, count(*) AS work_orders, count(*) FILTER (WHERE is_late) AS late_orders, max(days_late) AS worst_days
      FROM genims_reporting_db.work_order_summary GROUP BY customer_id) w USING (customer_id)
LEFT JOIN (SELECT customer_id, count(*) AS orders FROM genims_erp_db.sales_orders
           WHERE order_date >= CURRENT_DATE - 365 GROUP BY customer_id) o USING (customer_id)
WHERE w.late_orders > 0
ORDER BY w.late_orders DESC, c.customer_id;
