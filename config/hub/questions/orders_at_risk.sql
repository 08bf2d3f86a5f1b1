-- asks: planner
-- question: Which open orders promise more than the stock holds, and when will work for the product be done?
-- sensible: rows BETWEEN 1 AND 50 AND count(DISTINCT (sales_order_number, product_id)) = rows AND min(available) >= 0 AND bool_and(short > 0) AND count(promised) = rows
SELECT o.sales_order_number, c.customer_name, o.product_id, o.promised, o.open_quantity, coalesce(s.available, 0) AS available,
       o.open_quantity - coalesce(s.available, 0) AS short, w.in_work, w.work_ends, w.work_ends - o.promised AS days_late
FROM (SELECT h.sales_order_number, h.customer_id, l.product_id, min(coalesce(l.confirmed_delivery_date, l.requested_delivery_date)) AS promised,
             sum(l.order_quantity - l.delivered_quantity) AS open_quantity
      FROM genims_erp_db.sales_orders h JOIN genims_erp_db.sales_order_lines l USING (sales_order_id)
      WHERE h.order_status IN ('confirmed', 'in_production', 'partially_shipped') AND NOT l.deletion_indicator AND l.product_id IS NOT NULL
      GROUP BY 1, 2, 3) o
JOIN genims_master_db.customers c USING (customer_id)
LEFT JOIN (SELECT m.product_id, sum(i.available_quantity) AS available
      FROM genims_wms_db.inventory_levels i JOIN genims_erp_db.materials m USING (material_id) GROUP BY m.product_id) s USING (product_id)
LEFT JOIN (SELECT product_id, sum(planned_quantity - coalesce(good_quantity, 0)) AS in_work, max(planned_end_date)::date AS work_ends
      FROM genims_manufacturing_db.work_orders WHERE status NOT IN ('completed', 'closed', 'cancelled') GROUP BY product_id) w USING (product_id)
WHERE o.open_quantity > coalesce(s.available, 0)
ORDER BY o.promised, o.sales_order_number, o.product_id
LIMIT 50;
