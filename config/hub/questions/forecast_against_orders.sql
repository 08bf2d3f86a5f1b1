-- asks: planner
-- question: How far was what we forecast from what customers ordered in the same months?
-- sensible: rows >= 1 AND count(DISTINCT product_id) = rows AND min(forecast) > 0 AND sum(ordered) BETWEEN 0.5 * sum(forecast) AND 2 * sum(forecast)
SELECT p.product_id, p.product_name, f.forecast, coalesce(o.ordered, 0) AS ordered,
       round(100 * coalesce(o.ordered, 0) / f.forecast, 1) AS ordered_percent
FROM genims_master_db.products p
JOIN (SELECT product_id, sum(forecast_quantity) AS forecast, min(period_start) AS first_day, max(period_end) AS last_day
      FROM genims_erp_db.demand_forecasts
      WHERE status = 'released' AND period_end < CURRENT_DATE GROUP BY product_id HAVING sum(forecast_quantity) > 0) f USING (product_id)
LEFT JOIN LATERAL (SELECT sum(l.order_quantity) AS ordered
      FROM genims_erp_db.sales_order_lines l JOIN genims_erp_db.sales_orders s USING (sales_order_id)
      WHERE l.product_id = p.product_id AND s.order_date BETWEEN f.first_day AND f.last_day
        AND s.order_status <> 'cancelled' AND NOT l.deletion_indicator) o ON true
ORDER BY ordered_percent DESC, p.product_id;
