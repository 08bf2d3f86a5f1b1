-- asks: planner
-- question: Do carriers bring to each region what the orders promised?
-- sensible: rows >= 2 AND min(delivered) >= 1 AND bool_and(late <= delivered) AND min(on_time_percent) >= 0 AND max(on_time_percent) <= 100
SELECT c.region, k.carrier_name, count(*) AS delivered, count(*) FILTER (WHERE s.actual_delivery_date > o.confirmed_delivery_date) AS late,
       round(100.0 * count(*) FILTER (WHERE s.actual_delivery_date <= o.confirmed_delivery_date) / count(*), 1) AS on_time_percent,
       round(avg(s.transit_days), 1) AS mean_transit_days
FROM genims_tms_db.shipments s
JOIN genims_tms_db.carriers k USING (carrier_id)
JOIN genims_erp_db.sales_orders o USING (sales_order_id)
JOIN genims_master_db.customers c ON c.customer_id = o.customer_id
WHERE s.shipment_status = 'delivered' AND s.shipment_type = 'outbound' AND o.confirmed_delivery_date IS NOT NULL
GROUP BY c.region, k.carrier_name
ORDER BY on_time_percent, delivered DESC;
