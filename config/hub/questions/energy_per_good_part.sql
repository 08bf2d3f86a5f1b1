-- asks: controller
-- question: How much energy, and for how many rupees, goes into a good part at each plant?
-- sensible: rows >= 1 AND count(DISTINCT factory_id) = rows AND min(kwh_per_part) > 0 AND min(price_inr) BETWEEN 1 AND 100 AND min(standby_percent) >= 0 AND max(standby_percent) <= 100
SELECT f.factory_id, f.country, e.kwh, e.cost_inr, round(e.cost_inr / e.kwh, 2) AS price_inr, p.good_units,
       round(e.kwh / p.good_units, 3) AS kwh_per_part, round(100 * e.standby_kwh / e.kwh, 1) AS standby_percent
FROM genims_master_db.factories f
JOIN (SELECT d.factory_id, sum(h.energy_kwh) AS kwh, sum(h.standby_energy_kwh) AS standby_kwh, sum(h.energy_cost_inr) AS cost_inr
      FROM genims_analytics_db.fact_energy_hourly h JOIN genims_analytics_db.dim_factory d USING (factory_key)
      GROUP BY d.factory_id HAVING sum(h.energy_kwh) > 0) e USING (factory_id)
JOIN (SELECT d.factory_id, sum(h.good_units) AS good_units
      FROM genims_analytics_db.fact_production_output h JOIN genims_analytics_db.dim_factory d USING (factory_key)
      GROUP BY d.factory_id HAVING sum(h.good_units) > 0) p USING (factory_id)
ORDER BY kwh_per_part DESC;
