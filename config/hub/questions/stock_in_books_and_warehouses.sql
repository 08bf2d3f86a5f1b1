-- asks: controller
-- question: Is the stock that the books have in locations with a warehouse there?
-- sensible: rows >= 1 AND count(DISTINCT plant_id) = rows AND min(book_value) > 0 AND max(abs(difference_percent)) < 1
SELECT b.plant_id, f.factory_name, b.materials, b.book_value, b.book_quantity, w.warehouse_quantity,
       round(100 * (coalesce(w.warehouse_quantity, 0) - b.book_quantity) / b.book_quantity, 3) AS difference_percent
FROM (SELECT s.plant_id, count(DISTINCT s.material_id) AS materials, sum(s.stock_value) AS book_value,
             sum(s.unrestricted_stock + s.quality_inspection_stock + s.blocked_stock) AS book_quantity
      FROM genims_erp_db.inventory_balances s
      JOIN genims_erp_db.inventory_locations l ON l.plant_id = s.plant_id AND l.location_code = s.storage_location
      WHERE l.warehouse_id IS NOT NULL GROUP BY s.plant_id) b
LEFT JOIN (SELECT w.plant_id, sum(i.quantity_on_hand) AS warehouse_quantity
      FROM genims_wms_db.inventory_levels i JOIN genims_wms_db.warehouses w USING (warehouse_id) GROUP BY w.plant_id) w USING (plant_id)
JOIN genims_master_db.factories f ON f.factory_id = b.plant_id
WHERE b.book_quantity > 0
ORDER BY b.book_value DESC;
