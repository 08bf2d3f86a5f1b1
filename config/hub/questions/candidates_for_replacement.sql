-- asks: maintenance lead
-- question: For which machines did maintenance of a year cost most of what they are still worth?
-- sensible: rows BETWEEN 1 AND 15 AND count(DISTINCT machine_id) = rows AND min(percent_of_value) > 0 AND max(percent_of_value) < 100
SELECT x.machine_id, m.machine_name, m.installation_date, x.net_book_value, c.year_cost, round(100 * c.year_cost / x.net_book_value, 1) AS percent_of_value
FROM (SELECT machine_id, sum(net_book_value) AS net_book_value FROM genims_financial_db.fixed_assets
      WHERE machine_id IS NOT NULL GROUP BY machine_id HAVING sum(net_book_value) > 0) x
JOIN (SELECT a.machine_id, sum(c.cost_amount) AS year_cost
      FROM genims_maintenance_db.maintenance_costs c JOIN genims_maintenance_db.maintenance_assets a USING (asset_id)
      WHERE c.cost_date >= CURRENT_DATE - 365 AND a.machine_id IS NOT NULL GROUP BY a.machine_id) c USING (machine_id)
JOIN genims_master_db.machines m USING (machine_id)
ORDER BY percent_of_value DESC
LIMIT 15;
