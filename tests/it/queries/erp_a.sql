-- name: supplier_delivery_last_90_days
-- sensible: rows >= 5 AND min(on_time_pct) >= 0 AND max(on_time_pct) <= 100 AND min(on_time_pct) < 80
SELECT s.supplier_id, s.supplier_name, count(*) AS receipts, round(100.0 * avg((g.gr_date <= l.delivery_date)::int), 1) AS on_time_pct,
       round(avg(g.gr_date - l.delivery_date), 1) AS days_late_avg, rank() OVER (ORDER BY avg((g.gr_date <= l.delivery_date)::int)) AS worst_first
FROM goods_receipts g JOIN purchase_order_lines l USING (po_line_id) JOIN suppliers s ON s.supplier_id = g.supplier_id
WHERE g.gr_date >= CURRENT_DATE - 90 AND NOT g.cancelled
GROUP BY 1, 2 ORDER BY on_time_pct;

-- name: stock_coverage_by_plant
-- sensible: rows >= 10 AND min(days_of_cover) >= 0
SELECT b.plant_id, m.material_id, m.material_name, sum(b.unrestricted_stock) AS stock, s.average_daily_demand,
       round(sum(b.unrestricted_stock) / s.average_daily_demand, 1) AS days_of_cover, sum(b.unrestricted_stock) < s.safety_stock_quantity AS below_safety_stock
FROM inventory_balances b JOIN materials m USING (material_id)
JOIN safety_stock_levels s ON s.material_id = b.material_id AND s.plant_id = b.plant_id AND s.status = 'active'
WHERE s.average_daily_demand > 0 GROUP BY 1, 2, 3, 5, s.safety_stock_quantity ORDER BY days_of_cover LIMIT 50;

-- name: production_performance_by_month
-- sensible: rows >= 10 AND min(scrap_pct) >= 0 AND max(scrap_pct) < 15 AND max(in_time_pct) <= 100
SELECT plant_id, date_trunc('month', actual_finish_date)::date AS month, count(*) AS orders, sum(delivered_quantity) AS delivered,
       round(100 * sum(scrap_quantity) / nullif(sum(delivered_quantity + scrap_quantity), 0), 2) AS scrap_pct,
       round(100.0 * avg((actual_finish_date <= basic_end_date)::int), 1) AS in_time_pct, round(100 * sum(variance_amount) / nullif(sum(planned_costs), 0), 2) AS cost_variance_pct
FROM production_orders WHERE actual_finish_date IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 2;

-- name: lot_genealogy_backward
-- sensible: rows >= 1 AND count(DISTINCT component_lot) >= 1
SELECT p.lot_number AS made_lot, o.production_order_id, c.lot_number AS component_lot, c.supplier_id, c.certificate_number, -t.quantity AS used
FROM lot_tracking p JOIN production_orders o USING (production_order_id)
JOIN inventory_transactions t ON t.production_order_id = o.production_order_id AND t.movement_type = '261'
JOIN lot_tracking c ON c.lot_number = t.batch_number AND c.material_id = t.material_id
WHERE p.origin_type = 'produced' AND c.origin_type = 'purchased' ORDER BY 1, 3 LIMIT 200;

-- name: lot_genealogy_forward
-- sensible: rows >= 1 AND count(DISTINCT customer_id) >= 1 AND min(shipped) > 0 AND bool_and(first_shipped >= received_date)
SELECT c.lot_number AS component_lot, c.supplier_id, c.received_date, p.lot_number AS made_lot, s.customer_id, -sum(t.quantity) AS shipped, min(t.posting_date) AS first_shipped
FROM lot_tracking c
JOIN (SELECT DISTINCT material_id, batch_number, production_order_id FROM inventory_transactions WHERE movement_type = '261') u
  ON u.batch_number = c.lot_number AND u.material_id = c.material_id
JOIN lot_tracking p ON p.production_order_id = u.production_order_id
JOIN inventory_transactions t ON t.batch_number = p.lot_number AND t.material_id = p.material_id AND t.movement_type = '601'
JOIN sales_orders s ON s.sales_order_id = t.sales_order_id
GROUP BY 1, 2, 3, 4, 5 ORDER BY first_shipped DESC LIMIT 50;

-- name: movement_value_last_12_months
-- sensible: rows >= 12 AND count(DISTINCT month) >= 10
SELECT date_trunc('month', posting_date)::date AS month, transaction_type, count(*) AS movements, sum(amount) AS amount,
       sum(sum(amount)) OVER (PARTITION BY transaction_type ORDER BY date_trunc('month', posting_date)::date) AS running_amount
FROM inventory_transactions WHERE posting_date >= CURRENT_DATE - 365 AND transaction_type <> 'initial' GROUP BY 1, 2 ORDER BY 1, 2;

-- name: forecast_accuracy
-- sensible: rows >= 4 AND min(mape) >= 0
SELECT m.product_family, f.plant_id, count(*) AS periods, round(avg(f.error_percentage), 1) AS mape, round(100 * sum(f.forecast_quantity - f.actual_quantity) / nullif(sum(f.actual_quantity), 0), 1) AS bias_pct
FROM demand_forecasts f JOIN materials m USING (material_id) WHERE f.actual_quantity > 0 GROUP BY 1, 2 ORDER BY mape DESC;
