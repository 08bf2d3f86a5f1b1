-- asks: planner
-- question: Do orders leave on the day we confirmed, and do carriers bring them on the day they named?
-- sensible: rows >= 2 AND min(delivered) >= 1 AND sum(left_late) < 0.5 * sum(delivered) AND sum(arrived_late) < 0.5 * sum(delivered) AND min(mean_transit_days) > 0
SELECT c.region, k.carrier_name, count(*) AS delivered, count(*) FILTER (WHERE s.ship_date > o.confirmed_delivery_date) AS left_late,
       count(*) FILTER (WHERE s.actual_delivery_date > s.estimated_delivery_date) AS arrived_late,
       round(100.0 * count(*) FILTER (WHERE s.actual_delivery_date <= s.estimated_delivery_date) / count(*), 1) AS arrived_on_time_percent,
       round(avg(s.transit_days), 1) AS mean_transit_days
FROM genims_tms_db.shipments s
JOIN genims_tms_db.carriers k USING (carrier_id)
JOIN genims_erp_db.sales_orders o USING (sales_order_id)
JOIN genims_master_db.customers c ON c.customer_id = o.customer_id
WHERE s.shipment_status = 'delivered' AND s.shipment_type = 'outbound' AND o.confirmed_delivery_date IS NOT NULL
GROUP BY c.region, k.carrier_name
ORDER BY arrived_on_time_percent, delivered DESC, 1, 2;
