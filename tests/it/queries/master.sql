-- name: asset_value_and_age_by_plant
-- sensible: rows >= 4 AND min(machines) > 0 AND min(asset_value_usd) > 0
SELECT f.factory_name, m.machine_type, count(*) AS machines, sum(m.asset_value_usd) AS asset_value_usd,
       round(avg(extract(year FROM age(CURRENT_DATE, m.installation_date))), 1) AS mean_age_years,
       count(*) FILTER (WHERE m.installation_date + m.expected_life_years * 365 < CURRENT_DATE) AS beyond_expected_life
FROM factories f
JOIN production_lines l USING (factory_id)
JOIN machines m USING (line_id)
GROUP BY f.factory_name, m.machine_type
ORDER BY asset_value_usd DESC;

-- name: line_capacity_against_customer_plans
-- sensible: rows >= 8 AND min(lines) > 0 AND min(planned_hours) > 0
SELECT p.product_category, count(DISTINCT lp.line_id) AS lines, sum(DISTINCT l.installed_capacity_units_per_hour) AS units_per_hour,
       round(sum(c.annual_volume * p.standard_cycle_time_seconds / 3600.0) / count(DISTINCT lp.line_id), 0) AS planned_hours
FROM customer_product_mapping c
JOIN products p USING (product_id)
JOIN line_product_mapping lp USING (product_id)
JOIN production_lines l USING (line_id)
WHERE c.is_active
GROUP BY p.product_category
ORDER BY planned_hours DESC;

-- name: customer_margin_of_quality
-- sensible: rows >= 10 AND min(products) >= 1 AND min(revenue_usd) > 0
SELECT c.customer_name, c.region, count(*) AS products, sum(m.annual_volume * m.unit_price_usd) AS revenue_usd,
       count(*) FILTER (WHERE p.target_quality_ppm > m.quality_requirement_ppm) AS products_below_requirement,
       rank() OVER (PARTITION BY c.region ORDER BY sum(m.annual_volume * m.unit_price_usd) DESC) AS rank_in_region
FROM customers c
JOIN customer_product_mapping m USING (customer_id)
JOIN products p USING (product_id)
GROUP BY c.customer_id, c.customer_name, c.region;

-- name: materials_by_group_and_storage_need
-- sensible: rows >= 10 AND sum(materials) >= 100
SELECT material_type, material_group, count(*) AS materials, count(*) FILTER (WHERE is_batch_managed) AS by_batch,
       count(*) FILTER (WHERE is_hazardous) AS hazardous, min(max_storage_temperature_celsius) AS coolest_storage
FROM materials
WHERE status = 'active'
GROUP BY material_type, material_group
ORDER BY materials DESC;
