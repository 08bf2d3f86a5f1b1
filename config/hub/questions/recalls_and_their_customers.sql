-- asks: auditor
-- question: How many customers got a recalled product between its production and the recall, and how many were told?
-- sensible: sum(shipped) > 0 AND min(customers) >= 1 AND min(told) >= 1 AND bool_and(recovered <= shipped AND shipped <= delivered)
SELECT r.recall_number, r.recall_class, r.status, p.product_name, count(DISTINCT d.customer_id) AS customers, r.customers_notified AS told,
       sum(d.delivered) AS delivered, r.quantity_shipped AS shipped, r.quantity_recovered AS recovered
FROM genims_quality_db.product_recalls r
JOIN genims_master_db.products p USING (product_id)
LEFT JOIN (SELECT l.product_id, o.customer_id, o.confirmed_delivery_date AS on_day, sum(l.delivered_quantity) AS delivered
           FROM genims_erp_db.sales_orders o JOIN genims_erp_db.sales_order_lines l USING (sales_order_id)
           WHERE l.delivered_quantity > 0 GROUP BY 1, 2, 3) d
  ON d.product_id = r.product_id AND d.on_day BETWEEN r.production_date_from AND r.initiated_date
GROUP BY r.recall_number, r.recall_class, r.status, p.product_name, r.customers_notified, r.quantity_shipped, r.quantity_recovered
ORDER BY r.recall_number;
