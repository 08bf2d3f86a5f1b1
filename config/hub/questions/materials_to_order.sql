-- asks: planner
-- question: Which materials are below their reorder point in the warehouses, what is on order, and from whom?
-- sensible: rows BETWEEN 1 AND 50 AND count(DISTINCT material_code) = rows AND min(available) >= 0 AND min(on_order) >= 0 AND min(lead_time_days) > 0
SELECT m.material_code, m.material_name, l.available, m.reorder_point, coalesce(p.on_order, 0) AS on_order, s.supplier_name,
       m.lead_time_days, s.on_time_delivery_percentage
FROM genims_erp_db.materials m
JOIN (SELECT material_id, sum(available_quantity) AS available FROM genims_wms_db.inventory_levels GROUP BY material_id) l USING (material_id)
LEFT JOIN (SELECT material_id, sum(order_quantity - received_quantity) AS on_order FROM genims_erp_db.purchase_order_lines
           WHERE line_status IN ('open', 'partially_received') AND NOT deletion_indicator GROUP BY material_id) p USING (material_id)
LEFT JOIN genims_erp_db.suppliers s ON s.supplier_id = m.default_supplier_id
WHERE m.procurement_type <> 'manufactured' AND l.available <= m.reorder_point
ORDER BY l.available / nullif(m.reorder_point, 0), m.material_code
LIMIT 50;
