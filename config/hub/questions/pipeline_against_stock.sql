-- asks: planner
-- question: How much of what the sales pipeline makes us expect does the finished stock not cover?
-- sensible: rows BETWEEN 1 AND 30 AND count(DISTINCT material_code) = rows AND min(expected) >= 0 AND bool_and(expected <= wanted) AND min(available) >= 0 AND bool_and(uncovered <= wanted)
SELECT m.material_code, m.material_name, p.wanted, p.expected, coalesce(l.available, 0) AS available,
       greatest(p.expected - coalesce(l.available, 0), 0) AS uncovered, p.opportunities, p.next_close
FROM genims_erp_db.materials m
JOIN (SELECT x.material_id, sum(x.quantity) AS wanted, round(sum(x.quantity * o.probability_pct / 100.0), 1) AS expected,
             count(DISTINCT o.opportunity_id) AS opportunities, min(o.expected_close_date) AS next_close
      FROM genims_crm_db.opportunities o JOIN genims_crm_db.opportunity_products x USING (opportunity_id)
      WHERE NOT o.is_closed GROUP BY x.material_id) p USING (material_id)
LEFT JOIN (SELECT material_id, sum(available_quantity) AS available FROM genims_wms_db.inventory_levels GROUP BY material_id) l USING (material_id)
ORDER BY p.expected - coalesce(l.available, 0) DESC, m.material_code
LIMIT 30;
