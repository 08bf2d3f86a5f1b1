-- asks: maintenance lead
-- question: Which machines fail most, what do they cost, and what are they worth?
-- sensible: rows BETWEEN 1 AND 10 AND count(DISTINCT machine_id) = rows AND min(faults) >= 1 AND min(downtime_hours) >= 0 AND max(downtime_hours) > 0
SELECT m.machine_id, m.machine_name, m.criticality, f.faults, f.downtime_hours, w.jobs, w.cost, x.net_book_value
FROM genims_master_db.machines m
JOIN (SELECT machine_id, count(*) AS faults, round(coalesce(sum(downtime_minutes), 0) / 60.0, 1) AS downtime_hours
      FROM genims_operations_db.machine_faults GROUP BY machine_id) f USING (machine_id)
LEFT JOIN (SELECT a.machine_id, count(*) AS jobs, sum(w.actual_total_cost) AS cost
           FROM genims_maintenance_db.work_orders w JOIN genims_maintenance_db.maintenance_assets a USING (asset_id)
           WHERE w.requested_date >= CURRENT_DATE - 365 GROUP BY a.machine_id) w USING (machine_id)
LEFT JOIN (SELECT machine_id, sum(net_book_value) AS net_book_value FROM genims_financial_db.fixed_assets
           WHERE machine_id IS NOT NULL GROUP BY machine_id) x USING (machine_id)
ORDER BY f.downtime_hours DESC, f.faults DESC, m.machine_id
LIMIT 10;
