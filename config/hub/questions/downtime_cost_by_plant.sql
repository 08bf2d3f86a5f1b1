-- asks: controller
-- question: What did standstills of the last quarter cost each plant, and what did maintenance spend there?
-- sensible: rows >= 1 AND min(stops) >= 1 AND min(standstill_cost) > 0 AND min(maintenance_cost) > 0 AND bool_and(hours < 90 * 24 * machines)
SELECT f.factory_id, f.factory_name, n.machines, s.stops, s.hours, s.standstill_cost, m.maintenance_cost
FROM genims_master_db.factories f
JOIN (SELECT factory_id, count(*) AS stops, round(sum(duration_minutes) / 60.0, 1) AS hours, sum(estimated_cost) AS standstill_cost
      FROM genims_manufacturing_db.downtime_events
      WHERE downtime_start >= CURRENT_DATE - 90 AND duration_minutes > 0 GROUP BY factory_id) s USING (factory_id)
JOIN (SELECT a.factory_id, sum(c.cost_amount) AS maintenance_cost
      FROM genims_maintenance_db.maintenance_costs c JOIN genims_maintenance_db.maintenance_assets a USING (asset_id)
      WHERE c.cost_date >= CURRENT_DATE - 90 GROUP BY a.factory_id) m USING (factory_id)
JOIN (SELECT l.factory_id, count(*) AS machines FROM genims_master_db.machines m JOIN genims_master_db.production_lines l USING (line_id)
      GROUP BY l.factory_id) n USING (factory_id)
ORDER BY s.standstill_cost DESC;
