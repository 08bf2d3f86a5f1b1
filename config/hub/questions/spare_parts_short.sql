-- asks: maintenance lead
-- question: Which spare parts are short, who sells them, and how reliable is he?
-- sensible: rows >= 1 AND count(DISTINCT part_number) = rows AND min(current_stock) >= 0 AND bool_and(current_stock <= reorder_point) AND min(missing) > 0 AND min(lead_time_days) > 0
SELECT p.part_number, p.part_name, p.criticality, p.current_stock, p.reorder_point, p.max_stock_level - p.current_stock AS missing,
       p.lead_time_days, s.supplier_name, s.on_time_delivery_percentage, w.warehouse_name
FROM genims_maintenance_db.mro_parts p
JOIN genims_erp_db.suppliers s ON s.supplier_id = p.primary_supplier_id
LEFT JOIN genims_wms_db.warehouses w USING (warehouse_id)
WHERE p.is_active AND p.current_stock <= p.reorder_point
ORDER BY CASE p.criticality WHEN 'critical' THEN 1 WHEN 'high' THEN 2 WHEN 'medium' THEN 3 ELSE 4 END, p.part_number;
