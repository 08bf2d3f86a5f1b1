-- asks: planner
-- question: How far is what we forecast from what customers order?
-- sensible: rows >= 3 AND min(forecast) > 0 AND min(ordered) >= 0
SELECT p.product_id, p.product_name, f.forecast, coalesce(o.ordered, 0) AS ordered,
       round(100 * coalesce(o.ordered, 0) / f.forecast, 1) AS ordered_percent
FROM genims_master_db.products p
JOIN (SELECT product_id, sum(forecast_quantity) AS forecast FROM genims_erp_db.demand_forecasts
      WHERE status = 'released' GROUP BY product_id HAVING sum(forecast_quantity) > 0) f USING (product_id)
LEFT JOIN (SELECT l.product_id, sum(l.order_quantity) AS ordered
      FROM genims_erp_db.sales_order_lines l JOIN genims_erp_db.sales_orders s USING (sales_order_id)
      WHERE s.order_date >= CURRENT_DATE - 365 AND s.order_status <> 'cancelled' AND NOT l.deletion_indicator GROUP BY l.product_id) o USING (product_id)
ORDER BY ordered_percent DESC;
