-- name: on_time_delivery_per_carrier_last_90_days
-- sensible: rows >= 3 AND min(on_time_pct) BETWEEN 0 AND 100 AND max(on_time_pct) > 60
SELECT c.carrier_name, v.service_name, count(*) AS delivered, round(100.0 * count(*) FILTER (WHERE s.actual_delivery_date <= s.estimated_delivery_date) / count(*), 1) AS on_time_pct,
       round(avg(s.transit_days), 1) AS transit_days, round(avg(s.actual_delivery_date - s.estimated_delivery_date) FILTER (WHERE s.actual_delivery_date > s.estimated_delivery_date), 1) AS days_late
FROM shipments s JOIN carriers c USING (carrier_id) JOIN carrier_services v USING (service_id)
WHERE s.actual_delivery_date >= CURRENT_DATE - 90 GROUP BY c.carrier_name, v.service_name ORDER BY on_time_pct;

-- name: freight_cost_per_lane_and_month
-- sensible: rows >= 6 AND min(cost_per_kg) > 0 AND min(shipments) > 0
SELECT date_trunc('month', s.ship_date)::date AS month, s.origin_country, s.destination_country, count(*) AS shipments, sum(s.total_weight_kg) AS weight_kg, sum(s.total_cost) AS cost,
       round(sum(s.total_cost) / sum(s.total_weight_kg), 2) AS cost_per_kg, round(100 * sum(s.total_cost) / sum(s.declared_value), 2) AS cost_of_value_pct
FROM shipments s WHERE s.actual_pickup_date >= CURRENT_DATE - 365 GROUP BY 1, 2, 3 ORDER BY cost DESC;

-- name: freight_invoice_audit
-- sensible: rows >= 3 AND min(billed) > 0 AND max(wrong_lines_pct) <= 100
SELECT c.carrier_name, count(DISTINCT i.invoice_id) AS invoices, sum(l.charge_amount) AS billed, sum(l.variance_amount) AS above_tariff,
       round(100.0 * count(*) FILTER (WHERE l.variance_amount <> 0) / count(*), 2) AS wrong_lines_pct, count(DISTINCT i.invoice_id) FILTER (WHERE i.invoice_status = 'disputed') AS disputed
FROM freight_invoices i JOIN freight_invoice_lines l USING (invoice_id) JOIN carriers c USING (carrier_id) GROUP BY c.carrier_name ORDER BY above_tariff DESC;

-- name: shipments_under_way_and_their_last_event
-- sensible: rows >= 3 AND min(days_under_way) >= 0
SELECT s.shipment_number, s.destination_name, s.shipment_status, e.event_type, e.location_city, e.event_timestamp, s.estimated_delivery_date, CURRENT_DATE - s.ship_date AS days_under_way,
       greatest(CURRENT_DATE - s.estimated_delivery_date, 0) AS days_overdue
FROM shipments s JOIN (SELECT DISTINCT ON (shipment_id) * FROM tracking_events ORDER BY shipment_id, event_timestamp DESC) e USING (shipment_id)
WHERE s.actual_pickup_date IS NOT NULL AND s.actual_delivery_date IS NULL ORDER BY days_overdue DESC, s.estimated_delivery_date;

-- name: carrier_scorecard_trend
-- sensible: rows >= 12 AND min(performance_score) BETWEEN 0 AND 100
SELECT c.carrier_name, m.period_start, m.total_shipments, m.on_time_pct, k.on_time_target_pct, m.performance_score, m.performance_grade,
       m.performance_score - lag(m.performance_score) OVER (PARTITION BY m.carrier_id ORDER BY m.period_start) AS change
FROM carrier_performance_metrics m JOIN carriers c USING (carrier_id) LEFT JOIN carrier_contracts k ON k.carrier_id = m.carrier_id AND k.contract_status = 'active'
WHERE m.delivered_shipments > 0 ORDER BY c.carrier_name, m.period_start;

-- name: tour_utilisation
-- sensible: rows >= 2 AND max(fill_pct) <= 100 AND min(fill_pct) > 0
SELECT coalesce(c.carrier_name, 'Own fleet') AS fleet, r.origin_warehouse_id, count(*) AS tours, sum(r.total_distance_km) AS km, round(avg(r.number_of_stops), 1) AS stops,
       round(avg(100 * r.total_weight_kg / r.vehicle_capacity_kg), 1) AS fill_pct, round(sum(r.actual_cost) / nullif(sum(r.total_weight_kg) FILTER (WHERE r.actual_cost IS NOT NULL), 0), 2) AS cost_per_kg
FROM routes r LEFT JOIN carriers c ON c.carrier_id = r.carrier_id GROUP BY 1, 2 ORDER BY tours DESC;
