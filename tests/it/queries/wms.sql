-- name: space_used_per_warehouse_and_zone
-- sensible: rows >= 40 AND min(used_pct) >= 0 AND max(used_pct) <= 100 AND max(used_pct) > 0
SELECT w.warehouse_name, z.zone_type, count(b.bin_id) AS bins, count(*) FILTER (WHERE b.bin_status IN ('occupied', 'full')) AS used,
       round(100.0 * count(*) FILTER (WHERE b.bin_status IN ('occupied', 'full')) / count(b.bin_id), 1) AS used_pct, round(avg(b.current_occupancy_pct), 1) AS occupancy_pct
FROM warehouses w JOIN warehouse_zones z USING (warehouse_id) JOIN storage_bins b ON b.zone_id = z.zone_id
GROUP BY w.warehouse_name, z.zone_type ORDER BY w.warehouse_name, used_pct DESC;

-- name: materials_to_replenish
-- sensible: rows >= 1 AND min(shortage) >= 0
SELECT l.warehouse_id, l.material_id, l.level_status, l.available_quantity, l.reorder_point, l.in_transit_quantity, l.days_of_supply,
       greatest(coalesce(l.maximum_level, l.reorder_point * 2) - l.available_quantity - l.in_transit_quantity, 0) AS shortage,
       rank() OVER (PARTITION BY l.warehouse_id ORDER BY l.days_of_supply NULLS LAST) AS urgency
FROM inventory_levels l WHERE l.level_status IN ('out_of_stock', 'critical', 'reorder') ORDER BY l.warehouse_id, urgency;

-- name: dock_to_stock_time_last_90_days
-- sensible: rows >= 3 AND min(hours_dock_to_stock) > 0 AND max(hours_dock_to_stock) < 24 AND min(receipts) > 0
SELECT r.warehouse_id, count(DISTINCT r.receiving_task_id) AS receipts, sum(p.quantity) AS quantity,
       round(avg(extract(epoch FROM p.completed_at - r.started_at)) / 3600, 2) AS hours_dock_to_stock,
       round(100.0 * count(*) FILTER (WHERE r.inspection_status IN ('failed', 'conditional')) / count(*), 2) AS complaint_pct
FROM receiving_tasks r JOIN putaway_tasks p USING (receiving_task_id)
WHERE r.completed_at >= CURRENT_DATE - 90 GROUP BY r.warehouse_id ORDER BY receipts DESC;

-- name: picker_productivity_last_30_days
-- sensible: rows >= 2 AND min(picks) > 0 AND min(units) > 0 AND max(short_pct) <= 100
SELECT w.worker_id, w.last_name, w.warehouse_id, count(*) AS picks, sum(t.quantity_picked) AS units,
       round(sum(extract(epoch FROM t.completed_at - t.started_at)) / 3600, 1) AS hours,
       round(100.0 * count(*) FILTER (WHERE t.task_status = 'short') / count(*), 1) AS short_pct,
       rank() OVER (PARTITION BY w.warehouse_id ORDER BY count(*) DESC) AS place
FROM picking_tasks t JOIN warehouse_workers w ON w.worker_id = t.assigned_to
WHERE t.completed_at >= CURRENT_DATE - 30 GROUP BY w.worker_id ORDER BY picks DESC;

-- name: order_cycle_from_wave_to_dock
-- sensible: rows >= 3 AND min(orders) > 0 AND min(hours_wave_to_ship) > 0
SELECT date_trunc('month', s.actual_ship_date)::date AS month, s.warehouse_id, count(DISTINCT s.sales_order_id) AS orders, sum(s.total_weight_kg) AS weight_kg,
       round(avg(extract(epoch FROM s.completed_at - v.released_at)) / 3600, 1) AS hours_wave_to_ship
FROM shipping_tasks s JOIN (SELECT p.shipment_id, min(w.released_at) AS released_at FROM packing_tasks p JOIN pick_waves w USING (wave_id) GROUP BY 1) v USING (shipment_id)
WHERE s.task_status = 'shipped' AND s.actual_ship_date >= CURRENT_DATE - 180 GROUP BY 1, 2 ORDER BY 1, 2;

-- name: count_accuracy_by_class
-- sensible: rows >= 2 AND min(accuracy_pct) >= 0 AND max(accuracy_pct) <= 100
SELECT l.abc_class, c.count_type, count(*) AS counts, sum(abs(c.variance_quantity) * l.average_unit_cost) AS difference_value,
       round(100.0 * count(*) FILTER (WHERE c.variance_quantity = 0) / count(*), 2) AS accuracy_pct
FROM cycle_count_tasks c JOIN inventory_levels l USING (warehouse_id, material_id)
WHERE c.counted_quantity IS NOT NULL AND c.count_date >= CURRENT_DATE - 365 GROUP BY l.abc_class, c.count_type HAVING count(*) >= 20 ORDER BY accuracy_pct;
