-- asks: controller
-- question: Is the stock of the books in the warehouses?
-- sensible: rows >= 3 AND min(book_value) > 0 AND max(abs(difference_percent)) < 5
SELECT plant_id, f.factory_name, b.materials, b.book_value, b.book_quantity, w.warehouse_quantity,
       round(100 * (w.warehouse_quantity - b.book_quantity) / b.book_quantity, 3) AS difference_percent
FROM (SELECT plant_id, count(DISTINCT material_id) AS materials, sum(stock_value) AS book_value,
             sum(unrestricted_stock + quality_inspection_stock + blocked_stock) AS book_quantity
      FROM genims_erp_db.inventory_balances GROUP BY plant_id) b
JOIN (SELECT w.plant_id, sum(l.quantity_on_hand) AS warehouse_quantity
      FROM genims_wms_db.inventory_levels l JOIN genims_wms_db.warehouses w USING (warehouse_id) GROUP BY w.plant_id) w USING (plant_id)
JOIN genims_master_db.factories f ON f.factory_id = plant_id
WHERE b.book_quantity > 0
ORDER BY b.book_value DESC;
